"""The command `status`: per app what the cluster has of it, and what the tree would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import reconciler
from reconciler.apps.app import App, Fleet, Selection
from reconciler.engine import review
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.review import Review, ReviewPart
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.engine.use.live_app import LiveApp
from reconciler.engine.views.report import Findings, Report
from reconciler.engine.views.status import AppStatus, FleetStatus, Health, NextStep, StepKind
from reconciler.errors import ExitCode
from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.objects.key import ObjectKey
from reconciler.plan import marks
from reconciler.plan.inventory import InventoryInvalid
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.statuses import RecordedStatus
from reconciler.ports import ClusterReader, Tree
from reconciler.unit import UnitId

__all__ = ["status"]

_NO_PLAN = RunOptions(plans=False)
#: Verdicts without a next step.
_QUIET = (RolloutVerdict.STEADY, RolloutVerdict.TARGET, RolloutVerdict.IDLE)
_DOMAIN = reconciler.API_DOMAIN


def status(
    tree: Tree,
    selection: Selection,
    reader: ClusterReader | Targets[ClusterReader] | None,
    now: datetime,
) -> Report:
    """One row per selected app, those that only the cluster has included. Exit 1 where the config
    has mistakes, or where the recorded state of an app is damaged."""
    reviewed = review.review(tree, selection, now, reader=reader, options=_NO_PLAN)
    rows = {row.app: row for row in _rows(reviewed, selection, now)}
    errors = tuple(d for d in reviewed.diagnostics if d.is_error)
    if rows:  # an app that only the cluster has is selected by its name
        errors = tuple(d for d in errors if d.code != "E_SELECTION")
    code = ExitCode.ERROR if errors or reviewed.damaged else ExitCode.DONE
    ranks = _ranks(reviewed.fleet)
    last = max(ranks.values(), default=0) + 1
    ordered = sorted(rows.values(), key=lambda r: (ranks.get(r.app.environment, last), str(r.app)))
    section = FleetStatus(tuple(ordered))
    label = reviewed.fleet.label
    return Report("status", (Findings(errors), section), (), code, revision=label)


def _ranks(fleet: Fleet) -> dict[str, int]:
    return {f.environment: f.environment_spec.rank.value for f in fleet.foundations}


def _rows(reviewed: Review, selection: Selection, now: datetime) -> Iterator[AppStatus]:
    """The rows of the units that were read, of those with mistakes, then of those that only the
    cluster has."""
    fleet = reviewed.fleet
    for part in reviewed.parts:
        for item in part.units:
            if isinstance(item.unit, App):
                yield _row(item, part.snapshot, now)
    for app, codes in fleet.blocked.items():
        if not app.is_foundation:
            row = _find_live(app, reviewed.parts, now)
            row = row or AppStatus(app, Health.BLOCKED)
            yield replace(row, blocked=(*codes, *row.blocked))
    for part in reviewed.parts:
        for unit in sorted({*part.snapshot.inventories, *part.snapshot.damaged}):
            if unit.is_foundation or not unit.environment or unit in fleet.known:
                continue
            if not selection.takes(*unit):
                continue
            if fleet.may_have(unit):
                # Its files lie where the tree cannot be read.
                yield replace(_live_row(_live(unit, part.snapshot), now), blocked=("E_SOURCE",))
            else:
                yield _only_live(unit, part.snapshot, now)


def _find_live(app: UnitId, parts: Iterable[ReviewPart], now: datetime) -> AppStatus | None:
    """The row of an app whose config cannot be read; None when no cluster has anything of it."""
    for part in parts:
        if app in part.snapshot.inventories or app in part.snapshot.damaged:
            return _live_row(_live(app, part.snapshot), now)
    return None


def _only_live(unit: UnitId, snapshot: Snapshot, now: datetime) -> AppStatus:
    row = _live_row(_live(unit, snapshot), now)
    if unit in snapshot.handed.values():
        text = "renamed in Git: its objects are handed over"
    else:
        text = "not in Git: the next pass deletes it"
    step = NextStep(StepKind.PASS, text, pending=True)
    return replace(row, in_git=False, next=(*row.next, step))


def _live(unit: UnitId, snapshot: Snapshot, extra: Iterable[ObjectKey] = ()) -> LiveApp:
    group = snapshot.statuses.get(unit.group_id)
    recorded = (group.apps.get(unit) if group is not None else None) or RecordedStatus()
    return LiveApp(unit, tuple(sorted({*_members(unit, snapshot), *extra})), snapshot, recorded)


def _members(unit: UnitId, snapshot: Snapshot) -> tuple[ObjectKey, ...]:
    """The recorded objects of a unit and of the one that it was renamed from; by their labels where
    the inventory is damaged."""
    sources = (unit, snapshot.handed.get(unit))
    found = [snapshot.inventories[u] for u in sources if u and u in snapshot.inventories]
    if found:
        return tuple(member.key for inventory in found for member in inventory.members)
    if unit not in snapshot.damaged:
        return ()
    return tuple(key for key, seen in snapshot.objects.items() if _labels(seen.body) == tuple(unit))


def _labels(body: Mapping[str, object] | None) -> tuple[str, ...]:
    metadata = (body or {}).get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    found = labels if isinstance(labels, Mapping) else {}
    return tuple(str(found.get(f"{_DOMAIN}/{name}")) for name in ("environment", "group", "model"))


def _live_row(live: LiveApp, now: datetime, may_end: Iterable[ObjectKey] = ()) -> AppStatus:
    """The row of an app as the cluster has it."""
    split, hold = live.split, live.hold()
    inventory = live.snapshot.inventories.get(live.unit)
    damaged = live.unit in live.snapshot.damaged
    return AppStatus(
        live.unit,
        Health.HELD if hold is not None else live.health(frozenset(may_end)),
        {**dict.fromkeys(split.versions, 0), **split.weights} if not split.unread else {},
        inventory.revision if inventory is not None else "",
        live.last_run(),
        tuple(live.next_trainings(now)),
        (InventoryInvalid.code,) if damaged else (),
        f"not read: {split.unread}" if split.unread else split.refused,
        live.last_training(),
        live.rollout(),
        hold,
    )


def _row(item: UnitDrafts, snapshot: Snapshot, now: datetime) -> AppStatus:
    """The row of an app whose config was read: the cluster's, with what the tree would change."""
    decision = item.decided.decision
    if snapshot.offline:
        shares = decision.outcome.shares if decision is not None else ()
        traffic = {share.version.value: share.weight.value for share in shares}
        return AppStatus(item.unit.id, None, traffic, next=tuple(_planned_trainings(item)))
    live = replace(_live(item.unit.id, snapshot), decision=decision)
    ending = (draft.key for draft in item.drafts if marks.ends_by_itself(draft))
    row = _live_row(live, now, ending)
    return replace(row, next=tuple(_next(item, row)))


