"""Reads a cluster at the start of a run: the second stage.

A run without a cluster takes the same path with `Snapshot.none()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import reconciler
from reconciler.apps.app import Fleet, Selection
from reconciler.backends import draw, live_split
from reconciler.diagnostics import Diagnostic, warning
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan import inventory, records, statuses
from reconciler.plan.inventory import Inventory, InventoryInvalid
from reconciler.plan.snapshot import RecordedState, Snapshot
from reconciler.ports import ClusterReader, ClusterUnreadable
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["find_handovers", "read_inventories", "read_snapshot"]


def read_snapshot(
    reader: ClusterReader,
    fleet: Fleet,
    selection: Selection | None = None,
    *,
    full: bool = False,
    place: int = 0,
) -> Snapshot:
    """The snapshot of one cluster: its discovery, one LIST of the program's own state, and one LIST
    per kind that the selected units have recorded or may draw. A kind that cannot be listed is
    unread, not absent. `full`: no object will count as unchanged. `place` is the client's index.
    Raises ClusterUnreadable when discovery or the program's own state cannot be read."""
    discovery = reader.discover()
    own = reader.list(GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, _OWN_LABELS)
    state = _parse_state(own.items)
    handovers = find_handovers(fleet, state.inventories)
    selected = frozenset(
        unit
        for unit in state.inventories
        if unit in handovers.values() or selection is None or _is_selected(selection, unit)
    )
    kinds = {m.key.group_kind for unit in selected for m in state.inventories[unit].members}
    kinds |= live_split.reads_of(kinds)
    for unit in fleet.units():
        kinds |= draw.kinds_read(unit)

    objects: dict[ObjectKey, Observed] = {}
    unread: dict[GroupKind, str] = {}
    # One after the other: a further connection costs a handshake, which takes longer than a LIST.
    for kind in sorted(kinds):
        try:
            listing = reader.list(kind, labels=_OWN_LABELS)
        except ClusterUnreadable as error:
            unread[kind] = error.message
        else:
            objects.update((item.key, item) for item in listing.items)
    return Snapshot(
        objects=objects,
        inventories=state.inventories,
        states=state.states,
        statuses=statuses.read_statuses(own.items),
        unread_kinds=unread,
        damaged=state.damaged,
        handed=handovers,
        selected=selected,
        cluster=reader.name,
        cluster_uid=reader.identity(),
        served=discovery.digest,
        kinds=frozenset(discovery.kinds),
        unread_groups=discovery.unread_groups,
        full=full,
        place=place,
    )


def read_inventories(reader: ClusterReader) -> Mapping[UnitId, Inventory]:
    """The readable inventories by unit, by one LIST. Raises ClusterUnreadable."""
    own = reader.list(GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, _OWN_LABELS)
    return _parse_state(own.items).inventories


_OWN_LABELS = {"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}


@dataclass(frozen=True, slots=True)
class _State:
    """The program's own state as read; `damaged`: unit → why its state cannot be trusted."""

    inventories: dict[UnitId, Inventory] = field(default_factory=dict)
    states: dict[UnitId, RecordedState] = field(default_factory=dict)
    damaged: dict[UnitId, str] = field(default_factory=dict)


def _parse_state(items: Iterable[Observed]) -> _State:
    out = _State()
    bodies: dict[str, list[Observed]] = {}
    for item in items:
        labels = ((item.body or {}).get("metadata") or {}).get("labels") or {}
        bodies.setdefault(str(labels.get(inventory.INVENTORY_LABEL, "")), []).append(item)
    shards = {item.key.name: item.body or {} for item in bodies.get("shard", ())}
    for item in bodies.get("inventory", ()):
        # The unit of a damaged record comes from its name: its content cannot be trusted.
        owner = inventory.unit_of(item.key.name)
        try:
            found = records.from_body(item.body or {}, shards)
            out.inventories[found.unit] = found
        except InventoryInvalid as invalid:
            out.damaged[owner] = invalid.message
    for item in bodies.get("rollout", ()):
        owner = inventory.unit_of(item.key.name, "rollout")
        try:
            data = records.state_data(item.body or {})
            out.states[owner] = RecordedState(data, item.resource_version, item.uid)
        except InventoryInvalid as invalid:
            out.damaged[owner] = invalid.message
    return out


def _is_selected(selection: Selection, unit: UnitId) -> bool:
    # A foundation is selected together with any app of its group: it owns the namespace.
    return bool(unit.environment) and (
        selection.takes(*unit)
        or (unit.is_foundation and selection.takes_group(unit.environment, unit.group))
    )


def warn_unmoved(fleet: Fleet, snapshot: Snapshot) -> Iterator[Diagnostic]:
    """A warning for each new app that takes over from a unit of which the cluster has nothing: a
    mistyped id would make all objects anew beside the old ones."""
    for app in () if snapshot.offline else fleet.apps:
        moved = app.spec.moved
        if moved is None or app.id in snapshot.inventories:
            continue
        source = UnitId.parse(moved.from_.value)
        if source in snapshot.inventories or source in snapshot.damaged:
            continue
        known = [str(unit) for unit in snapshot.inventories if not unit.is_foundation]
        yield warning(
            "W_MOVED",
            f"the cluster has nothing of {source}, so nothing is taken over",
            moved.from_.site,
            path="moved.from",
            help=did_you_mean(str(source), known)
            or "correct the id, or delete `moved`; was it applied to this cluster?",
        ).reaching(app.id)


def find_handovers(fleet: Fleet, inventories: Mapping[UnitId, Inventory]) -> dict[UnitId, UnitId]:
    """Unit → the unit whose objects it takes over. A foundation takes over from the foundation of
    another group when an app of its group moved from there and both own the same namespace."""
    out: dict[UnitId, UnitId] = {}
    old_foundations: dict[str, UnitId] = {}
    for app in fleet.apps:
        if app.spec.moved is None:
            continue
        source = UnitId.parse(app.spec.moved.from_.value)
        if source in inventories and not fleet.may_have(source):
            out[app.id] = source
        old_foundations.setdefault(app.group_id, source.foundation_id)
    for unit in fleet.foundations:
        if unit.group_id not in old_foundations:
            continue
        source = old_foundations[unit.group_id]
        namespace = ObjectKey("", "Namespace", "", unit.namespace)
        if (
            source in inventories
            and not fleet.may_have(source)
            and inventories[source].find(namespace)
        ):
            out[unit.id] = source
    return out
