"""Draws the objects of a group itself: namespace, quota, service account. They belong to the
pseudo-app `_group`, which has an inventory as an app has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.apps.app import Foundation
from reconciler.objects.draft import Draft
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.origin import BUILT_IN, derive

__all__ = ["draw", "kinds_of"]

_RULE = "foundation"


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


def kinds_of(unit: Foundation) -> frozenset[GroupKind]:
    """The kinds that `draw` draws for a foundation."""
    return frozenset(draft.key.group_kind for draft in draw(unit))
