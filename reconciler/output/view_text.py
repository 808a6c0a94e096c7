"""The views as text for people: tables, YAML for `kubectl`, the diff of a promotion."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.engine.views.layers import Layers
from reconciler.engine.views.merge_result import MergeResult
from reconciler.engine.views.objects import Objects
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.repairs import Repairs
from reconciler.engine.views.rights import Rights
from reconciler.engine.views.status import FleetStatus, Health
from reconciler.engine.views.versions import Versions
from reconciler.layers.emit import emit
from reconciler.output import rights
from reconciler.output.format import Options
from reconciler.output.manifests import document
from reconciler.output.tables import Table, tables
from reconciler.output.text import Style
from reconciler.secrets import printable

if TYPE_CHECKING:
    from reconciler.engine.views.report import View

__all__ = ["render"]


#: The least room for the last column of a table.
_LEAST = 20


def render(view: View, options: Options) -> Iterator[str]:
    """The blocks of text, in order; the caller puts an empty line between two blocks."""
    match view:
        case FleetStatus() | Layers() | Repairs() | Versions():
            for table in tables(view):
                yield _table(table, options)
        case Promotion():
            yield from _promotion(view)
        case Objects():
            yield "".join(map(document, view.objects))
        case Rights():
            yield "".join(rights.yaml_of(view))
        case MergeResult():
            yield emit(view.tree) if view.tree is not None else ""


def _promotion(section: Promotion) -> Iterator[str]:
    was = f"{section.before} -> " if section.before else ""
    head = f"{section.model} in {section.environment}: {was}{section.after}"
    yield printable(f"{head}\ndigest {section.digest}")
    yield printable(section.diff)


#: The colour of a health; another one has none.
_HEALTH = {
    Health.READY: "32",
    Health.PROGRESSING: "33",
    Health.HELD: "33",
    Health.MISSING: "31",
    Health.FAILED: "31",
    Health.BLOCKED: "31",
    Health.UNKNOWN: "35",
}


def _table(table: Table, options: Options) -> str:
    """The rows in columns. Where they are wider than the text may be, the last column is wrapped
    below its own start, as far as it has room there."""
    rows = [tuple(map(printable, row)) for row in (table.columns, *table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    start = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(options.width - start, _LEAST)
    out = [options.style.bold(table.title)] if table.title else []
    for number, row in enumerate(rows):
        last, *rest = textwrap.wrap(row[-1], room, break_on_hyphens=False) or [""]
        cells = [
            _paint(table.columns[i], cell, f"{cell:<{widths[i]}}", options.style)
            for i, cell in enumerate((*row[:-1], last))
        ]
        line = "  ".join(cells).rstrip()
        out.append(options.style.bold(line) if number == 0 else line)
        out += [" " * start + text for text in rest]
    return "\n".join(out)


def _paint(column: str, cell: str, shown: str, style: Style) -> str:
    colour = _HEALTH.get(cell) if column == "HEALTH" else None  # type: ignore[call-overload]
    return style.paint(shown, colour) if colour else shown
