"""The first stages of a run, in order: load, snapshot, decide, draw. `engine.predict` goes on.

Every command is a part of this; a run without a cluster goes the same way with `Snapshot.none()`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import reconciler
from reconciler.apps import load
from reconciler.apps.app import App, Fleet, Foundation, Selection, Unit
from reconciler.backends import clashes, contract, draw
from reconciler.diagnostics import Diagnostic
from reconciler.engine.memo import Memo
from reconciler.lifecycle import rollout, schedule
from reconciler.lifecycle.decision import Decision, Weights
from reconciler.objects.draft import Draft, Manifest, seal
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan import inventory, records, statuses
from reconciler.plan.build import UnitDecision
from reconciler.plan.change import StateSwap
from reconciler.plan.inventory import Inventory, InventoryInvalid
from reconciler.plan.snapshot import RecordedState, Snapshot
from reconciler.ports import ClusterReader, ClusterUnreadable, Tree
from reconciler.unit import UnitId

__all__ = ["Drawn", "drawn", "handed", "loaded", "read_snapshot", "recorded", "sealed"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One unit with what was decided for it and drawn of it."""

    unit: Unit
    decided: UnitDecision
    drafts: tuple[Draft, ...]


def loaded(tree: Tree, selection: Selection | None = None) -> Fleet:
    """Load, type and check: what backends and schedules refuse blocks its app like any mistake."""
    fleet = load.load(
        tree, contract.list_capabilities(), selection, label=tree.label, commit=tree.commit
    )
    found: dict[tuple[object, ...], Diagnostic] = {}
    blocked = {app: set(codes) for app, codes in fleet.blocked.items()}
    members: dict[str, list[UnitId]] = {}
    for app in fleet.apps:
        members.setdefault(app.group_id, []).append(app.id)
    checks: list[tuple[Diagnostic, tuple[UnitId, ...]]] = []
    for unit in fleet.units():
        reached: tuple[UnitId, ...] = (unit.id,)
        if isinstance(unit, Foundation):
            mistakes: Iterator[Diagnostic] = schedule.check_windows(unit)
            reached += tuple(members.get(unit.group_id, ()))
        else:
            mistakes = itertools.chain(draw.check_unit(unit), schedule.check(unit))
        checks += [(item, reached) for item in mistakes]
    refused = {unit_id for item, ids in checks if item.is_error for unit_id in ids}
    checks += clashes.find_clashes(app for app in fleet.apps if app.id not in refused)
    for item, ids in checks:
        key = (item.code, item.site, item.path, item.message)
        found[key] = found.get(key, item).reaching(*ids)
        for unit_id in ids if item.is_error else ():
            blocked.setdefault(unit_id, set()).add(item.code)
    if not found:
        return fleet
    return replace(
        fleet,
        apps=tuple(a for a in fleet.apps if a.id not in blocked),
        foundations=tuple(f for f in fleet.foundations if f.id not in blocked),
        diagnostics=(*fleet.diagnostics, *found.values()),
        blocked={app: tuple(sorted(codes)) for app, codes in sorted(blocked.items())},
    )


# -- snapshot --------------------------------------------------------------------------------------


def read_snapshot(
    reader: ClusterReader,
    fleet: Fleet,
    selection: Selection | None = None,
    *,
    full: bool = False,
    memo: Memo | None = None,
) -> Snapshot:
    """What is served, one LIST for the program's own state and one for each kind that could matter:
    what is recorded of the selected units, and what would be drawn. A kind that cannot be listed is
    unread, not absent. `full`: nothing will count as unchanged."""
    memo = memo or Memo()
    discovery = reader.discover()
    own = reader.list(GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, _OURS)
    state = _state(own.items)
    passed_on = handed(fleet, state.inventories)
    asked = frozenset(
        unit
        for unit in state.inventories
        if unit in passed_on.values() or selection is None or _takes(selection, unit)
    )
    kinds = {m.key.group_kind for unit in asked for m in state.inventories[unit].members}
    for unit in fleet.units():
        kinds |= {d.key.group_kind for d in memo.fixed(unit)}
        if isinstance(unit, App) and unit.serves and unit.spec.serving is not None:
            wish = rollout.target(unit.id, unit.spec.serving).outcome
            drafts = draw.draw_moving(unit, wish, draw.lookup_nothing)
            kinds |= {d.key.group_kind for d in drafts}

    objects: dict[ObjectKey, Observed] = {}
    unread: dict[GroupKind, str] = {}
    # One after the other: each connection more costs a handshake, which is dearer than a LIST.
    for kind in sorted(kinds):
        try:
            listing = reader.list(kind, labels=_OURS)
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
        handed=passed_on,
        asked=asked,
        cluster=reader.name,
        cluster_uid=reader.identity(),
        served=discovery.digest,
        kinds=frozenset(discovery.kinds),
        unread_groups=discovery.unread_groups,
        full=full,
    )


