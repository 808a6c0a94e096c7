"""Finds the objects of others in a namespace. Deleting a namespace deletes everything in it, so a
namespace is never deleted while it holds an object that Git does not ask to delete."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.ports import ClusterReader, ClusterUnreadable

__all__ = ["find_strangers"]

#: Kinds that the control plane writes by itself, about other objects.
_IGNORED_KINDS = frozenset(
    {
        GroupKind("", "Event"),
        GroupKind("events.k8s.io", "Event"),
        GroupKind("", "Endpoints"),
        GroupKind("discovery.k8s.io", "EndpointSlice"),
        GroupKind("metrics.k8s.io", "PodMetrics"),
    }
)
_OF_EVERY_NAMESPACE = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})


def find_strangers(
    reader: ClusterReader, namespace: str, own: Collection[ObjectKey]
) -> tuple[ObjectKey, ...]:
    """The objects of a namespace other than `own`, sorted. Leaves out objects that a controller
    made for another object, as they are deleted with it. Raises ClusterUnreadable when a kind could
    not be listed. Cost: one LIST per namespaced kind."""
    discovery = reader.discover()
    if discovery.unread_groups:
        groups = ", ".join(sorted(discovery.unread_groups))
        raise ClusterUnreadable(
            f"what is in {namespace} is not known: {groups} could not be discovered"
        )
    found = []
    for kind, served in sorted(discovery.kinds.items()):
        if served.namespaced and kind not in _IGNORED_KINDS:
            found += [seen for seen in reader.list(kind, namespace).items if _is_stranger(seen)]
    return tuple(sorted(seen.key for seen in found if seen.key not in own))


def _is_stranger(seen: Observed) -> bool:
    if (seen.key.kind, seen.key.name) in _OF_EVERY_NAMESPACE and not seen.key.group:
        return False
    metadata = (seen.body or {}).get("metadata") or {}
    return not any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())
