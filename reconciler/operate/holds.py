"""What a pass says of rollouts that wait: still within their deadline, or held until a person acts.

A rollout with steps stores its own times. A static split, and the only version of an app, have no
stored state: they wait since the recorded status of the app is not ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.apps.app import App
from reconciler.engine.review import Review
from reconciler.lifecycle.decision import Decision, Hold, RolloutVerdict, Weights
from reconciler.plan.change import AppPlan
from reconciler.plan.statuses import GroupStatus, RecordedStatus
from reconciler.spec.constraint import seconds

__all__ = ["Wait", "describe_hold", "find_wait", "recorded_of"]

_DEADLINE = timedelta(minutes=30)
_WAY_OUT = "repair the backends, or change serving in Git"


@dataclass(frozen=True, slots=True)
class Wait:
    """Traffic waits: `text` says for what. `hold` is None while the deadline is not over."""

    text: str
    hold: Hold | None = None


def describe_hold(hold: Hold) -> str:
    """A hold in one sentence for people: since when, why, and the way out."""
    return f"held {hold}; way out: {hold.way_out}"


def recorded_of(app: AppPlan, statuses: Mapping[str, GroupStatus]) -> RecordedStatus:
    """The recorded status of a unit from before the pass; an empty one where there is none."""
    group = statuses.get(app.unit.group_id)
    return (group.apps.get(app.unit) if group is not None else None) or RecordedStatus()


def find_wait(app: AppPlan, reviewed: Review, now: datetime) -> Wait | None:
    """Why the traffic of a unit waits after a pass; None when it does not."""
    decision = app.decision
    if decision is None or app.suspended:
        return None
    if decision.hold is not None:
        return Wait(describe_hold(decision.hold), decision.hold)
    if not _waits(decision):
        return None
    why = decision.reasons[0].text if decision.reasons else "its backends are not ready"
    since = _not_ready_since(recorded_of(app, reviewed.statuses))
    if decision.due is not None or since is None or now < since + _deadline(app, reviewed):
        return Wait(why)
    hold = Hold(why, _WAY_OUT, since)
    return Wait(describe_hold(hold), hold)


def _waits(decision: Decision[Weights]) -> bool:
    return decision.verdict is RolloutVerdict.WAITING or bool(decision.outcome.awaited)


def _not_ready_since(recorded: RecordedStatus) -> datetime | None:
    ready = recorded.condition("Ready")
    if ready.get("status") != "False" or ready.get("reason") not in ("HealthCheckFailed", "Held"):
        return None
    try:
        since = datetime.fromisoformat(str(ready.get("lastTransitionTime")))
    except ValueError:
        return None
    return since if since.tzinfo is not None else since.replace(tzinfo=UTC)


def _deadline(app: AppPlan, reviewed: Review) -> timedelta:
    for item in reviewed.units:
        serving = item.unit.spec.serving if isinstance(item.unit, App) else None
        if item.unit.id == app.unit and serving is not None and serving.rollout is not None:
            return timedelta(seconds=seconds(serving.rollout.progress_deadline.value))
    return _DEADLINE
