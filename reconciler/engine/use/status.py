"""The command `status`: per app its versions, its health and its next steps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler import kinds
from reconciler.apps.app import App, Selection
from reconciler.engine import review
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.engine.views.report import Findings, Report
from reconciler.engine.views.status import (
    AppStatus,
    FleetStatus,
    Health,
    LastRun,
    NextStep,
    StepKind,
)
from reconciler.errors import ExitCode
from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.objects.kind import ReadinessState
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.statuses import RecordedStatus
from reconciler.ports import ClusterReader, Tree

__all__ = ["status"]

_NO_PLAN = RunOptions(plans=False)
#: Verdicts without a next step.
_QUIET = (RolloutVerdict.STEADY, RolloutVerdict.TARGET, RolloutVerdict.IDLE)


def status(
    tree: Tree,
    selection: Selection,
    reader: ClusterReader | Targets[ClusterReader] | None,
    now: datetime,
) -> Report:
    """One row per selected app. Exit 1 where the config has mistakes, or where the recorded state
    of an app is damaged."""
    reviewed = review.review(tree, selection, now, reader=reader, options=_NO_PLAN)
    fleet = reviewed.fleet
    runs = {u: r for group in reviewed.statuses.values() for u, r in group.apps.items()}
    rows = [
        _row(item, part.snapshot, runs.get(item.unit.id))
        for part in reviewed.parts
        for item in part.units
        if isinstance(item.unit, App)
    ]
    rows += [
        AppStatus(app, Health.BLOCKED, last_run=_last_run(runs.get(app)), blocked=codes)
        for app, codes in fleet.blocked.items()
        if not app.is_foundation
    ]
    errors = tuple(d for d in reviewed.diagnostics if d.is_error)
    code = ExitCode.ERROR if errors or reviewed.damaged else ExitCode.DONE
    section = FleetStatus(tuple(sorted(rows, key=lambda row: str(row.app))))
    return Report("status", (Findings(errors), section), (), code, revision=fleet.label)


def _last_run(recorded: RecordedStatus | None) -> LastRun | None:
    last = recorded.last if recorded is not None else {}
    try:
        at = datetime.fromisoformat(str(last.get("at", "")))
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return LastRun(str(last.get("result", "")), at.astimezone(UTC))


def _row(item: UnitDrafts, snapshot: Snapshot, recorded_run: RecordedStatus | None) -> AppStatus:
    decision = item.decided.decision
    shares = decision.outcome.shares if decision is not None else ()
    inventory = snapshot.inventories.get(item.unit.id)
    return AppStatus(
        item.unit.id,
        _health(item, snapshot),
        {share.version.value: share.weight.value for share in shares},
        inventory.revision if inventory is not None else "",
        _last_run(recorded_run),
        tuple(_next(item)),
    )


def _next(item: UnitDrafts) -> Iterator[NextStep]:
    """The step of the rollout, then the next time of each schedule, the earliest first."""
    decision = item.decided.decision
    if decision is not None and decision.outcome.shares and decision.verdict not in _QUIET:
        for reason in decision.reasons[:1]:
            yield NextStep(StepKind.ROLLOUT, reason.text, decision.due)
    fires = [f for f in item.decided.schedules if f.times]
    for found in sorted(fires, key=lambda f: f.times[0]):
        yield NextStep(StepKind.SCHEDULE, found.schedule.split("/")[1], found.times[0])


def _health(item: UnitDrafts, snapshot: Snapshot) -> Health | None:
    if snapshot.offline:
        return None
    verdict = item.decided.decision.verdict if item.decided.decision is not None else None
    if verdict in (RolloutVerdict.HELD, RolloutVerdict.ABORTING):
        return Health.HELD
    if verdict is RolloutVerdict.UNKNOWN:
        return Health.UNKNOWN
    states = {
        kinds.readiness(snapshot.lookup(draft.key), snapshot.lookup).state for draft in item.drafts
    }
    if not states:
        return Health.IDLE
    if ReadinessState.UNKNOWN in states:
        return Health.UNKNOWN
    if ReadinessState.FAILED in states:
        return Health.FAILED
    if ReadinessState.ABSENT in states:
        return Health.MISSING if len(states) > 1 else Health.ABSENT
    if states != {ReadinessState.READY}:
        return Health.PROGRESSING
    return Health.READY if isinstance(item.unit, App) and item.unit.serves else Health.IDLE
