"""The views as text for people: tables, YAML for `kubectl`, the diff of a promotion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.engine.views.layers import Layers
from reconciler.engine.views.merge_result import MergeResult
from reconciler.engine.views.objects import Objects
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.repairs import Repairs
from reconciler.engine.views.rights import Rights
from reconciler.engine.views.status import FleetStatus
from reconciler.engine.views.versions import Versions
from reconciler.layers.emit import emit
from reconciler.output import rights
from reconciler.output.format import Options
from reconciler.output.manifests import document
from reconciler.output.table import layout
from reconciler.output.tables import tables
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
                yield "\n".join(layout(table, options.style, options.width)).replace(
                    "→", options.style.arrow
                )
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
