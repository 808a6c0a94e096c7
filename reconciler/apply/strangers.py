"""What lives in a namespace that is not ours: a namespace takes everything in it along, so it is
never deleted while it holds something that nobody asked us to delete."""

from __future__ import annotations

from collections.abc import Collection

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.ports import ClusterReader, ClusterUnreadable

__all__ = ["find_strangers"]

#: Made by the control plane for every namespace, or about other objects.
_COMES_ALONG = frozenset(
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
    reader: ClusterReader, namespace: str, ours: Collection[ObjectKey]
) -> tuple[ObjectKey, ...]:
    """The objects of a namespace beside `ours`, sorted; what a controller made for another object
    goes with that one and is left out. Raises ClusterUnreadable where anything could not be
    listed: then nothing is known. Cost: one LIST a namespaced kind."""
    discovery = reader.discover()
    if discovery.unread_groups:
        groups = ", ".join(sorted(discovery.unread_groups))
        raise ClusterUnreadable(
            f"what is in {namespace} is not known: {groups} could not be discovered"
        )
    found = []
    for kind, served in sorted(discovery.kinds.items()):
        if served.namespaced and kind not in _COMES_ALONG:
            found += [seen for seen in reader.list(kind, namespace).items if _counts(seen)]
    return tuple(sorted(seen.key for seen in found if seen.key not in ours))


def _counts(seen: Observed) -> bool:
    if (seen.key.kind, seen.key.name) in _OF_EVERY_NAMESPACE and not seen.key.group:
        return False
    metadata = (seen.body or {}).get("metadata") or {}
    return not any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())
