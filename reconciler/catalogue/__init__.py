"""The catalogue of codes: the meaning of each error, warning and finding, with an example and the
way out.

Each module of this folder offers `ENTRIES`. `make docs` runs the test cases and writes their output
to `examples.json`; an entry without a test case holds its example itself.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from importlib import resources

from reconciler.catalogue.entry import Entry
from reconciler.errors import UsageMistake
from reconciler.suggest import did_you_mean

__all__ = ["Entry", "entries", "find", "is_code", "measured"]

_MODULES = ("parsing", "merging", "config", "policies", "source", "cluster", "program")


@functools.cache
def measured() -> Mapping[str, str]:
    """Code → the example that `make docs` has measured."""
    file = resources.files(__name__) / "examples.json"
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found


@functools.cache
def entries() -> Mapping[str, Entry]:
    """Code → entry with its example, sorted by code."""
    modules = (importlib.import_module(f"{__name__}.{name}") for name in _MODULES)
    found: list[Entry] = [entry for module in modules for entry in module.ENTRIES]
    return {
        entry.code: entry.shown_as(measured().get(entry.code, entry.own_example))
        for entry in sorted(found, key=lambda entry: entry.code)
    }


def is_code(text: str) -> bool:
    """Whether a text looks like a code, in any case: `E_LOCKED`, `w_base`."""
    head, _, rest = text.upper().partition("_")
    return head in ("E", "W", "P") and rest.replace("_", "").isalnum()


def find(code: str) -> Entry:
    """The entry of a code, in any case. Raises UsageMistake for a code that does not exist."""
    found = entries().get(code.upper())
    if found is None:
        hint = did_you_mean(code.upper(), entries(), also="all codes: docs/errors.md")
        raise UsageMistake(f"there is no code {code!r}", hint=hint)
    return found
