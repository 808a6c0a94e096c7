"""Finds capabilities. A capability is one file in a folder (a "room") and offers one constant: for
example `backends/routers/none.py` offers `ROUTER`. A file is listed without importing it and
imported when it is used.
"""

from __future__ import annotations

import functools
import importlib
import os
from importlib.util import find_spec
from typing import Any

from reconciler.errors import ReconcilerError
from reconciler.suggest import did_you_mean

__all__ = ["ExtensionInvalid", "ExtensionMissing", "load", "names"]


class ExtensionMissing(ReconcilerError):
    """No file offers the named capability, or the file lacks its constant."""

    code = "E_EXTENSION"


class ExtensionInvalid(ReconcilerError):
    """A capability does something that it does not declare."""

    code = "E_EXTENSION"


@functools.cache
def names(room: str) -> tuple[str, ...]:
    """The names of a room's capabilities, sorted: `kubedl_tfjob.py` offers `kubedl-tfjob`.

    Reads the folder once per process and imports nothing.
    """
    spec = find_spec(room)
    found = set()
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for entry in os.scandir(folder):
            stem, dot, suffix = entry.name.rpartition(".")
            if dot and suffix == "py" and not stem.startswith("_"):
                found.add(stem.replace("_", "-"))
    return tuple(sorted(found))


@functools.cache
def load(room: str, name: str, constant: str) -> Any:
    """The constant of one capability's file. Raises ExtensionMissing for a name without a file, a
    file without the constant, and a constant whose `name` differs from the file's."""
    known = names(room)
    if name not in known:
        raise ExtensionMissing(
            f"{name!r} is not one of {', '.join(known)}", hint=f"{room} offers: {', '.join(known)}"
        )
    module = importlib.import_module(f"{room}.{name.replace('-', '_')}")
    file = f"{room.replace('.', '/')}/{name.replace('-', '_')}.py"
    found = getattr(module, constant, None)
    if found is None:
        upper = sorted(n for n in vars(module) if n.isupper() and not n.startswith("_"))
        raise ExtensionMissing(
            f"{file} has no constant {constant}; every file of this folder defines it",
            hint=did_you_mean(constant, upper, also=f"define {constant} in it, or move it away"),
        )
    if getattr(found, "name", name) != name:
        raise ExtensionMissing(
            f"{file}: {constant} is named {found.name!r}, and its file {name!r}",
            hint=f"give both one name: {name!r}, with an underscore for each dash in the file",
        )
    return found
