"""Damaged inventories compared with the cluster and with Git, as `repair` shows them."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.objects.key import ObjectKey
from reconciler.unit import UnitId

__all__ = ["DamagedInventory", "RepairObject", "Repairs"]


@dataclass(frozen=True, slots=True)
class RepairObject:
    """One object that is in a damaged inventory, in the cluster or in Git.

    `recorded_uid` is the uid in the inventory ("" where the inventory has none), None where the
    inventory does not name the object; `live_uid` is the uid in the cluster, None where the object
    is not there. `is_ours`: this program applied the live object. `is_wanted`: the object is in
    Git."""

    key: ObjectKey
    recorded_uid: str | None
    live_uid: str | None
    is_ours: bool
    is_wanted: bool


@dataclass(frozen=True, slots=True)
class DamagedInventory:
    """One damaged inventory: `why` it cannot be trusted, and the `outcome` of the repair.

    `approval` is the hash that `--write` takes for exactly these objects; "" where the
    inventory was written again, or where a repair cannot help."""

    unit: UnitId
    why: str
    objects: tuple[RepairObject, ...]
    outcome: str
    approval: str = ""


@dataclass(frozen=True, slots=True)
class Repairs:
    inventories: tuple[DamagedInventory, ...]
