"""The effects that the protocol yields, and the answer to a wait. Data only: no I/O, no ports."""

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
    """Write the inventory by compare-and-swap; with `drop`, delete it."""

    inventory: Inventory
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Swap:
    """Record the rollout state by compare-and-swap."""

    unit: UnitId
    swap: StateSwap


@dataclass(frozen=True, slots=True)
class DropState:
    """Delete the rollout state of a unit that is gone from Git."""

    unit: UnitId


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of a change's manifest, bound to the uid of the planned live object."""

    change: Change


@dataclass(frozen=True, slots=True)
class DryRun:
    """Server-side dry-run of a change that the server could not judge while the plan was made."""

    change: Change


@dataclass(frozen=True, slots=True)
class Suspend:
    """Suspend a schedule before its delete, by compare-and-swap with the object as `seen`."""

    change: Change
    seen: Observed


@dataclass(frozen=True, slots=True)
class Read:
    """A fresh read of one object, before its delete or after it; answered by an Observed."""

    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE with the uid of the planned live object and with `resource_version`."""

    change: Change
    resource_version: str


@dataclass(frozen=True, slots=True)
class FindStrangers:
    """List the objects in a namespace other than `own`, before the namespace is deleted. The
    answer is a WaitResult whose `not_ready` names these objects."""

    key: ObjectKey
    own: frozenset[ObjectKey]


@dataclass(frozen=True, slots=True)
class WaitGone:
    """Wait until a deleted object is absent, or the time is up; answered by an Observed."""

    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until every object is ready, one has failed, or the time is up. With `patient` False,
    read each object once and do not wait. `wave` and `waves` are numbers for progress messages."""

    keys: tuple[ObjectKey, ...]
    wave: int
    waves: int
    patient: bool = True


@dataclass(frozen=True, slots=True)
class WaitResult:
    """The answer to `Wait`: the objects as last read, and for each that is not ready, why."""

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
