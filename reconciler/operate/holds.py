"""What a pass says of traffic that waits: within its deadline, or held until a person acts."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.lifecycle.decision import Hold
from reconciler.plan.change import AppPlan

__all__ = ["Wait", "describe_hold", "find_wait"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Traffic waits: `text` says for what. `hold` is None while the deadline is not over."""

    text: str
    hold: Hold | None = None


def describe_hold(hold: Hold) -> str:
    """A hold in one sentence for people: since when, why, and the way out."""
    return f"held {hold}; way out: {hold.way_out}"


def find_wait(app: AppPlan) -> Wait | None:
    """Why the traffic of a unit waits after a pass; None when it does not."""
    decision = app.decision
    if decision is None or app.suspended:
        return None
    if decision.hold is not None:
        return Wait(describe_hold(decision.hold), decision.hold)
    if not app.waits:
        return None
    why = decision.reasons[0].text if decision.reasons else "its backends are not ready"
    return Wait(why)
