"""The floor under loading: every file of a fleet parsed once, by the fastest loader with positions.

libyaml's events and a builder that keeps a line and a column for each node, and does nothing else:
no schema of scalars, no budgets, no markers, no diagnostics. Run as a program, as the baseline.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

__all__ = ["build", "main", "read"]

Event = Callable[[], Any]


def build(data: bytes) -> Any:
    """The nodes of a file as tuples (content, line, column); None for an empty file."""
    parser: Any = yaml.CBaseLoader(data)
    following = parser.get_event
    following()
    if type(following()) is not yaml.DocumentStartEvent:
        return None
    return _node(following(), following)


def _node(event: Any, following: Event) -> Any:
    kind = type(event)
    mark = event.start_mark
    if kind is yaml.ScalarEvent:
        return (event.value, mark.line, mark.column)
    if kind is yaml.MappingStartEvent:
        children = {}
        event = following()
        while type(event) is not yaml.MappingEndEvent:
            children[event.value] = _node(following(), following)
            event = following()
        return (children, mark.line, mark.column)
    if kind is yaml.SequenceStartEvent:
        items = []
        event = following()
        while type(event) is not yaml.SequenceEndEvent:
            items.append(_node(event, following))
            event = following()
        return (items, mark.line, mark.column)
    raise ValueError(f"{kind.__name__} is not expected in a generated fleet")


def read(folder: Path) -> int:
    """Parses every file below a folder; how many."""
    held = [build(path.read_bytes()) for path in sorted(folder.rglob("*.yaml"))]
    return len(held)


def main() -> None:
    gc.disable()
    print(read(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
