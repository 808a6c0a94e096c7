"""What of a plan needs no news from Git: drift, and what may go on while Git does not answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, AppPlan
from reconciler.plan.drift import drifted_objects

__all__ = ["has_only_drifted", "without_git", "without_objects"]


def has_only_drifted(app: AppPlan) -> bool:
    """Whether every change of a unit corrects drift, and the rollout state does not change."""
    changes = [change for change in app.changes() if change.goes]
    drifted = drifted_objects(app)
    return app.swap is None and bool(changes) and all(c.key in drifted for c in changes)


def without_objects(app: AppPlan, keys: Collection[ObjectKey]) -> AppPlan:
    """The plan without the changes of these objects. They stay recorded as they were applied, so
    that the next pass still sees that they differ."""
    recorded = {m.key: m for m in app.recorded.members} if app.recorded is not None else {}
    waves = (tuple(c for c in wave if c.key not in keys) for wave in app.waves)
    return replace(
        app,
        waves=tuple(wave for wave in waves if wave),
        members=tuple(recorded.get(m.key, m) if m.key in keys else m for m in app.members),
    )


def without_git(app: AppPlan) -> AppPlan:
    """The plan of a pass while Git does not answer. Nothing is deleted, also not to be made anew,
    and no weight moves forward: a commit that says otherwise may exist. Drift is corrected, and a
    rollout that fails goes back."""
    keys = {c.key for c in app.changes() if c.action in (Action.DELETE, Action.REPLACE)}
    decision = app.decision
    if decision is not None and decision.verdict in _FORWARD:
        drifted = drifted_objects(app)
        routes = {c.key for c in app.changes() if c.wave is Wave.ROUTING}
        keys |= routes - drifted
        app = replace(app, swap=None)
    return without_objects(app, keys) if keys else app


#: Verdicts with which the recorded weights move towards what Git wants.
_FORWARD = (RolloutVerdict.STEPPING, RolloutVerdict.STEADY)
