"""Holds what cannot be reached while another change of the unit is held, so that a plan lists
exactly what a run will do.

A run goes forward wave by wave, stops at the first wave with a held change, and deletes only after
its last wave. These are the rules of `apply.protocol`, applied to the plan before anybody reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from reconciler.lifecycle.decision import Reason
from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, AppPlan, Change, Plan, Standing

__all__ = ["hold_unreachable"]


def hold_unreachable(plan: Plan) -> Plan:
    """The plan in which every change that its run cannot reach is held, with its reason."""
    return replace(plan, apps=tuple(_hold_app(app) for app in plan.apps))


def _hold_app(app: AppPlan) -> AppPlan:
    if all(change.goes for change in app.changes()):
        return app
    unjudged = [c for c in app.changes() if c.standing is Standing.UNJUDGED]
    if unjudged:
        why = f"waits: {unjudged[0].key} is not judged"
        return replace(app, swap=None, waves=_hold(app, why, lambda _: True, Standing.UNJUDGED))
    stop = _find_stop(app.waves)
    if stop is not None:
        number, first = stop
        later = {c.key for wave in app.waves[number + 1 :] for c in wave}
        state = "being deleted" if first.awaited else "held"
        why = f"waits for {first.key}, which is {state}"
        routed = any(c.goes and c.wave is Wave.ROUTING for w in app.waves[: number + 1] for c in w)
        app = replace(
            app,
            swap=app.swap if routed else None,
            waves=_hold(
                app,
                why,
                lambda c: c.action is Action.DELETE or c.key in later,
                awaited=first.awaited,
            ),
        )
    return _hold_deletes(app)


def _find_stop(waves: Iterable[Iterable[Change]]) -> tuple[int, Change] | None:
    """The number of the first wave with a held change that Git wants, and that change."""
    for number, wave in enumerate(waves):
        for change in wave:
            if change.stops:
                return number, change
    return None


def _hold_deletes(app: AppPlan) -> AppPlan:
    """Deletes wait until the objects that are being deleted, and are of a later wave, are gone."""
    awaited = [c for c in app.changes() if c.awaited]
    if not awaited:
        return app
    stopped: set[object] = set()
    first: Change | None = None
    for wave in app.waves:
        deletes = [c for c in wave if c.goes and c.action is Action.DELETE]
        found = next((c for c in awaited if deletes and c.wave > deletes[0].wave), None)
        first = first or found
        if first is not None:
            stopped |= {c.key for c in deletes}
    if first is None:
        return app
    return replace(
        app, waves=_hold(app, f"waits until {first.key} is gone", lambda c: c.key in stopped)
    )


def _hold(
    app: AppPlan,
    why: str,
    waits: Callable[[Change], bool],
    standing: Standing = Standing.HELD,
    *,
    awaited: bool = False,
) -> tuple[tuple[Change, ...], ...]:
    def held(change: Change) -> Change:
        if not change.goes or not waits(change):
            return change
        reasons = (*change.reasons, Reason(why))
        waiting = change.awaited or awaited
        return replace(change, standing=standing, reasons=reasons, awaited=waiting)

    return tuple(tuple(held(change) for change in wave) for wave in app.waves)
