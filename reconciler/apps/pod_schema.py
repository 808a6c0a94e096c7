"""The fields of a pod and their types, as Kubernetes publishes them.

The file beside this module is made from the OpenAPI of a real API server; a test on the real server
holds it to that. It is read when a config first has an overlay.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Type", "fields_of", "records"]


@dataclass(frozen=True, slots=True)
class Type:
    """The type of one field. `what` is `record`, `list`, `map`, or a scalar: text, int, bool,
    number, quantity, int-or-text, any. `choices` are the texts that are allowed. `keys` match the
    elements of a list; without keys the list is one value."""

    what: str
    record: str = ""
    item: Type | None = None
    choices: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    required: bool = False


@functools.cache
def records() -> Mapping[str, Mapping[str, str]]:
    """Record → field → type, in the notation of `tests/pod_schema.py`."""
    file = Path(__file__).with_name("pod_schema.json")
    found: Mapping[str, Mapping[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return found


@functools.cache
def fields_of(record: str) -> Mapping[str, Type]:
    """The fields of a record. Raises KeyError for a record that is none."""
    return {name: _read(text) for name, text in records()[record].items()}


def _read(text: str) -> Type:
    required = text.endswith("!")
    text = text.removesuffix("!")
    if text.startswith("["):
        inner, _, keys = text[1:].rpartition("]")
        by = tuple(keys.split("+")) if keys else ()
        return Type("list", item=_read(inner), keys=by, required=required)
    if text.startswith("{"):
        return Type("map", item=_read(text[1:-1]), required=required)
    what, _, choices = text.partition(":")
    if what[0].isupper():
        return Type("record", what, required=required)
    return Type(what, choices=tuple(choices.split("|")) if choices else (), required=required)
