"""Changes into waves: definitions, foundation, configuration, workloads, routing; deletes after all
applies and in the reverse order, so that a backend never goes before its route."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, Change

__all__ = ["waves"]


def waves(changes: Iterable[Change]) -> tuple[tuple[Change, ...], ...]:
    """Non-empty waves in the order of execution; each sorted by key."""
    forward: dict[Wave, list[Change]] = {}
    backward: dict[Wave, list[Change]] = {}
    for change in changes:
        going = change.action is Action.DELETE
        (backward if going else forward).setdefault(change.wave, []).append(change)
    ordered = [forward[w] for w in sorted(forward)]
    ordered += [backward[w] for w in sorted(backward, reverse=True)]
    return tuple(tuple(sorted(wave, key=lambda c: c.key)) for wave in ordered)
