"""Orders changes into waves: definitions, foundation, configuration, workloads, routing. Deletes
come after all applies and in the reverse order, so that a backend is never deleted before its
route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, Change

__all__ = ["order_waves"]


def order_waves(
    changes: Iterable[Change], *, retreats: bool = False
) -> tuple[tuple[Change, ...], ...]:
    """Non-empty waves in the order of execution; each is sorted by key. Namespaces are a wave of
    their own: created before the objects in them and deleted after them. When a rollout `retreats`,
    its route is changed first, because the stable version already serves."""
    forward: dict[Wave, list[Change]] = {}
    backward: dict[Wave, list[Change]] = {}
    for change in changes:
        is_delete = change.action is Action.DELETE
        (backward if is_delete else forward).setdefault(change.wave, []).append(change)
    first = [Wave.ROUTING] if retreats and Wave.ROUTING in forward else []
    ordered = [forward[w] for w in (*first, *(w for w in sorted(forward) if w not in first))]
    ordered += [backward[w] for w in sorted(backward, reverse=True)]
    return tuple(tuple(sorted(part, key=_key)) for wave in ordered for part in _parts(wave))


def _parts(wave: list[Change]) -> Iterator[list[Change]]:
    namespaces = [c for c in wave if c.key.kind == "Namespace" and not c.key.group]
    others = [c for c in wave if c not in namespaces]
    is_delete = bool(namespaces) and namespaces[0].action is Action.DELETE
    yield from (
        part for part in ((others, namespaces) if is_delete else (namespaces, others)) if part
    )


def _key(change: Change) -> ObjectKey:
    return change.key
