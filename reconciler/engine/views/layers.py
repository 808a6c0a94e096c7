"""The files that each unit reads, as `layers` shows them."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.unit import UnitId

__all__ = ["Layers", "UnitLayers"]


@dataclass(frozen=True, slots=True)
class UnitLayers:
    """The files that a unit reads, lowest layer first."""

    app: UnitId
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layers:
    """The selected units, in the order of the fleet."""

    units: tuple[UnitLayers, ...]
