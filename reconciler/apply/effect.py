"""What the protocol asks of the world, and what it hears back. Data only: no I/O, no ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan.change import Change, StateSwap
from reconciler.plan.inventory import Inventory
from reconciler.unit import UnitId

__all__ = [
    "Apply",
    "Delete",
    "DropState",
    "DryRun",
    "Effect",
    "FindStrangers",
    "PutInventory",
    "Read",
    "Suspend",
    "Swap",
    "Wait",
    "WaitGone",
    "WaitResult",
]


@dataclass(frozen=True, slots=True)
class PutInventory:
    """Write the inventory by compare-and-swap; a body without members is deleted when `drop`."""

    inventory: Inventory
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Swap:
    """Record the rollout state by compare-and-swap."""

    unit: UnitId
    swap: StateSwap


@dataclass(frozen=True, slots=True)
class DropState:
    """Delete the rollout state of a unit that is gone."""

    unit: UnitId


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of one change's manifest, guarded by the uid that the plan saw."""

    change: Change


@dataclass(frozen=True, slots=True)
class DryRun:
    """What the server says of a change that could not be asked about in the plan; writes
    nothing."""

    change: Change


@dataclass(frozen=True, slots=True)
class Suspend:
    """Suspend a schedule before it is deleted, as it was `seen`: a compare-and-swap."""

    change: Change
    seen: Observed


@dataclass(frozen=True, slots=True)
class Read:
    """A fresh read of one object, before a delete and after it."""

    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE with the uid that the plan bound and the resourceVersion of a fresh read."""

    change: Change
    resource_version: str


@dataclass(frozen=True, slots=True)
class FindStrangers:
    """What a namespace holds beside `ours`, ahead of deleting it; answered by an Awaited whose
    `not_ready` names it."""

    key: ObjectKey
    ours: frozenset[ObjectKey]


@dataclass(frozen=True, slots=True)
class WaitGone:
    """Until an object that was deleted is gone, or the time is up; answered as by `Read`."""

    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Wait:
    """Until every object is ready, has failed, or the time is up; `patient` is False for one look
    without waiting."""

    keys: tuple[ObjectKey, ...]
    wave: int
    waves: int
    patient: bool = True


@dataclass(frozen=True, slots=True)
class WaitResult:
    """The answer to `Wait`: the objects as last seen, and why those not ready are not."""

    seen: Mapping[ObjectKey, Observed]
    not_ready: Mapping[ObjectKey, str]


Effect: TypeAlias = (
    PutInventory
    | Swap
    | DropState
    | Apply
    | DryRun
    | Suspend
    | Read
    | Delete
    | FindStrangers
    | WaitGone
    | Wait
)
