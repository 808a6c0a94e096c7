"""The guard of change windows: while the windows of an environment are closed, what is new in Git
waits, and no rollout takes its next step.

What needs no news from Git goes on: drift is corrected, a rollout that fails goes back, a share
leaves a backend that is not ready, and a change that began in an open window is finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from reconciler.engine.guards.guard import Guard
from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.lifecycle.windows import Closed, find_closed
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan.change import AppPlan, Plan, Refusal
from reconciler.plan.drift import drifted_objects
from reconciler.spec.environment import Window

__all__ = ["approval_of", "guard"]

_CODE = "W_WINDOW_CLOSED"
#: Verdicts whose state says that the rollout goes on. The others record what was seen.
_FORWARD = (RolloutVerdict.STEPPING, RolloutVerdict.STEADY, RolloutVerdict.PREPARING)


@dataclass(frozen=True, slots=True)
class _Wait:
    """The objects that wait, and whether the rollout state does."""

    keys: frozenset[ObjectKey]
    state: bool


def guard(
    windows: Mapping[str, tuple[Window, ...]], now: datetime, approved: frozenset[str]
) -> Guard:
    """The guard of a run at `now`. `windows` holds those of each environment; `approved` holds
    hashes as `approval_of` returns them."""
    closed = {e: c for e, w in windows.items() if (c := find_closed(w, now)) is not None}

    def refuse(plan: Plan) -> Iterator[Refusal]:
        if plan.offline:
            return  # no cluster is changed
        for app in plan.apps:
            shut = closed.get(app.environment)
            if shut is None or app.suspended:
                continue
            approval = approval_of(app.environment, plan.commit or plan.label, shut)
            wait = _find_wait(app, plan.commit)
            if approval in approved or not (wait.keys or wait.state):
                continue
            yield Refusal(
                _CODE,
                _describe(app.environment, shut),
                f"to change it now: --approve-window {approval}",
                app.unit,
                app.place,
                wait.keys,
                approval=approval,
                defers=True,
                keeps_state=wait.state,
            )

    return refuse


def approval_of(environment: str, commit: str, closed: Closed) -> str:
    """The hash that approves the changes of one commit to an environment until its windows open."""
    text = f"{environment}\n{commit}\n{closed.until}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _find_wait(app: AppPlan, commit: str) -> _Wait:
    decision = app.decision
    verdict = decision.verdict if decision is not None else None
    if decision is not None and (decision.outcome.sheds or verdict is RolloutVerdict.ABORTING):
        spared = {c.key for c in app.changes() if c.wave is Wave.ROUTING}
        state = False
    else:
        spared = set()
        state = app.swap is not None and verdict in _FORWARD
    drifted = drifted_objects(app)
    news = {c.key for c in app.changes() if c.goes} - drifted - spared
    if commit and app.recorded is not None and app.recorded.revision == commit:
        # Git has nothing new: the change began in an open window. Only a next step waits.
        state = state and verdict is RolloutVerdict.STEPPING
        routes = {c.key for c in app.changes() if c.wave is Wave.ROUTING}
        news = news & routes if verdict is RolloutVerdict.STEPPING else set()
    return _Wait(frozenset(news), state)


def _describe(environment: str, closed: Closed) -> str:
    window = closed.window
    site = window.kind.site
    place = f" ({site.file}:{site.line})"
    until = "for longer than a year"
    if closed.until is not None:
        zone = window.time_zone.value
        until = f"until {closed.until.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"
    return (
        f"the change window of {environment} is closed {until}{place}: what Git changes there, and "
        "the next steps of its rollouts, wait"
    )
