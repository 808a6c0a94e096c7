"""Drift: changes of a plan that only restore what was applied last."""

from __future__ import annotations

from reconciler.objects.key import ObjectKey
from reconciler.plan.change import Action, AppPlan

__all__ = ["drifted_objects"]


def drifted_objects(app: AppPlan) -> frozenset[ObjectKey]:
    """The objects of the plan whose manifest is the one that was applied last, and that the cluster
    has otherwise or has no more. The health of the app does not matter."""
    if app.recorded is None:
        return frozenset()
    before = {m.key: m.manifest for m in app.recorded.members if m.manifest}
    wanted = {m.key: m.manifest for m in app.members}
    return frozenset(
        change.key
        for change in app.changes()
        if change.goes
        and change.action is not Action.DELETE
        and change.key in before
        and before[change.key] == wanted.get(change.key)
    )
