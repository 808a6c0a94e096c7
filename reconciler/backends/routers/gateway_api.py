"""Gateway API HTTPRoute: one rule, one backendRef per version, weights in percent.

`backendRefs` is an atomic list under server-side apply: its owner owns all of it. So an app's
route holds no backends of others. No status field says which weights are in force; the nearest
fact is that the gateway has accepted the route's generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler import kinds
from reconciler.apps.app import App
from reconciler.backends.contract import Endpoint, LiveRoute, Lookup, Router
from reconciler.diagnostics import Diagnostic, error
from reconciler.lifecycle.decision import Weights
from reconciler.objects.draft import Draft, Tree
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.status import count_of, mapping_of, mappings_of
from reconciler.origin import Value, built_in

__all__ = ["ROUTER"]

_GROUP = "gateway.networking.k8s.io"


def _key(app: App) -> ObjectKey:
    return ObjectKey(_GROUP, "HTTPRoute", app.namespace, app.model)


def _draw(
    app: App, weights: Weights, endpoints: Mapping[str, Endpoint], _lookup: Lookup
) -> tuple[Draft, ...]:
    serving = app.spec.serving
    assert serving is not None
    # A version without traffic stays out of the route, because implementations differ in how they
    # treat a weight of 0.
    backends: list[Tree] = []
    for share in weights.shares:
        weight = weights.of_current(share)
        if weight.value and share.version.value in endpoints:
            endpoint = endpoints[share.version.value]
            backends.append(_backend(endpoint.service, endpoint.port, weight))
    for kept in weights.kept:
        if kept.weight.value:
            backends.append(_backend(kept.service, kept.port, kept.weight))
    if not backends:
        return ()
    parent: dict[str, Tree] = {
        "group": _GROUP,
        "kind": "Gateway",
        "name": serving.gateway.name if serving.gateway else built_in("inference"),
    }
    if serving.gateway is not None and serving.gateway.namespace is not None:
        parent["namespace"] = serving.gateway.namespace
    spec: dict[str, Tree] = {
        "parentRefs": [parent],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": backends,
            }
        ],
    }
    if serving.hostnames:
        spec["hostnames"] = list(serving.hostnames)
    tree = {"metadata": {"name": app.model}, "spec": spec}
    return (Draft(_key(app), f"{_GROUP}/v1", tree, "gateway-api"),)


def _backend(service: Value[str], port: Value[int], weight: Value[int]) -> Tree:
    return {"group": "", "kind": "Service", "name": service, "port": port, "weight": weight}


def _read(app: App, lookup: Lookup) -> LiveRoute:
    live = lookup(_key(app))
    if not live.is_present:
        return LiveRoute(None, unread=bool(live.why))
    backends: dict[tuple[str, int], int] = {}
    for rule in mappings_of(mapping_of(live.body, "spec"), "rules"):
        for backend in mappings_of(rule, "backendRefs"):
            place = _place(backend, app.namespace)
            backends[place] = backends.get(place, 0) + count_of(backend, "weight", 1)
    state = kinds.readiness(live)
    return LiveRoute(backends, accepted=state.is_ready, why=state.text)


def _place(backend: Mapping[str, Any], namespace: str) -> tuple[str, int]:
    """The Service and the port of a backend; no name for one that is no Service of the app's
    namespace: it takes its share of the traffic, and this program cannot keep it in the route."""
    own = backend.get("namespace", namespace) == namespace
    if not own or backend.get("kind", "Service") != "Service" or backend.get("group"):
        return "", 0
    return str(backend.get("name")), int(backend.get("port") or 0)


def _check(app: App) -> Iterable[Diagnostic]:
    serving = app.spec.serving
    assert serving is not None
    if app.serves and serving.gateway is None:
        yield error(
            "E_MISSING",
            "a route needs the Gateway that it attaches to",
            serving.router.site,
            path="serving.gateway",
            help="set serving.gateway.name (and namespace)",
        )


ROUTER = Router("gateway-api", True, (GroupKind(_GROUP, "HTTPRoute"),), _draw, _read, _check)
