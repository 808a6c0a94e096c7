"""An output format: a name, and a function that turns a report into text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler import extensions
from reconciler.engine.views.report import Report
from reconciler.output.text import Lines, Style

__all__ = ["Format", "Options", "format_named", "names"]

_PACKAGE = "reconciler.output.formats"


def _no_lines(_file: str, _line: int) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """How a report is shown.

    `style` has the colours and glyphs; `lines` reads lines of the config; `show_all` asks for the
    rows that are cut otherwise. `link_base` and the path of a file make a link to the file at its
    commit. `marker` names a comment, so that a later run can update that comment. `changed` are
    the (file, line) pairs that a proposal touches; issues on them come first. `budget` is the most
    bytes of the text, 0 for the limit of the format. `again` is the command that shows the same.
    `reads` says which tree the command read; "" to leave it out. `width` is the number of columns
    of texts for people.
    """

    style: Style = field(default_factory=Style)
    lines: Lines = _no_lines
    show_all: bool = False
    link_base: str = ""
    marker: str = ""
    changed: frozenset[tuple[str, int]] = frozenset()
    budget: int = 0
    again: str = ""
    reads: str = ""
    width: int = 100


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    render: Callable[[Report, Options], str]


def names() -> tuple[str, ...]:
    """The names of all formats, one per module of `formats`."""
    return extensions.names(_PACKAGE)


def format_named(name: str) -> Format:
    """The format of that name."""
    found: Format = extensions.load(_PACKAGE, name, "FORMAT")
    return found