def _next(item: UnitDrafts, row: AppStatus) -> Iterator[NextStep]:
    """The next step of the rollout, the next trainings as applied, then what the tree changes."""
    decision, recorded = item.decided.decision, row.rollout
    if recorded is not None and decision is not None and decision.verdict not in _QUIET:
        for reason in decision.reasons[:1]:
            yield NextStep(StepKind.ROLLOUT, reason.text, decision.due)
    yield from row.next
    applied = {step.text: step.at for step in row.next}
    for step in _planned_trainings(item):
        if applied.get(step.text) != step.at:
            yield replace(step, pending=True)
    planned = {found.schedule.split("/")[1] for found in item.decided.schedules if found.times}
    for name in sorted(applied.keys() - planned):
        yield NextStep(StepKind.PASS, f"{name} stops", pending=True)
    wanted = _wanted(item)
    have = row.rollout.wanted if row.rollout is not None else row.version
    if wanted and wanted != have and row.hold is None:
        yield NextStep(StepKind.PASS, f"version {wanted}", pending=True)


def _wanted(item: UnitDrafts) -> str:
    """The version that the tree points at; "" for a static split, or where nothing is served."""
    unit = item.unit
    serving = unit.spec.serving if isinstance(unit, App) and unit.serves else None
    if serving is None or serving.traffic or serving.version is None:
        return ""
    return serving.version.value


def _planned_trainings(item: UnitDrafts) -> Iterator[NextStep]:
    """The next time of each schedule as the tree has it, the earliest first."""
    fires = [found for found in item.decided.schedules if found.times]
    for found in sorted(fires, key=lambda f: f.times[0]):
        yield NextStep(StepKind.SCHEDULE, found.schedule.split("/")[1], found.times[0])
