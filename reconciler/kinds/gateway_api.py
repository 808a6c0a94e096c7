"""The Gateway API."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Body, Kind, Readiness, Wave
from reconciler.objects.status import READY, always_ready, kstatus, progressing, status_of

__all__ = ["KINDS"]

_GROUP = "gateway.networking.k8s.io"
_LISTS = {"add": ("name",), "set": ("name",), "headers": ("name",), "queryParams": ("name",)}


def _route(body: Body) -> Readiness:
    parents = status_of(body).get("parents") or []
    if not parents:
        return progressing("no gateway has taken it yet")
    generation = (body.get("metadata") or {}).get("generation")
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            for entry in parent.get("conditions") or ():
                if entry.get("type") != kind:
                    continue
                if entry.get("observedGeneration", generation) != generation:
                    return progressing("the gateway has not seen this generation yet")
                if entry.get("status") != "True":
                    return progressing(str(entry.get("message") or entry.get("reason") or kind))
    return READY


KINDS = (
    *(
        Kind(
            GroupKind(_GROUP, name),
            plural,
            "v1",
            _route,
            Wave.ROUTING,
            list_keys=_LISTS,
            routes=True,
        )
        for name, plural in (("HTTPRoute", "httproutes"), ("GRPCRoute", "grpcroutes"))
    ),
    Kind(
        GroupKind(_GROUP, "Gateway"),
        "gateways",
        "v1",
        kstatus,
        list_keys={"listeners": ("name",)},
    ),
    Kind(GroupKind(_GROUP, "GatewayClass"), "gatewayclasses", "v1", kstatus, namespaced=False),
    Kind(
        GroupKind(_GROUP, "ReferenceGrant"),
        "referencegrants",
        "v1beta1",
        always_ready,
        Wave.CONFIG,
        has_status_subresource=False,
        ready_at_once=True,
    ),
)
