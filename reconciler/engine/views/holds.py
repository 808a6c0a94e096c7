"""Words for apps that wait for a person."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.engine.views.words import listed
from reconciler.plan.change import AppPlan, Standing

__all__ = ["describe_held", "describe_traffic_holds"]

_MOST = 3


def describe_traffic_holds(apps: Iterable[AppPlan]) -> str:
    """`Held: prod/hz-a/mnist since …: why.` for the apps whose traffic is held; "" without one."""
    held = [describe_held(app) for app in apps if app.hold is not None]
    return f"Held: {listed(held, _MOST)}." if held else ""


def describe_held(app: AppPlan) -> str:
    """A held app: since when and why; of held objects, the first."""
    if app.hold is not None:
        return f"{app.unit} {app.hold}"
    held = [c for c in app.changes() if c.standing is Standing.HELD and c.reasons]
    return f"{app.unit}: {held[0].key}: {held[0].reasons[-1].text}" if held else str(app.unit)
