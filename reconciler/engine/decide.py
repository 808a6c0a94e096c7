"""Decides an app's rollout, and the rollout state to record."""

from __future__ import annotations

from datetime import datetime

from reconciler.apps.app import App
from reconciler.backends import draw
from reconciler.lifecycle import rollout
from reconciler.lifecycle.decision import Decision, Reason, Weights
from reconciler.objects.key import ObjectKey
from reconciler.plan.change import StateSwap
from reconciler.plan.snapshot import Snapshot

__all__ = ["decide", "list_recorded", "list_retained"]


def decide(
    app: App, snapshot: Snapshot, now: datetime
) -> tuple[Decision[Weights] | None, StateSwap | None]:
    """The rollout's decision and the state to record. The decision is None for an app that serves
    nothing; the state is None when it need not change."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return None, None
    if snapshot.offline:
        return rollout.target(app.id, serving), None
    stored = snapshot.states.get(app.id)
    version = stored.resource_version if stored is not None else ""
    if stored is None:
        source = snapshot.handed.get(app.id)
        stored = snapshot.states.get(source) if source is not None else None
    state = rollout.RolloutState.from_data(stored.data) if stored is not None else None
    wanted = [serving.version.value] if serving.version is not None else list(serving.traffic)
    interest = {*wanted, *([state.stable, state.wanted] if state else ())}
    members = list_recorded(app, snapshot)
    facts = draw.read_facts(app, interest, snapshot.lookup, members)
    decision = rollout.decide(app.id, serving, app.records, state, facts, now)
    data = decision.state
    if data is None and state is not None and not version:
        data = state.to_data()  # taken over from the old name: recorded under the new one
    if data is None:
        return decision, None
    return decision, StateSwap(tuple(sorted(data.items())), version)


def list_recorded(app: App, snapshot: Snapshot) -> tuple[ObjectKey, ...]:
    """The objects that the inventories of the app, and of the unit that it was renamed from,
    list."""
    found = (
        snapshot.inventories.get(app.id),
        snapshot.inventories.get(snapshot.handed[app.id]) if app.id in snapshot.handed else None,
    )
    return tuple(sorted({m.key for inventory in found if inventory for m in inventory.members}))


def list_retained(
    app: App, decision: Decision[Weights], snapshot: Snapshot
) -> dict[ObjectKey, Reason]:
    """The recorded serving objects that must not be deleted yet, with the reason."""
    retained = decision.outcome.retained
    if not retained:
        return {}
    of_key = {key: draw.serving_object(app, key) for key in list_recorded(app, snapshot)}
    return {key: retained[service] for key, service in of_key.items() if service in retained}
