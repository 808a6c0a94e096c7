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
from reconciler.origin import built_in

__all__ = ["ROUTER"]

_GROUP = "gateway.networking.k8s.io"


def _key(app: App) -> ObjectKey:
    return ObjectKey(_GROUP, "HTTPRoute", app.namespace, app.model)


def _draw(
    app: App, weights: Weights, endpoints: Mapping[str, Endpoint], _lookup: Lookup
) -> tuple[Draft, ...]:
    serving = app.spec.serving
    assert serving is not None
    backends: list[Tree] = []
    for share in weights.shares:
        # A version without traffic stays out of the route, because implementations differ in how
        # they treat a weight of 0.
        if share.weight.value == 0 or share.version.value not in endpoints:
            continue
        endpoint = endpoints[share.version.value]
        backends.append(
            {
                "group": "",
                "kind": "Service",
                "name": endpoint.service,
                "port": endpoint.port,
                "weight": share.weight,
            }
        )
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


def _read(app: App, endpoints: Mapping[str, Endpoint], lookup: Lookup) -> LiveRoute:
    live = lookup(_key(app))
    if not live.is_present:
        return LiveRoute(None, unread=bool(live.why))
    versions = {endpoint.service.value: version for version, endpoint in endpoints.items()}
    amounts: dict[str, int] = {}
    spec: Mapping[str, Any] = (live.body or {}).get("spec") or {}
    for rule in spec.get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            version = versions.get(str(backend.get("name")))
            weight = int(backend.get("weight", 1))
            amounts[version or ""] = amounts.get(version or "", 0) + weight
    total = sum(amounts.values())
    # A backend that is not a version of this app still takes its share of the traffic.
    percent = {
        version: round(100 * weight / total)
        for version, weight in sorted(amounts.items())
        if version and total
    }
    return LiveRoute(percent, accepted=kinds.readiness(live).is_ready)


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
