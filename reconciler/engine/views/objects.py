"""The desired objects that `render` shows, with the config lines of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.engine.draw import UnitDrafts
from reconciler.objects.draft import Manifest, seal
from reconciler.unit import UnitId

__all__ = ["Objects", "RenderedObject", "render_objects"]


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """One desired object of a unit. The manifest has the origin of each field and the embedded
    objects."""

    app: UnitId
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Objects:
    """Desired objects, unit by unit in the order of the fleet."""

    objects: tuple[RenderedObject, ...]


def render_objects(units: Iterable[UnitDrafts]) -> Iterator[RenderedObject]:
    """The objects one by one, so that a large repo does not need memory for all of them."""
    for item in units:
        for draft in item.drafts:
            yield RenderedObject(item.unit.id, seal(draft))
