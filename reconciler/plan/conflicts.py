"""Which fields and objects of other managers this program may take over.

The rule is kluctl's. Fields of `kubectl`, under any of its manager names, are taken over and shown
as *adopt*; fields of any other manager are never taken without an approval. An existing object that
this program did not make is adopted only when nobody but people with `kubectl` has written it.
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
    "has_lost_owner",
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
    """Whether a manager is `kubectl` under one of its names, or this program."""
    return manager.startswith(_TAKEABLE)


def list_untakeable(managers: Iterable[str]) -> tuple[str, ...]:
    """The managers whose fields are not taken over, sorted."""
    return tuple(sorted({m for m in managers if not is_takeable(m)}))


def read_conflict(refused: Refused) -> FieldConflict:
    """The conflict that the server's refusal names."""
    return FieldConflict(list_untakeable(refused.managers), refused.fields)


def approval_of(key: ObjectKey, conflict: FieldConflict) -> str:
    """The hash that approves taking exactly these fields of this object from these managers."""
    rows = (key.full(), *conflict.managers, "", *sorted(conflict.fields))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def list_released(
    live: Observed, after: Mapping[str, Any]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The fields that this program would give up by an apply with the result `after`, and that stay
    because other managers own them too: (path, names of these managers), sorted. Empty when `after`
    does not name this program as a manager."""
    before = owned_by(((live.body or {}).get("metadata") or {}).get("managedFields") or ())
    then = owned_by((after.get("metadata") or {}).get("managedFields") or ())
    kept = then.pop(reconciler.FIELD_MANAGER, None)
    if kept is None:
        return ()
    gone = before.get(reconciler.FIELD_MANAGER, frozenset()) - kept
    shared = {path: tuple(sorted(n for n, owned in then.items() if path in owned)) for path in gone}
    return tuple(sorted((_format_path(path), names) for path, names in shared.items() if names))


def _format_path(path: tuple[str, ...]) -> str:
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
    """Whether this program has applied the object, also when others wrote to it since."""
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    return reconciler.FIELD_MANAGER in owned_by(metadata.get("managedFields") or ())


def has_lost_owner(live: Observed, units: Iterable[UnitId]) -> bool:
    """Whether a recorded object still bears the label of one of the units, and its managedFields no
    longer name this program although no other tool has applied the object since. Somebody emptied
    the list. The object stays this program's."""
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    if is_ours(live) or marks.get(PART_OF) not in {part_of(unit) for unit in units}:
        return False
    appliers = (
        str(row.get("manager", ""))
        for row in metadata.get("managedFields") or ()
        if row.get("operation") == "Apply"
    )
    return not list_untakeable(appliers) and not any(marker in marks for marker in _MARKERS)


def is_anothers(live: Observed, unit: UnitId) -> bool:
    """Whether another tool, ApplySet or controller claims the object. Such an object is never taken
    over, whatever Git says."""
    return bool(_find_claim(live, unit))


def why_foreign(live: Observed, unit: UnitId, *, adopts: bool = False) -> str:
    """Why an object that no inventory lists may not be adopted; "" when it may. With `adopts`, Git
    names exactly this object, and writes of other managers do not matter."""
    why = _find_claim(live, unit)
    if why or is_ours(live) or adopts:
        return why
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    others = list_untakeable(
        str(row.get("manager", ""))
        for row in metadata.get("managedFields") or ()
        if row.get("subresource") != "status"
    )
    return f"it is managed by {', '.join(others)}" if others else ""


def _find_claim(live: Observed, unit: UnitId) -> str:
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
