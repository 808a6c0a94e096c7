"""What a run read of a cluster at its start; `Snapshot.none()` for runs without a cluster."""

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
    """A cluster as read at the start of a run. `objects` holds the objects with this program's
    labels. `unread_kinds` (kind → why) could not be listed, so none of their objects counts as
    absent. `base` is the label of the revision whose rendering stands in for the live objects; ""
    for a real cluster."""

    objects: Mapping[ObjectKey, Observed] = field(default_factory=dict)
    inventories: Mapping[UnitId, Inventory] = field(default_factory=dict)
    states: Mapping[UnitId, RecordedState] = field(default_factory=dict)
    statuses: Mapping[str, GroupStatus] = field(default_factory=dict)
    """The recorded results of the last runs per group (`prod/hz-a`). Only the guard
    against fights uses them."""
    unread_kinds: Mapping[GroupKind, str] = field(default_factory=dict)
    damaged: Mapping[UnitId, str] = field(default_factory=dict)
    """Unit → why its inventory cannot be trusted."""
    handed: Mapping[UnitId, UnitId] = field(default_factory=dict)
    """Unit → the unit that it was renamed from, when the old name is gone from Git."""
    selected: frozenset[UnitId] = frozenset()
    """The recorded units that the run selects: only the kinds of their objects were listed."""
    cluster: str = ""
    cluster_uid: str = ""
    served: str = ""
    """A digest of what the cluster serves."""
    kinds: frozenset[GroupKind] = frozenset()
    """The kinds that the cluster serves; empty when not known."""
    unread_groups: frozenset[str] = frozenset()
    """API groups that could not be discovered: whether their kinds are served is not known."""
    full: bool = False
    """No object counts as unchanged: the server is asked about every object."""
    offline: bool = False
    base: str = ""
    place: int = 0
    """The index of the client that read the cluster."""

    @classmethod
    def none(cls) -> Snapshot:
        """The snapshot of a run without a cluster."""
        return cls(offline=True)

    def serves(self, kind: GroupKind) -> bool:
        """Whether a kind is served; True also when that is not known."""
        return not self.kinds or kind in self.kinds or kind.group in self.unread_groups

    def lookup(self, key: ObjectKey) -> Observed:
        """An object as it was read: present, absent, or unread."""
        found = self.objects.get(key)
        if found is not None:
            return found
        why = self.unread_kinds.get(key.group_kind)
        return unread_object(key, why) if why is not None else absent_object(key)

    def owner_of(self, key: ObjectKey, but: Collection[UnitId | None] = ()) -> UnitId | None:
        """The unit whose inventory lists the object, or None; units in `but` do not count."""
        for unit, inventory in self.inventories.items():
            if unit not in but and inventory.find(key) is not None:
                return unit
        return None
