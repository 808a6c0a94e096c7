"""The guard against a new version of this program that draws the same commit differently: nobody
asked for those changes, so a person looks at them once."""

from __future__ import annotations

from dataclasses import replace

import reconciler
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing

__all__ = ["REDRAWN", "guarded"]

#: The code of the refusal; an app that has it is left exactly as it is.
REDRAWN = "E_TOOL_DRIFT"


def guarded(plan: Plan, approved: frozenset[str]) -> Plan:
    """The plan with every app held that another version of this program applied at this very
    commit and that this version draws otherwise. `approved` holds this version where a person has
    agreed. What controllers or people changed in the cluster is repaired as ever."""
    if not plan.commit or reconciler.__version__ in approved:
        return plan
    return replace(plan, apps=tuple(_judged(app, plan.commit) for app in plan.apps))


def _judged(app: AppPlan, commit: str) -> AppPlan:
    recorded = app.recorded
    if (
        recorded is None
        or recorded.revision != commit
        or recorded.tool in ("", reconciler.__version__)
        or app.swap is not None
    ):
        return app
    redrawn = [change for change in app.changes() if change.goes and _is_redrawn(change, app)]
    if not redrawn:
        return app
    version = reconciler.__version__
    refusal = Refusal(
        REDRAWN,
        f"{reconciler.FIELD_MANAGER} {version} draws {len(redrawn)} "
        f"object{'' if len(redrawn) == 1 else 's'} of {app.unit} otherwise than {recorded.tool}, "
        "and the commit is the same",
        f"if meant: --approve-upgrade {version}",
    )
    waves = tuple(
        tuple(replace(c, standing=Standing.HELD) if c.goes else c for c in wave)
        for wave in app.waves
    )
    return replace(app, waves=waves, refusals=(*app.refusals, refusal))


def _is_redrawn(change: Change, app: AppPlan) -> bool:
    assert app.recorded is not None
    before = app.recorded.find(change.key)
    if change.action is Action.DELETE or before is None:
        return True
    drawn = change.desired.digest if change.desired is not None else ""
    return bool(before.manifest) and before.manifest != drawn