def recorded(reader: ClusterReader) -> Mapping[UnitId, Inventory]:
    """The readable inventories by unit, by one LIST. Raises ClusterUnreadable."""
    own = reader.list(GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, _OURS)
    return _state(own.items).inventories


_OURS = {"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}


@dataclass(frozen=True, slots=True)
class _State:
    """The program's own state as read; `damaged` says of a unit why it cannot be trusted."""

    inventories: dict[UnitId, Inventory] = field(default_factory=dict)
    states: dict[UnitId, RecordedState] = field(default_factory=dict)
    damaged: dict[UnitId, str] = field(default_factory=dict)


def _state(items: Iterable[Observed]) -> _State:
    out = _State()
    bodies: dict[str, list[Observed]] = {}
    for item in items:
        labels = ((item.body or {}).get("metadata") or {}).get("labels") or {}
        bodies.setdefault(str(labels.get(inventory.INVENTORY_LABEL, "")), []).append(item)
    shards = {item.key.name: item.body or {} for item in bodies.get("shard", ())}
    for item in bodies.get("inventory", ()):
        # The name says whose it is; the content may say anything.
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


def _takes(selection: Selection, unit: UnitId) -> bool:
    # A foundation is looked at with any app of its group: it owns the namespace.
    return bool(unit.environment) and (
        selection.takes(*unit)
        or (unit.is_foundation and selection.takes_group(unit.environment, unit.group))
    )


def handed(fleet: Fleet, inventories: Mapping[UnitId, Inventory]) -> dict[UnitId, UnitId]:
    """Who takes over from whom. A group's foundation follows when an app of the group names one of
    the old group and both own the same namespace."""
    out: dict[UnitId, UnitId] = {}
    homes: dict[str, UnitId] = {}
    for app in fleet.apps:
        if app.spec.moved is None:
            continue
        source = UnitId.parse(app.spec.moved.from_.value)
        if source in inventories and source not in fleet.known:
            out[app.id] = source
        homes.setdefault(app.group_id, source.foundation_id)
    for unit in fleet.foundations:
        if unit.group_id not in homes:
            continue
        source = homes[unit.group_id]
        namespace = ObjectKey("", "Namespace", "", unit.namespace)
        if (
            source in inventories
            and source not in fleet.known
            and inventories[source].find(namespace)
        ):
            out[unit.id] = source
    return out


# -- decide and draw -------------------------------------------------------------------------------


def drawn(
    fleet: Fleet,
    snapshot: Snapshot,
    now: datetime,
    *,
    foresees: bool = True,
    memo: Memo | None = None,
) -> Iterator[Drawn]:
    """Each unit's drafts, one unit at a time; foundations first. `foresees`: with the next times
    of its schedules, for those who show them."""
    memo = memo or Memo()
    absent = {f.group_id for f in fleet.foundations if f.spec.state.value == "absent"}
    for unit in fleet.units():
        if isinstance(unit, Foundation) or unit.group_id in absent:
            empty = unit.group_id in absent
            yield Drawn(unit, UnitDecision(), () if empty else memo.fixed(unit))
            continue
        decision, swap = decide(unit, snapshot, now)
        drafts = memo.fixed(unit)
        if decision is not None:
            moving = draw.draw_moving(unit, decision.outcome, snapshot.lookup)
            drafts += inventory.with_membership(moving, unit.id)
        fires = tuple(schedule.foresee(unit, now)) if foresees else ()
        yield Drawn(unit, UnitDecision(decision, fires, swap), drafts)


def decide(
    app: App, snapshot: Snapshot, now: datetime
) -> tuple[Decision[Weights] | None, StateSwap | None]:
    """The rollout's decision, and the state that it wants recorded."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return None, None
    if snapshot.offline:
        return rollout.target(app.id, serving), None
    stored = snapshot.states.get(app.id)
    version = stored.resource_version if stored is not None else ""
    if stored is None:
        source = snapshot.handed.get(app.id)
        stored = snapshot.states.get(source) if source is not None else None
    state = rollout.RolloutState.from_data(stored.data) if stored is not None else None
    wanted = [serving.version.value] if serving.version is not None else list(serving.traffic)
    interest = {*wanted, *([state.stable, state.wanted] if state else ())}
    facts = draw.read_facts(app, interest, snapshot.lookup)
    decision = rollout.decide(app.id, serving, app.records, state, facts, now)
    data = decision.state
    if data is None and state is not None and not version:
        data = state.to_data()  # taken over: recorded under the new name
    if data is None:
        return decision, None
    return decision, StateSwap(tuple(sorted(data.items())), version)


def sealed(units: Iterable[Drawn]) -> Iterator[tuple[Drawn, Manifest]]:
    """Every drawn object sealed: for policy and render, which need them all."""
    for item in units:
        for draft in item.drafts:
            yield item, seal(draft)
