"""The desired objects that `render` shows, with the config lines of their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.engine import stages
from reconciler.engine.stages import Drawn
from reconciler.objects.draft import Manifest
from reconciler.unit import UnitId

__all__ = ["Objects", "RenderedObject", "rendered"]


@dataclass(frozen=True, slots=True)
class RenderedObject:
    """One desired object of a unit. The manifest has the origin of each field, and the objects
    that it embeds."""

    app: UnitId
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Objects:
    """Desired objects, unit by unit in the order of the fleet."""

    objects: tuple[RenderedObject, ...]


def rendered(units: Iterable[Drawn]) -> Iterator[RenderedObject]:
    """The objects one by one: of a large repo not all are held at once."""
    for item, manifest in stages.sealed(units):
        yield RenderedObject(item.unit.id, manifest)
