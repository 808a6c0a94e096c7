"""Who else owns a field, and what that means: decided per field by its owner.

The rule is kluctl's: fields of `kubectl` in any of its guises are taken over and shown as *adopt*;
fields of anyone else are never fought for. An object that exists and is not ours is adopted only
when no one but people with `kubectl` has made it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

import reconciler
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Refused
from reconciler.objects.ownership import owned_by
from reconciler.plan.change import FieldConflict
from reconciler.plan.inventory import PART_OF, part_of
from reconciler.unit import UnitId

__all__ = [
    "approval_of",
    "is_anothers",
    "is_ours",
    "is_takeable",
    "list_released",
    "list_untakeable",
    "read_conflict",
    "why_foreign",
]

_TAKEABLE = ("kubectl", "before-first-apply", reconciler.FIELD_MANAGER)
_MARKERS = {
    "argocd.argoproj.io/instance": "Argo CD",
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "meta.helm.sh/release-name": "Helm",
    "kapp.k14s.io/app": "kapp",
}


def is_takeable(manager: str) -> bool:
    """Whether a manager is `kubectl` under one of its names, or ourselves."""
    return manager.startswith(_TAKEABLE)


def list_untakeable(managers: Iterable[str]) -> tuple[str, ...]:
    """Those whose fields stay theirs, sorted."""
    return tuple(sorted({m for m in managers if not is_takeable(m)}))


def read_conflict(refused: Refused) -> FieldConflict:
    """What a refusal of the server for a field conflict says."""
    return FieldConflict(list_untakeable(refused.managers), refused.fields)


def approval_of(key: ObjectKey, contest: FieldConflict) -> str:
    """The hash that stands for taking exactly these fields of an object from these managers."""
    rows = (key.full(), *contest.managers, "", *sorted(contest.fields))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def list_released(
    live: Observed, after: Mapping[str, Any]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The fields that an apply with the result `after` would give up and that stay because others
    own them too: each with their names, sorted. None where `after` does not tell who owns what."""
    before = owned_by(((live.body or {}).get("metadata") or {}).get("managedFields") or ())
    then = owned_by((after.get("metadata") or {}).get("managedFields") or ())
    kept = then.pop(reconciler.FIELD_MANAGER, None)
    if kept is None:
        return ()
    gone = before.get(reconciler.FIELD_MANAGER, frozenset()) - kept
    shared = {path: tuple(sorted(n for n, owned in then.items() if path in owned)) for path in gone}
    return tuple(sorted((_shown(path), names) for path, names in shared.items() if names))


def _shown(path: tuple[str, ...]) -> str:
    """`f:spec`, `k:{"name":"a"}` as `spec[name=a]`."""
    out = ""
    for step in path:
        kind, _, text = step.partition(":")
        if kind == "f":
            out += f".{text}"
        elif kind == "k":
            out += f"[{','.join(f'{k}={v}' for k, v in orjson.loads(text).items())}]"
        else:
            out += f"[{text}]"
    return out.removeprefix(".")


def is_ours(live: Observed) -> bool:
    """Whether we have applied the object; who else wrote to it since does not matter."""
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    return reconciler.FIELD_MANAGER in owned_by(metadata.get("managedFields") or ())


def is_anothers(live: Observed, unit: UnitId) -> bool:
    """Whether another tool or a controller has marked the object as its own: that is never taken
    over, whatever Git says."""
    return bool(_claimed(live, unit))


def why_foreign(live: Observed, unit: UnitId, *, adopts: bool = False) -> str:
    """Why an object that is in no inventory of ours may not be adopted; "" when it may. `adopts`:
    Git names this very object, so that others may have written it."""
    why = _claimed(live, unit)
    if why or is_ours(live) or adopts:
        return why
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    others = list_untakeable(
        str(row.get("manager", ""))
        for row in metadata.get("managedFields") or ()
        if row.get("subresource") != "status"
    )
    return f"it is managed by {', '.join(others)}" if others else ""


def _claimed(live: Observed, unit: UnitId) -> str:
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    for marker, tool in _MARKERS.items():
        if marker in labels or marker in annotations:
            return f"it belongs to {tool} ({marker})"
    if labels.get(PART_OF) not in (None, part_of(unit)):
        return f"it is part of another ApplySet ({labels[PART_OF]})"
    if is_ours(live):
        return ""
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return f"it belongs to {owner.get('kind')}/{owner.get('name')}"
    return ""
