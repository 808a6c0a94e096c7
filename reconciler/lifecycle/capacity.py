"""The capacity rule: which weights may be drawn into a route. Pure. Every weight of every app
passes through `limit`, whichever decision made it.

The rule (docs/rules.md, I6):
- No share moves to a backend that is not ready for it. The live split stays until all of the wanted
  one has capacity.
- A backend whose pods die loses its weight down to its ready share, while others are ready.
- When nothing is ready nothing changes, so the weights are never all zero.
- Unknown is not ready: such a backend gains nothing. It loses nothing either.

A backend is named by its Service, because the name of a serving object may hold a digest of its
content: then two backends serve one version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.lifecycle.facts import Capacity

__all__ = ["Limited", "limit", "to_percent"]


@dataclass(frozen=True, slots=True)
class Limited:
    """The weights that may be drawn, by Service; they add up to 100, or are empty when nothing was
    wanted. `awaited` are the wanted backends that have too little capacity for their share: the
    live split stays for them, or, without a route, the route must not be made before they are
    ready. `shed` are the backends that lose weight because their pods are not ready."""

    weights: Mapping[str, int]
    awaited: tuple[str, ...] = ()
    shed: tuple[str, ...] = ()


def to_percent(amounts: Mapping[str, int]) -> dict[str, int]:
    """The amounts in whole percent that add up to 100, by the largest remainder; {} when all are
    zero. Negative amounts count as zero."""
    return _divide(100, {name: max(0, amount) for name, amount in amounts.items()})


def limit(
    wanted: Mapping[str, int],
    live: Mapping[str, int],
    ready: Mapping[str, Capacity],
    stable: str = "",
) -> Limited:
    """The weights that may be drawn now, of `wanted` (they add up to 100) and `live` (the route's
    split in percent; empty without a route). A backend that is missing in `ready` is unknown.

    `stable` is the backend that traffic returns to: it may take what an abort gives back as soon as
    it has one ready replica, and no other backend takes more than its own share while it has one.
    """
    if not any(wanted.values()):
        return Limited({})
    short = tuple(
        name
        for name, weight in wanted.items()
        if weight > live.get(name, 0) and not _may_take(name, weight, ready, stable)
    )
    if not live and not any(_is_up(name, ready) for name, weight in wanted.items() if weight):
        return Limited(dict(wanted), short)
    if not live:
        # A new route serves nobody yet, so what is unknown has nothing to lose.
        ready = {name: ready.get(name, Capacity(0, 1)) for name in wanted}
    base = dict(live) if live and short else dict(wanted)
    weights = _shed(base, wanted, ready, stable)
    shed = tuple(name for name, weight in weights.items() if weight < base.get(name, 0))
    # Without a route, what is not ready stays out of the route: nobody waits for it.
    return Limited(weights, short if live else (), shed)


def _may_take(name: str, weight: int, ready: Mapping[str, Capacity], stable: str) -> bool:
    capacity = ready.get(name)
    if capacity is None:
        return False
    return capacity.carries(weight) or (name == stable and capacity.ready > 0)


def _is_up(name: str, ready: Mapping[str, Capacity]) -> bool:
    capacity = ready.get(name)
    return capacity is not None and capacity.ready > 0


def _shed(
    base: Mapping[str, int],
    wanted: Mapping[str, int],
    ready: Mapping[str, Capacity],
    stable: str,
) -> dict[str, int]:
    """The weights after every backend has given away what its ready replicas cannot take, as far as
    others can. What a backend without any ready replica has goes to the others in any case."""
    weights = {**{name: 0 for name, weight in wanted.items() if weight}, **base}
    known = {name: ready[name] for name in weights if name in ready}
    excess = {name: max(0, weights[name] - c.share) for name, c in known.items()}
    guarded = _is_up(stable, ready)

    def room(name: str, most: int) -> int:
        if not _is_up(name, ready) or excess.get(name):
            return 0
        ceiling = min(most, 100 if name == stable or not guarded else weights[name])
        return max(0, ceiling - weights[name])

    for is_dead in (True, False):
        for name in sorted(excess):
            if not excess[name] or _is_up(name, ready) is is_dead:
                continue
            within = {n: room(n, known[n].share) for n in known if n != name}
            moved = min(excess[name], sum(within.values()))
            _move(weights, name, _divide(moved, within))
            rest = excess[name] - moved
            beyond = {n: max(1, weights[n]) for n in known if n != name and room(n, 100)}
            if is_dead and rest and beyond:
                _move(weights, name, _divide(rest, beyond))
    if not any(weights[name] for name in weights if _is_up(name, ready)):
        return dict(base)
    return weights


def _move(weights: dict[str, int], source: str, parts: Mapping[str, int]) -> None:
    for name, part in parts.items():
        weights[name] += part
        weights[source] -= part


def _divide(amount: int, shares: Mapping[str, int]) -> dict[str, int]:
    """`amount` in whole parts in proportion to the shares, by the largest remainder."""
    total = sum(shares.values())
    if total <= 0:
        return {}
    parts = {name: amount * share // total for name, share in shares.items()}
    left = amount - sum(parts.values())
    by_remainder = sorted(shares, key=lambda name: (-(amount * shares[name] % total), name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts
