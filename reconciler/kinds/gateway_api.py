"""The Gateway API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Body, Kind, Readiness, Wave
from reconciler.objects.status import (
    READY,
    always_ready,
    kstatus,
    mapping_of,
    mappings_of,
    progressing,
    status_of,
    text_of,
)

__all__ = ["KINDS"]

_GROUP = "gateway.networking.k8s.io"
_LISTS = {"add": ("name",), "set": ("name",), "headers": ("name",), "queryParams": ("name",)}


_NOBODY = "no controller writes the status of this route"


def _route(body: Body) -> Readiness:
    """A route is ready when each of its parents has accepted this generation.

    The status has an entry per parent and controller. The entry of a controller that is gone stays
    for ever, and so does one for a parent that the route no longer names: only entries for the
    route's own parents count, and among these the ones of this generation when there are any."""
    entries = [e for e in mappings_of(status_of(body), "parents") if mappings_of(e, "conditions")]
    parents = mappings_of(mapping_of(body, "spec"), "parentRefs")
    for parent in parents:
        found = [
            e for e in entries if _place(mapping_of(e, "parentRef"), body) == _place(parent, body)
        ]
        if not found:
            return progressing(_NOBODY)
        current = [entry for entry in found if _is_current(entry, body)]
        if not current:
            return progressing("the gateway has not seen this generation yet")
        problems = [_problem(entry) for entry in current]
        if all(problems):
            return progressing(problems[0])
    return READY if parents else progressing(_NOBODY)


def _place(parent: Mapping[str, Any], body: Body) -> tuple[str, ...]:
    """What a parentRef names, with the defaults of the API."""
    home = mapping_of(body, "metadata").get("namespace", "")
    defaults = {"group": _GROUP, "kind": "Gateway", "namespace": home}
    names = ("group", "kind", "namespace", "name", "sectionName", "port")
    return tuple(str(parent.get(name, defaults.get(name, ""))) for name in names)


def _is_current(entry: Mapping[str, Any], body: Body) -> bool:
    generation = (body.get("metadata") or {}).get("generation")
    return all(
        condition.get("observedGeneration", generation) == generation
        for condition in mappings_of(entry, "conditions")
        if condition.get("type") in ("Accepted", "ResolvedRefs")
    )


def _problem(entry: Mapping[str, Any]) -> str:
    """Why a controller has not accepted the route; "" when it has."""
    seen = {c.get("type"): c for c in mappings_of(entry, "conditions")}
    if "Accepted" not in seen:
        return "the gateway has not accepted it yet"
    for kind in ("Accepted", "ResolvedRefs"):
        found = seen.get(kind)
        if found is not None and found.get("status") != "True":
            return text_of(found, "message") or text_of(found, "reason") or kind
    return ""


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
