"""The stages of one run, in order: load, snapshot, decide, draw, policy, predict, plan.

Every command is a part of this; a run without a cluster goes the same way with `Snapshot.none()`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import reconciler
from reconciler.apps import load
from reconciler.apps.app import GROUP_APP, App, Fleet, Foundation, Selection, Unit
from reconciler.backends import clashes, contract, draw
from reconciler.diagnostics import Diagnostic
from reconciler.lifecycle import rollout, schedule
from reconciler.lifecycle.decision import Decision, Weights
from reconciler.objects.draft import Draft, Manifest, seal
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed, Presence, unread
from reconciler.objects.outcome import Done, Refusal, Refused, Unknown, Verb
from reconciler.plan import build, conflicts, inventory
from reconciler.plan.build import Decided, Judged, Prediction
from reconciler.plan.change import AppPlan, Plan, StateSwap
from reconciler.plan.inventory import Inventory, InventoryInvalid
from reconciler.plan.snapshot import RecordedState, Snapshot
from reconciler.ports import ClusterReader, ClusterUnreadable, Tree

__all__ = ["Drawn", "drawn", "handed", "loaded", "planned", "read_snapshot", "sealed", "turn"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """One unit with what was decided for it and drawn of it."""

    unit: Unit
    decided: Decided
    drafts: tuple[Draft, ...]


def loaded(tree: Tree, selection: Selection | None = None) -> Fleet:
    """Load, type and check: what backends and schedules refuse blocks its app like any mistake."""
    fleet = load.load(
        tree, contract.capabilities(), selection, label=tree.label, commit=tree.commit
    )
    found: dict[tuple[object, ...], Diagnostic] = {}
    blocked = {app: set(codes) for app, codes in fleet.blocked.items()}
    members: dict[str, list[str]] = {}
    for app in fleet.apps:
        members.setdefault(app.group_id, []).append(app.id)
    checks: list[tuple[Diagnostic, tuple[str, ...]]] = []
    for unit in fleet.units():
        reached: tuple[str, ...] = (unit.id,)
        if isinstance(unit, Foundation):
            mistakes: Iterator[Diagnostic] = schedule.check_windows(unit)
            reached += tuple(members.get(unit.group_id, ()))
        else:
            mistakes = itertools.chain(draw.check(unit), schedule.check(unit))
        checks += [(item, reached) for item in mistakes]
    refused = {unit_id for item, ids in checks if item.is_error for unit_id in ids}
    checks += clashes.find(app for app in fleet.apps if app.id not in refused)
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


def read_snapshot(reader: ClusterReader, fleet: Fleet) -> Snapshot:
    """One LIST for the program's own state and one for each kind that could matter: what is
    recorded, and what would be drawn. A kind that cannot be listed is unread, not absent."""
    inventories: dict[str, Inventory] = {}
    states: dict[str, RecordedState] = {}
    damaged: dict[str, str] = {}
    own = reader.list(
        GroupKind("", "ConfigMap"),
        reconciler.TOOL_NAMESPACE,
        {"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER},
    )
    for item in own.items:
        body = item.body or {}
        what = body["metadata"].get("labels", {}).get(inventory.INVENTORY_LABEL)
        # The name says whose it is; the content may say anything.
        owner = inventory.unit_of(item.key.name, what or "") or item.key.name
        if what == "rollout":
            data = {k: v for k, v in (body.get("data") or {}).items() if k != "unit"}
            states[owner] = RecordedState(data, item.resource_version, item.uid)
        elif what == "inventory":
            try:
                found = inventory.from_body(body)
                inventories[found.unit] = found
            except InventoryInvalid as invalid:
                damaged[owner] = invalid.message
    kinds = {m.key.group_kind for inv in inventories.values() for m in inv.members}
    for unit in fleet.units():
        kinds |= {d.key.group_kind for d in draw.fixed(unit)}
        if isinstance(unit, App) and unit.serves and unit.spec.serving is not None:
            wish = rollout.target(unit.id, unit.spec.serving).outcome
            drafts = draw.moving(unit, wish, draw.nothing_live)
            kinds |= {d.key.group_kind for d in drafts}
    objects: dict[ObjectKey, Observed] = {}
    unread: dict[GroupKind, str] = {}
    for kind in sorted(kinds):
        try:
            listing = reader.list(
                kind, labels={"app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}
            )
        except ClusterUnreadable as error:
            unread[kind] = error.message
            continue
        objects.update((item.key, item) for item in listing.items)
    return Snapshot(
        objects,
        inventories,
        states,
        unread,
        damaged,
        handed(fleet, inventories),
        reader.name,
        reader.identity(),
    )


def handed(fleet: Fleet, inventories: Mapping[str, Inventory]) -> dict[str, str]:
    """Who takes over from whom. A group's foundation follows when an app of the group names one of
    the old group and both own the same namespace."""
    out: dict[str, str] = {}
    homes: dict[str, str] = {}
    for app in fleet.apps:
        if app.spec.moved is None:
            continue
        source = app.spec.moved.from_.value
        if source in inventories and source not in fleet.known:
            out[app.id] = source
        homes.setdefault(app.group_id, source.rpartition("/")[0])
    for unit in fleet.foundations:
        source = f"{homes.get(unit.group_id, '')}/{GROUP_APP}"
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
    fleet: Fleet, snapshot: Snapshot, now: datetime, *, foresees: bool = True
) -> Iterator[Drawn]:
    """Each unit's drafts, one unit at a time; foundations first. `foresees`: with the next times
    of its schedules, for those who show them."""
    absent = {f.group_id for f in fleet.foundations if f.spec.state.value == "absent"}
    for unit in fleet.units():
        if isinstance(unit, Foundation) or unit.group_id in absent:
            empty = unit.group_id in absent
            drafts = () if empty else draw.fixed(unit)
            yield Drawn(unit, Decided(), inventory.with_membership(drafts, unit.id))
            continue
        decision, swap = decide(unit, snapshot, now)
        drafts = draw.fixed(unit)
        if decision is not None:
            drafts += draw.moving(unit, decision.outcome, snapshot.lookup)
        fires = tuple(schedule.foresee(unit, now)) if foresees else ()
        labelled = inventory.with_membership(drafts, unit.id)
        yield Drawn(unit, Decided(decision, fires, swap), labelled)


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
        stored = snapshot.states.get(snapshot.handed.get(app.id, ""))
    state = rollout.State.from_data(stored.data) if stored is not None else None
    wanted = [serving.version.value] if serving.version is not None else list(serving.traffic)
    interest = {*wanted, *([state.stable, state.wanted] if state else ())}
    facts = draw.facts(app, interest, snapshot.lookup)
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


# -- predict and plan ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Predictor:
    """Asks the server about what could differ; offline the desired body predicts itself."""

    reader: ClusterReader | None
    snapshot: Snapshot

    def ask(self, item: Judged) -> Prediction:
        manifest = seal(item.draft)
        if self.reader is None:
            return Prediction(manifest, Done(Verb.UPDATED, manifest.body))
        if item.live.presence is Presence.UNREAD:
            # What was decided could not rest on it: one lucky read now would hide that.
            return Prediction(manifest, Unknown(item.live.why))
        outcome = self.reader.dry_run(manifest.body)
        took: tuple[str, ...] = ()
        if isinstance(outcome, Refused) and outcome.refusal is Refusal.FIELD_CONFLICT:
            managers = tuple(sorted(set(outcome.managers)))
            if managers and not conflicts.untakeable(managers):
                took = managers
                outcome = self.reader.dry_run(manifest.body, force=True)
        found = None
        if not item.live.is_present and not _made(outcome):
            found = self._look(item.draft.key)
        return Prediction(manifest, outcome, took, found)

    def _look(self, key: ObjectKey) -> Observed | None:
        """The object that the labelled list did not show: it exists without being ours."""
        assert self.reader is not None
        try:
            seen = self.reader.get(key)
        except ClusterUnreadable as error:
            return unread(key, error.message)
        return seen if seen.is_present else None


def _made(outcome: object) -> bool:
    if isinstance(outcome, Done):
        return outcome.verb is Verb.CREATED
    return isinstance(outcome, Refused) and outcome.refusal in (
        Refusal.NAMESPACE_MISSING,
        Refusal.NOT_SERVED,
        Refusal.INVALID,
    )


def planned(
    fleet: Fleet,
    units: Iterable[Drawn],
    snapshot: Snapshot,
    reader: ClusterReader | None,
    *,
    approved: frozenset[str] = frozenset(),
    selection: Selection | None = None,
    removals: bool = True,
) -> Plan:
    """Every unit's plan, the removed ones' too, with the guards' word on what is deleted. Without
    `removals` (something that all depend on could not be read) nobody counts as removed."""
    units = tuple(units)
    if reader is not None and not snapshot.offline:
        snapshot = _confirmed(snapshot, units, reader)
    predictor = _Predictor(reader, snapshot)
    plans: list[AppPlan] = []
    creates: set[str] = set()
    for item in units:
        if item.unit.id in snapshot.damaged:
            continue
        creates |= {d.key.name for d in item.drafts if d.key.kind == "Namespace"}
        recorded, _ = build.recorded_of(item.unit, snapshot)
        judged = [build.judge(draft, recorded, snapshot) for draft in item.drafts]
        answers = {j.draft.key: predictor.ask(j) for j in judged if not j.unchanged}
        plans.append(
            build.build(item.unit, judged, answers, snapshot, item.decided, frozenset(creates))
        )
    if removals and (snapshot.base or not snapshot.offline):
        plans += _removed(fleet, snapshot, selection or Selection())
    guarded = build.with_guards(plans, fleet.foundations, approved, recorded=snapshot.inventories)
    return Plan(
        fleet.label,
        fleet.commit,
        snapshot.cluster,
        snapshot.cluster_uid,
        tuple(sorted(guarded, key=turn)),
        offline=snapshot.offline,
        objects_read=len(snapshot.objects),
        requests=reader.requests if reader is not None else 0,
    )


def turn(plan: AppPlan) -> tuple[int, str]:
    """Foundations come first and, where they go, last: nothing outlives its namespace."""
    if not plan.unit.endswith(GROUP_APP):
        return 1, plan.unit
    return (2 if plan.empties else 0), plan.unit


def _confirmed(snapshot: Snapshot, units: Iterable[Drawn], reader: ClusterReader) -> Snapshot:
    """The snapshot with a read of each recorded object that is neither wanted nor in a listing:
    one that lost its label is still there, and to forget it would orphan it."""
    wanted = {draft.key for item in units for draft in item.drafts}
    found: dict[ObjectKey, Observed] = {}
    for recorded in snapshot.inventories.values():
        for member in recorded.members:
            if member.key in wanted or not member.uid:
                continue
            if snapshot.lookup(member.key).presence is Presence.ABSENT:
                try:
                    found[member.key] = reader.get(member.key)
                except ClusterUnreadable as error:
                    found[member.key] = unread(member.key, error.message)
    return replace(snapshot, objects={**snapshot.objects, **found}) if found else snapshot


def _removed(fleet: Fleet, snapshot: Snapshot, selection: Selection) -> Iterator[AppPlan]:
    """Units with an inventory whose file is gone from a tree that was read in full."""
    if "E_LAYERS" in {code for codes in fleet.blocked.values() for code in codes}:
        return
    handed = set(snapshot.handed.values())
    for unit in sorted(snapshot.inventories):
        parts = unit.split("/")
        if unit in fleet.known or unit in handed or len(parts) != 3:
            continue
        if selection.takes(parts[0], parts[1], parts[2]):
            yield build.removed(unit, snapshot)
