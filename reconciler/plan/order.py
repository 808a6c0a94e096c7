"""Changes into waves: definitions, foundation, configuration, workloads, routing; deletes after all
applies and in the reverse order, so that a backend never goes before its route."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, Change

__all__ = ["waves"]


def waves(changes: Iterable[Change], *, retreats: bool = False) -> tuple[tuple[Change, ...], ...]:
    """Non-empty waves in the order of execution; each sorted by key. A rollout that `retreats`
    moves its route first: the stable version behind it serves already."""
    forward: dict[Wave, list[Change]] = {}
    backward: dict[Wave, list[Change]] = {}
    for change in changes:
        going = change.action is Action.DELETE
        (backward if going else forward).setdefault(change.wave, []).append(change)
    first = [Wave.ROUTING] if retreats and Wave.ROUTING in forward else []
    ordered = [forward[w] for w in (*first, *(w for w in sorted(forward) if w not in first))]
    ordered += [backward[w] for w in sorted(backward, reverse=True)]
    return tuple(tuple(sorted(wave, key=_place)) for wave in ordered)


def _place(change: Change) -> tuple[bool, ObjectKey]:
    """By key, but a namespace before what lives in it and gone after it."""
    home = change.key.kind == "Namespace" and not change.key.group
    return home == (change.action is Action.DELETE), change.key
