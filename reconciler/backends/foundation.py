"""Draws the objects of a group itself: namespace, quota, default sizes, service account, claims.
They belong to the pseudo-app `_group`, which has an inventory as an app has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.apps.app import Foundation
from reconciler.objects.draft import Draft
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.origin import BUILT_IN, Value, derive
from reconciler.spec.environment import Group

__all__ = ["draw", "kinds_of"]

_RULE = "foundation"
#: What a container gets that asks for nothing: its requests and its limits.
_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
_LIMITS = {"cpu": "2", "memory": "4Gi"}


def draw(unit: Foundation) -> Iterator[Draft]:
    """The drafts of a group's own objects; none when the group's `state` is `absent`."""
    spec = unit.spec
    if spec.state.value == "absent":
        return
    namespace = spec.namespace
    if spec.create_namespace.value:
        create = spec.create_namespace
        # The object exists because of two config lines.
        is_default = create.origin is BUILT_IN
        name = namespace if is_default else derive(namespace.value, namespace, create)
        yield Draft(
            ObjectKey("", "Namespace", "", namespace.value),
            "v1",
            {"metadata": {"name": name}},
            _RULE,
        )
    if spec.service_account is not None:
        account = spec.service_account
        yield Draft(
            ObjectKey("", "ServiceAccount", namespace.value, account.value),
            "v1",
            {"metadata": {"name": account}},
            _RULE,
        )
    if spec.quota:
        hard: dict[str, Any] = {name: amount.map(str) for name, amount in spec.quota.items()}
        yield Draft(
            ObjectKey("", "ResourceQuota", namespace.value, "group"),
            "v1",
            {"metadata": {"name": "group"}, "spec": {"hard": hard}},
            _RULE,
        )
    if defaults := _list_defaults(spec):
        limit: dict[str, Any] = {"type": "Container", **defaults}
        yield Draft(
            ObjectKey("", "LimitRange", namespace.value, "group"),
            "v1",
            {"metadata": {"name": "group"}, "spec": {"limits": [limit]}},
            _RULE,
        )
    yield from _draw_claims(spec)


def _draw_claims(spec: Group) -> Iterator[Draft]:
    for entry in spec.claims.values():
        if entry.create is None:
            continue
        claim: dict[str, Any] = {
            "accessModes": list(entry.access_modes),
            "resources": {"requests": {"storage": entry.create.size.map(str)}},
        }
        if entry.create.storage_class is not None:
            claim["storageClassName"] = entry.create.storage_class
        yield Draft(
            ObjectKey("", "PersistentVolumeClaim", spec.namespace.value, entry.claim.value),
            "v1",
            {"metadata": {"name": entry.claim}, "spec": claim},
            _RULE,
        )


def _list_defaults(spec: Group) -> dict[str, dict[str, Value[str]]]:
    """The defaults of a LimitRange: a quota refuses every pod that does not say how much of a
    limited resource it takes."""
    requests: dict[str, Value[str]] = {}
    limits: dict[str, Value[str]] = {}
    for name in ("cpu", "memory"):
        given = getattr(spec.container_defaults, name, None)
        requested = spec.quota.get(f"requests.{name}", spec.quota.get(name))
        limited = spec.quota.get(f"limits.{name}")
        if given is not None:
            requests[name] = given.map(str)
            if limited is not None:
                limits[name] = given.map(str)
            continue
        if requested is not None:
            requests[name] = derive(_REQUESTS[name], requested)
        if limited is not None:
            limits[name] = derive(_LIMITS[name], limited)
            requests.setdefault(name, derive(_REQUESTS[name], limited))
    found = {"default": limits, "defaultRequest": requests}
    return {field: values for field, values in found.items() if values}


def kinds_of(unit: Foundation) -> frozenset[GroupKind]:
    """The kinds that `draw` draws for a foundation."""
    return frozenset(draft.key.group_kind for draft in draw(unit))
