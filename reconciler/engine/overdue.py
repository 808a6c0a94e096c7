"""Holds the traffic of apps whose backends are not ready within their progressDeadline, and which
store no state that would tell: a static split, and the only version of an app.

A rollout with steps stores its own times. These apps wait since the recorded status of the app is
not ready. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.apps.app import App, Unit
from reconciler.lifecycle.decision import Hold, Reason
from reconciler.plan.change import AppPlan, Plan
from reconciler.plan.statuses import GroupStatus, RecordedStatus
from reconciler.spec.constraint import seconds

__all__ = ["hold_overdue"]

_DEADLINE = timedelta(minutes=30)
_WAY_OUT = "repair the backends, or change serving in Git"


def hold_overdue(
    plan: Plan, units: Iterable[Unit], statuses: Mapping[str, GroupStatus], now: datetime
) -> Plan:
    """The plan in which every app whose traffic waits for longer than its deadline is held, since
    its recorded status is not ready. Only the decision gets the hold: what the plan writes stays,
    because it may be the repair."""
    of_id = {unit.id: unit for unit in units}

    def judge(app: AppPlan) -> AppPlan:
        recorded = _recorded_of(app, statuses)
        since = _not_ready_since(recorded) if recorded is not None else None
        deadline = _deadline_of(of_id.get(app.unit))
        if since is None or now < since + deadline:
            return app
        return _hold(app, since)

    return replace(plan, apps=tuple(judge(app) if _may_wait(app) else app for app in plan.apps))


def _may_wait(app: AppPlan) -> bool:
    """Whether the traffic of an app waits, and nothing says until when."""
    decision = app.decision
    return (
        decision is not None
        and decision.hold is None
        and decision.due is None
        and not app.suspended
        and app.waits
    )


def _recorded_of(app: AppPlan, statuses: Mapping[str, GroupStatus]) -> RecordedStatus | None:
    group = statuses.get(app.unit.group_id)
    return group.apps.get(app.unit) if group is not None else None


def _not_ready_since(recorded: RecordedStatus) -> datetime | None:
    ready = recorded.condition("Ready")
    if ready.get("status") != "False" or ready.get("reason") not in ("HealthCheckFailed", "Held"):
        return None
    try:
        since = datetime.fromisoformat(str(ready.get("lastTransitionTime")))
    except ValueError:
        return None
    return since if since.tzinfo is not None else since.replace(tzinfo=UTC)


def _deadline_of(unit: Unit | None) -> timedelta:
    serving = unit.spec.serving if isinstance(unit, App) else None
    if serving is None or serving.rollout is None:
        return _DEADLINE
    return timedelta(seconds=seconds(serving.rollout.progress_deadline.value))


def _hold(app: AppPlan, since: datetime) -> AppPlan:
    decision = app.decision
    assert decision is not None
    first = decision.reasons[0] if decision.reasons else Reason("its backends are not ready")
    hold = Hold(first.text, _WAY_OUT, since)
    reasons = (*hold.reasons(first.origin), *decision.reasons[1:])
    return replace(app, decision=replace(decision, hold=hold, reasons=reasons))
