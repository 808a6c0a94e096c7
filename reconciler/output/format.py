"""What an output format is: a name and a function from a report to text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler import extensions
from reconciler.engine.views.report import Report
from reconciler.output.text import Lines, Style

__all__ = ["Format", "Options", "format_named", "names"]

_ROOM = "reconciler.output.formats"


def _no_lines(_file: str, _line: int) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """How to show it: colours and glyphs, the config's own lines, nothing folded.

    `link_base` is what a file's path is put behind to make a link to it at its commit. `marker`
    names a comment for those who update it in place. `changed` are the (file, line) pairs that a
    proposal touches, for what is shown first. `budget` bounds the text in bytes, 0 for the
    format's own. `again` is the command that shows the same.
    """

    style: Style = field(default_factory=Style)
    lines: Lines = _no_lines
    show_all: bool = False
    link_base: str = ""
    marker: str = ""
    changed: frozenset[tuple[str, int]] = frozenset()
    budget: int = 0
    again: str = ""


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    render: Callable[[Report, Options], str]


def names() -> tuple[str, ...]:
    """The formats that exist, by their files."""
    return extensions.names(_ROOM)


def format_named(name: str) -> Format:
    found: Format = extensions.load(_ROOM, name, "FORMAT")
    return found
