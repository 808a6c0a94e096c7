"""The guard of program upgrades: when a new version of this program draws the same commit
differently, no commit asked for these changes, so a person must approve them once."""

from __future__ import annotations

from collections.abc import Iterator

import reconciler
from reconciler.engine.guards.guard import Guard
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal

__all__ = ["guard"]

_CODE = "E_TOOL_DRIFT"


def guard(approved: frozenset[str]) -> Guard:
    """The guard of a run. It refuses every app that another version of this program applied at the
    same commit and that this version draws differently. `approved` holds versions that a person
    approved. Drift in the cluster is still corrected."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        version = reconciler.__version__
        if not plan.commit or version in approved:
            return
        for app in plan.apps:
            redrawn = sum(1 for c in app.changes() if c.goes and _is_redrawn(c, app))
            if not redrawn or not _is_same_commit(app, plan.commit):
                continue
            assert app.recorded is not None
            yield Refusal(
                _CODE,
                f"{reconciler.FIELD_MANAGER} {version} draws {redrawn} "
                f"object{'' if redrawn == 1 else 's'} of {app.unit} differently from "
                f"{app.recorded.tool}, and the commit is the same",
                f"if meant: --approve-upgrade {version}",
                app.unit,
                app.place,
            )

    return refuse


def _is_same_commit(app: AppPlan, commit: str) -> bool:
    """Whether another version of the program applied this commit, and the rollout state stays."""
    recorded = app.recorded
    return (
        recorded is not None
        and recorded.revision == commit
        and recorded.tool not in ("", reconciler.__version__)
        and app.swap is None
    )


def _is_redrawn(change: Change, app: AppPlan) -> bool:
    before = app.recorded.find(change.key) if app.recorded is not None else None
    if change.action is Action.DELETE or before is None:
        return True
    drawn = change.desired.digest if change.desired is not None else ""
    return bool(before.manifest) and before.manifest != drawn
