"""What was seen of a cluster at the start of a run; `Snapshot.none()` for runs without one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed, absent_object, unread_object
from reconciler.plan.inventory import Inventory
from reconciler.plan.statuses import GroupStatus
from reconciler.unit import UnitId

__all__ = ["RecordedState", "Snapshot"]


@dataclass(frozen=True, slots=True)
class RecordedState:
    """A rollout state as stored, with the resourceVersion that a swap must name."""

    data: Mapping[str, str]
    resource_version: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`objects` holds everything of ours; `unread_kinds` could not be listed, so nothing there
    counts as absent. `base` marks a rendered base revision as the observed side."""

    objects: Mapping[ObjectKey, Observed] = field(default_factory=dict)
    inventories: Mapping[UnitId, Inventory] = field(default_factory=dict)
    states: Mapping[UnitId, RecordedState] = field(default_factory=dict)
    statuses: Mapping[str, GroupStatus] = field(default_factory=dict)
    """What is recorded of the last runs, per group (`prod/hz-a`). Nothing is decided by it."""
    unread_kinds: Mapping[GroupKind, str] = field(default_factory=dict)
    damaged: Mapping[UnitId, str] = field(default_factory=dict)
    """Unit → why its inventory cannot be trusted."""
    handed: Mapping[UnitId, UnitId] = field(default_factory=dict)
    """Unit → the unit that it was renamed from, where that one is gone from Git."""
    asked: frozenset[UnitId] = frozenset()
    """The units that the run is about, of those that are recorded: only their kinds were listed."""
    cluster: str = ""
    cluster_uid: str = ""
    served: str = ""
    """A digest of what the cluster serves."""
    kinds: frozenset[GroupKind] = frozenset()
    """What it serves; empty where that is not known."""
    unread_groups: frozenset[str] = frozenset()
    """Groups that could not be discovered: nothing follows from their kinds not being served."""
    full: bool = False
    """Nothing counts as unchanged: the server is asked about every object."""
    offline: bool = False
    base: str = ""

    @classmethod
    def none(cls) -> Snapshot:
        """No cluster: offline is a value, not a mode."""
        return cls(offline=True)

    def serves(self, kind: GroupKind) -> bool:
        """Whether a kind is served, or may be."""
        return not self.kinds or kind in self.kinds or kind.group in self.unread_groups

    def lookup(self, key: ObjectKey) -> Observed:
        """What was seen of an object: present, absent, or unread."""
        found = self.objects.get(key)
        if found is not None:
            return found
        why = self.unread_kinds.get(key.group_kind)
        return unread_object(key, why) if why is not None else absent_object(key)

    def owner_of(self, key: ObjectKey, but: Collection[UnitId | None] = ()) -> UnitId | None:
        """The unit whose inventory lists the object, or None; those in `but` are passed over."""
        for unit, inventory in self.inventories.items():
            if unit not in but and inventory.find(key) is not None:
                return unit
        return None
