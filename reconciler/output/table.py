"""A table for people, laid out within a width."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from reconciler.output.text import Style
from reconciler.secrets import printable

__all__ = ["Paint", "Table", "layout"]

_GAP = 2
_INDENT = "    "
#: Paints a cell; the width of the text is that without colours.
Paint = Callable[[Style, str], str]


@dataclass(frozen=True, slots=True)
class Table:
    """The cells are texts. `title` is "" where a section has one table only. `closing` is the line
    under it. `fits`: where the width does not do, the last columns go under their rows. `paints`:
    column → how its cells are coloured."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    closing: str = ""
    fits: bool = False
    paints: Mapping[int, Paint] = field(default_factory=dict)


def layout(table: Table, style: Style, width: int) -> Iterator[str]:
    """The lines of a table. No line is longer than `width` columns, but for a cell that does not
    fit alone and has no blanks; a table that does not `fit` is as wide as its cells."""
    rows = [tuple(map(printable, row)) for row in (table.columns, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    ends = [end - _GAP for end in accumulate(width + _GAP for width in widths)]
    across = sum(1 for end in ends if end <= width) if table.fits else len(widths)
    across = max(1, across)
    if table.title:
        yield style.bold(table.title)
    for number, row in enumerate(rows):
        cells = [cell.ljust(widths[i]) for i, cell in enumerate(row[:across])]
        cells[-1] = cells[-1].rstrip()
        if number == 0:
            yield style.bold(_join(cells))
            continue
        painted = [
            table.paints[i](style, cell) if i in table.paints else cell
            for i, cell in enumerate(cells)
        ]
        yield _join(painted)
        rest = zip(rows[0][across:], row[across:], strict=True)
        yield from _under([(name, cell) for name, cell in rest if cell not in ("", "-")], width)
    if table.closing:
        yield ""
        yield from textwrap.wrap(printable(table.closing), width, break_on_hyphens=False)


def _join(cells: list[str]) -> str:
    return (" " * _GAP).join(cells).rstrip()


def _under(cells: list[tuple[str, str]], width: int) -> Iterator[str]:
    """The cells under their row, each after the name of its column; short ones share a line."""
    line = ""
    for name, cell in cells:
        text = f"{name.lower()}: {cell}"
        joined = f"{line}   {text}" if line else _INDENT + text
        if line and len(joined) > width:
            yield from _wrap(line, width)
            joined = _INDENT + text
        line = joined
    if line:
        yield from _wrap(line, width)


def _wrap(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=_INDENT * 2,
        break_long_words=False,
        break_on_hyphens=False,
    )
