"""What a guard is, and how the plan is held by what guards say."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from reconciler.lifecycle.decision import Reason, ReasonKind
from reconciler.objects.key import ObjectKey
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing
from reconciler.unit import UnitId

__all__ = ["Guard", "hold"]

#: Looks at the whole plan and refuses parts of it. It changes nothing; `hold` does.
Guard: TypeAlias = Callable[[Plan], Iterable[Refusal]]


def hold(plan: Plan, refusals: Iterable[Refusal]) -> Plan:
    """The plan with everything held that a guard refused, and each refusal noted at its unit.

    A refusal of named objects holds these; one of the whole unit holds every change of it and its
    rollout decision. What is held already, and what is only kept, stays as it is."""
    by_unit: dict[tuple[int, UnitId], list[Refusal]] = {}
    for refusal in refusals:
        by_unit.setdefault((refusal.place, refusal.unit), []).append(refusal)
    if not by_unit:
        return plan
    apps = tuple(_held(app, by_unit.get((app.place, app.unit), ())) for app in plan.apps)
    return replace(plan, apps=apps)


def _held(app: AppPlan, refusals: Iterable[Refusal]) -> AppPlan:
    refusals = tuple(refusals)
    if not refusals:
        return app
    objects = {key: refusal for refusal in refusals for key in refusal.objects}
    whole = any(refusal.is_whole for refusal in refusals)
    waves = tuple(tuple(_still(c, objects, whole=whole) for c in wave) for wave in app.waves)
    return replace(
        app,
        waves=waves,
        swap=None if whole else app.swap,
        refusals=(*app.refusals, *(r for r in refusals if not r.is_of_one)),
    )


def _still(change: Change, objects: dict[ObjectKey, Refusal], *, whole: bool) -> Change:
    refusal = objects.get(change.key)
    if change.standing is not Standing.GO or change.action is Action.KEEP:
        return change
    if refusal is None:
        return replace(change, standing=Standing.HELD) if whole else change
    # A refusal that stands at the top of a report is not said again at each object.
    kind = ReasonKind.CAUSE if refusal.is_of_one else ReasonKind.REFUSAL
    return replace(
        change,
        standing=Standing.HELD,
        awaited=change.awaited or refusal.awaits,
        reasons=(*change.reasons, Reason(refusal.text, kind=kind)),
    )
