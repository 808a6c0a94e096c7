"""HTTPRoutes: a gateway accepts the newest generation and resolves the backends.

A route's parent is accepted when its Gateway exists. In a cluster without any Gateway, one outside
of the cluster is assumed. The status has the form of Gateway API v1: one entry per parent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.simulation.controller import Controller, ControllerClient, Project, with_condition
from reconciler.simulation.object_bodies import Body, Problems, default, map_in, maps_in

__all__ = ["PROJECT"]

_NAME = "ml-reconciler.dev/simulated-gateway"
_GATEWAY = ("gateway.networking.k8s.io", "Gateway")
_ROUTE = GroupKind("gateway.networking.k8s.io", "HTTPRoute")


def _reconcile(client: ControllerClient, body: Body) -> datetime | None:
    metadata = body["metadata"]
    # As in a real cluster, what another controller wrote stays.
    before = (body.get("status") or {}).get("parents") or ()
    known = {str(p.get("parentRef")): p for p in before if p.get("controllerName") == _NAME}
    parents = [p for p in before if p.get("controllerName") != _NAME]
    for parent in body["spec"].get("parentRefs") or ():
        conditions = (known.get(str(parent)) or {}).get("conditions") or []
        for kind, status, reason, message in _conditions(client, body, parent):
            conditions = with_condition(
                conditions,
                client.now,
                kind,
                status,
                reason=reason,
                message=message,
                observedGeneration=metadata["generation"],
            )
        parents.append({"parentRef": parent, "controllerName": _NAME, "conditions": conditions})
    client.status(body, {"parents": parents}, "simulated-gateway")
    return None


def _conditions(
    client: ControllerClient, body: Body, parent: dict[str, Any]
) -> Iterator[tuple[str, str, str, str]]:
    namespace = body["metadata"]["namespace"]
    home = parent.get("namespace", namespace)
    if client.list(_GATEWAY) and client.get(_GATEWAY, home, parent["name"]) is None:
        message = f"Gateway {home}/{parent['name']} not found"
        yield "Accepted", "False", "NoMatchingParent", message
    else:
        yield "Accepted", "True", "Accepted", "Route was valid"
    missing = [
        backend["name"]
        for rule in body["spec"].get("rules") or ()
        for backend in rule.get("backendRefs") or ()
        if backend.get("kind", "Service") == "Service"
        and client.get(("", "Service"), backend.get("namespace", namespace), backend["name"])
        is None
    ]
    if missing:
        message = f"backend Service {namespace}/{missing[0]} not found"
        yield "ResolvedRefs", "False", "BackendNotFound", message
    else:
        yield "ResolvedRefs", "True", "ResolvedRefs", "All references resolved"


def _routes_of(client: ControllerClient, service: Body) -> Iterator[ObjectKey]:
    for route in client.list(_ROUTE, service["metadata"]["namespace"]):
        yield key_of(route)


def _all_routes(client: ControllerClient, _gateway: Body) -> Iterator[ObjectKey]:
    for route in client.list(_ROUTE):
        yield key_of(route)


_HTTPROUTE = Controller(
    "httproute",
    (_ROUTE,),
    _reconcile,
    {GroupKind("", "Service"): _routes_of, GroupKind(*_GATEWAY): _all_routes},
)


def _route_problems(spec: Body) -> Problems:
    for index, rule in enumerate(spec.get("rules") or ()):
        for place, backend in enumerate(rule.get("backendRefs") or ()):
            weight = int(backend.get("weight", 1))
            at = f"spec.rules[{index}].backendRefs[{place}].weight"
            if weight < 0:
                yield at, f"Invalid value: {weight}: should be greater than or equal to 0"
            elif weight > 1_000_000:
                yield at, f"Invalid value: {weight}: should be less than or equal to 1000000"


def _route_defaults(body: dict[str, Any]) -> None:
    group = "gateway.networking.k8s.io"
    spec = map_in(body, "spec")
    for parent in maps_in(spec, "parentRefs"):
        default(parent, group=group, kind="Gateway")
    default(spec, rules=[{}])
    for rule in maps_in(spec, "rules"):
        default(rule, matches=[{}])
        for match in maps_in(rule, "matches"):
            default(match, path={"type": "PathPrefix", "value": "/"})
        for backend in maps_in(rule, "backendRefs"):
            default(backend, group="", kind="Service", weight=1)


PROJECT = Project(
    (_HTTPROUTE,), problems={_ROUTE: _route_problems}, defaults={_ROUTE: _route_defaults}
)
