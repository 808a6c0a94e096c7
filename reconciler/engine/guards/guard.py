"""The type of guards, and `hold`, which holds the parts of a plan that they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeAlias

from reconciler.lifecycle.decision import Reason, ReasonKind
from reconciler.objects.key import ObjectKey
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing
from reconciler.unit import UnitId

__all__ = ["Guard", "hold"]

#: Checks the whole plan and returns refusals of its parts. Only `hold` changes the plan.
Guard: TypeAlias = Callable[[Plan], Iterable[Refusal]]


def hold(plan: Plan, refusals: Iterable[Refusal]) -> Plan:
    """The plan with every refused change held, and each refusal noted at its unit.

    A refusal of named objects holds these objects. A refusal of a whole unit holds all its changes
    and its rollout state. Changes that are already held, and objects that are kept, stay as they
    are."""
    by_unit: dict[tuple[int, UnitId], list[Refusal]] = {}
    for refusal in refusals:
        by_unit.setdefault((refusal.place, refusal.unit), []).append(refusal)
    if not by_unit:
        return plan
    apps = tuple(_hold_app(app, by_unit.get((app.place, app.unit), ())) for app in plan.apps)
    return replace(plan, apps=apps)


def _hold_app(app: AppPlan, refusals: Iterable[Refusal]) -> AppPlan:
    refusals = tuple(refusals)
    if not refusals:
        return app
    objects = {key: refusal for refusal in refusals for key in refusal.objects}
    whole = any(refusal.is_whole for refusal in refusals)
    waves = tuple(tuple(_hold_change(c, objects, whole=whole) for c in wave) for wave in app.waves)
    return replace(
        app,
        waves=waves,
        swap=None if whole or any(refusal.keeps_state for refusal in refusals) else app.swap,
        refusals=(*app.refusals, *(r for r in refusals if not r.is_of_one)),
    )


def _hold_change(change: Change, objects: dict[ObjectKey, Refusal], *, whole: bool) -> Change:
    refusal = objects.get(change.key)
    if change.standing is not Standing.GO or change.action is Action.KEEP:
        return change
    if refusal is None:
        return replace(change, standing=Standing.HELD) if whole else change
    # A report shows a refusal once at its top, and does not repeat it at each object.
    kind = ReasonKind.CAUSE if refusal.is_of_one else ReasonKind.REFUSAL
    return replace(
        change,
        standing=Standing.HELD,
        awaited=change.awaited or refusal.awaits,
        deferred=refusal.defers,
        reasons=(*change.reasons, Reason(refusal.text, kind=kind)),
    )
