"""Applies the capacity rule and the drain rule to a decision, whichever branch made it. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler.lifecycle import capacity, drain
from reconciler.lifecycle.capacity import Limited
from reconciler.lifecycle.decision import (
    Decision,
    KeptBackend,
    Reason,
    RolloutVerdict,
    Share,
    Weights,
)
from reconciler.lifecycle.facts import Capacity, RolloutFacts, RolloutState
from reconciler.origin import derive

__all__ = ["bound", "retain"]

#: Verdicts that promise a weight: when the rule keeps it back, the rollout waits.
_PROMISING = (RolloutVerdict.STEADY, RolloutVerdict.STEPPING, RolloutVerdict.PAUSED)


def bound(decision: Decision[Weights], facts: RolloutFacts, *, pointed: bool) -> Decision[Weights]:
    """The decision with weights that the backends can take (`capacity.limit`). `pointed`: the first
    share is the stable version's, to which traffic returns."""
    shares = decision.outcome.shares
    if not facts.routed or facts.route_unread or not shares:
        return decision
    services = [facts.services.get(s.version.value, s.version.value) for s in shares]
    wanted = {name: s.weight.value for name, s in zip(services, shares, strict=True)}
    live: dict[str, int] = {}
    for found in facts.backends:
        live[found.service] = live.get(found.service, 0) + found.weight
    if not facts.backends and facts.weights:
        live = dict(facts.weights)
    live = capacity.to_percent(live)
    of_git = {facts.services.get(name, name): seen for name, seen in facts.capacity.items()}
    stable = services[0] if pointed else ""
    limited = capacity.limit(wanted, live, {**facts.ready, **of_git}, stable)
    if limited.weights.get(""):
        # What is no Service of the app cannot stay in the route: the others take its share.
        own = {name: weight for name, weight in limited.weights.items() if name}
        limited = replace(limited, weights=capacity.to_percent(own) or wanted)
    if dict(limited.weights) == wanted and not limited.awaited:
        return decision
    return _redraw(decision, facts, services, limited)


def _redraw(
    decision: Decision[Weights], facts: RolloutFacts, services: list[str], limited: Limited
) -> Decision[Weights]:
    """The decision with the limited weights, and with the reason for what is kept back."""
    outcome = decision.outcome
    kept = _list_kept(outcome, facts, services, limited)
    shares = []
    for share, name in zip(outcome.shares, services, strict=True):
        older = sum(k.weight.value for k in kept if k.version == share.version.value)
        weight = limited.weights.get(name, 0) + older
        drawn = share.weight if weight == share.weight.value else derive(weight, share.weight)
        shares.append(Share(share.version, drawn))
    verdict, reasons = decision.verdict, list(decision.reasons)
    origins = dict(zip(services, outcome.shares, strict=True))
    has_live = bool(facts.backends or facts.weights)
    for name in limited.awaited:
        share = origins[name]
        seen = facts.capacity.get(share.version.value)
        text = _describe(share.version.value, seen)
        lead = "the route keeps its split" if has_live else "the route waits"
        reasons.insert(0, Reason(f"{lead}: {text}", share.weight.origin or share.version.origin))
        if has_live and verdict in _PROMISING:
            verdict = RolloutVerdict.WAITING
    for name in limited.shed:
        reasons.insert(0, _explain_shed(name, origins.get(name), facts, limited))
        if verdict in _PROMISING:
            verdict = RolloutVerdict.WAITING
    fresh = replace(
        outcome,
        shares=tuple(shares),
        kept=kept,
        awaited=() if has_live else limited.awaited,
        sheds=bool(limited.shed),
    )
    return replace(decision, verdict=verdict, outcome=fresh, reasons=tuple(reasons))


def _list_kept(
    outcome: Weights, facts: RolloutFacts, services: list[str], limited: Limited
) -> tuple[KeptBackend, ...]:
    asks = outcome.shares[0].version
    ports = {b.service: b for b in facts.backends}
    return tuple(
        KeptBackend(
            derive(name, asks),
            derive(ports[name].port, asks),
            derive(weight, asks),
            ports[name].version,
        )
        for name, weight in limited.weights.items()
        if weight and name not in services and name in ports
    )


def _describe(version: str, seen: Capacity | None) -> str:
    if seen is None:
        return f"the backend of {version} could not be read"
    return f"{version} has {seen}"


def _explain_shed(name: str, share: Share | None, facts: RolloutFacts, limited: Limited) -> Reason:
    seen = facts.ready.get(name)
    if share is not None:
        seen = facts.capacity.get(share.version.value, seen)
    who = share.version.value if share is not None else name
    weight = limited.weights.get(name, 0)
    text = f"{who} is down to {weight} % of the traffic: {seen}"
    return Reason(text, share.version.origin if share is not None else None)


def retain(
    decision: Decision[Weights],
    facts: RolloutFacts,
    state: RolloutState | None,
    now: datetime,
) -> Decision[Weights]:
    """The decision with the backends that must not be deleted yet, and with the times since when
    they are without traffic in its state."""
    stored = state.left if state is not None else ""
    after = RolloutState.from_data(decision.state) if decision.state is not None else state
    if not facts.routed or facts.route_unread:
        return decision
    drawn = {facts.services.get(s.version.value) for s in decision.outcome.shares}
    leaving = [name for name in facts.running if name not in drawn]
    routed = {b.service for b in facts.backends}
    routed |= {k.service.value for k in decision.outcome.kept}
    found = drain.drain(leaving, routed, facts.accepted, drain.read_times(stored), now)
    fresh = replace(after or RolloutState(), left=drain.format_times(found.left))
    previous = facts.services.get(fresh.previous)
    if fresh.previous and previous not in found.retained and previous not in drawn:
        fresh = replace(fresh, previous="", previous_digest="")
    data = decision.state if fresh == (after or RolloutState()) else fresh.to_data()
    if state is not None and data == state.to_data():
        data = None
    origin = decision.reasons[0].origin if decision.reasons else None
    retained = {name: Reason(f"kept: {why}", origin) for name, why in found.retained.items()}
    due = min((d for d in (decision.due, found.due) if d is not None), default=None)
    outcome = replace(decision.outcome, retained=retained) if retained else decision.outcome
    return replace(decision, outcome=outcome, state=data, due=due)
