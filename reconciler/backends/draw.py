"""Turns a typed unit into drafts.

`draw_fixed` depends on the unit's files only, so its result may be cached by the content ids of
the files. `draw_moving` also depends on the rollout's weights and on the cluster, so it is never
cached: a cache would bring back old weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import reconciler
from reconciler.apps.app import App, Foundation, Unit
from reconciler.apps.messages import list_overridden
from reconciler.backends import contract, foundation, overlay, plain, pod, pools, scaling
from reconciler.backends.contract import Endpoint, Lookup, Router, Version
from reconciler.backends.embedded_text import embed_texts
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.extensions import ExtensionInvalid
from reconciler.lifecycle.capacity import to_percent
from reconciler.lifecycle.decision import Weights
from reconciler.lifecycle.facts import Capacity, LiveBackend, RolloutFacts
from reconciler.objects.draft import Draft
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed, absent_object
from reconciler.objects.status import UNREADABLE
from reconciler.origin import Branch, Value
from reconciler.spec.serving import Serving
from reconciler.suggest import did_you_mean

__all__ = [
    "check_unit",
    "draw_fixed",
    "draw_moving",
    "kinds_of",
    "kinds_read",
    "labels_of",
    "lookup_nothing",
    "read_facts",
    "serving_object",
    "serving_objects",
]

DOMAIN = reconciler.API_DOMAIN
MANAGED_BY = "app.kubernetes.io/managed-by"


def lookup_nothing(key: Any) -> Any:
    """The lookup of a run without a cluster: every object is absent."""
    return absent_object(key)


def draw_fixed(unit: Unit) -> tuple[Draft, ...]:
    """The objects that the files alone decide: of a foundation all; of an app the training objects
    and the plain manifests. Raises ExtensionInvalid for a kind that a backend does not declare."""
    if isinstance(unit, Foundation):
        return _complete_all(foundation.draw(unit), unit)
    drafts: list[Draft] = []
    training = unit.spec.training
    if unit.trains and training is not None:
        framework = contract.find_framework(training.framework.value)
        drafts += contract.find_orchestrator(training.orchestrator.value).draw(unit, framework)
    drafts += plain.draw(unit)
    return _complete_all(drafts, unit)


def read_candidates(app: App, lookup: Lookup) -> tuple[str, ...]:
    """The names of the candidates that an app's live objects train; () where they do not say."""
    training = app.spec.training
    if training is None or not app.trains:
        return ()
    return contract.find_orchestrator(training.orchestrator.value).candidates(app, lookup)


def draw_moving(app: App, weights: Weights, lookup: Lookup) -> tuple[Draft, ...]:
    """The objects that the rollout decides: the serving objects of each version, and the route to
    the versions. Raises ExtensionInvalid for a kind that a backend does not declare."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return ()
    backend = contract.find_serving(serving.backend.value)
    drafts: list[Draft] = []
    endpoints: dict[str, Endpoint] = {}
    for version in _versions(app, weights):
        drafts += backend.draw(app, version)
        endpoints[version.name.value] = backend.endpoint(app, version)
    if not drafts:
        return ()
    router = contract.find_router(serving.router.value)
    drafts += router.draw(app, weights, endpoints, lookup)
    return _complete_all(drafts, app)


def kinds_of(unit: Unit) -> frozenset[GroupKind]:
    """The kinds of all objects that may be drawn for a unit: a run lists these. Draws nothing of an
    app. `draw_fixed` and `draw_moving` refuse a backend that draws another kind."""
    if isinstance(unit, Foundation):
        return foundation.kinds_of(unit)
    found = plain.kinds_of(unit)
    training, serving = unit.spec.training, unit.spec.serving
    if unit.trains and training is not None:
        found |= contract.find_orchestrator(training.orchestrator.value).kinds(unit)
    if unit.serves and serving is not None:
        found |= frozenset(contract.find_serving(serving.backend.value).kinds)
        found |= frozenset(contract.find_router(serving.router.value).kinds)
    return found


def _require_declared(drafts: Iterable[Draft], unit: Unit) -> Iterator[Draft]:
    """The drafts, unchanged. Raises ExtensionInvalid for a kind that the backend does not declare:
    a run would not list that kind, and so would never find the object again."""
    declared = kinds_of(unit)
    for draft in drafts:
        if draft.key.group_kind not in declared:
            raise ExtensionInvalid(
                f"{draft.rule} draws a {draft.key.group_kind}, which it does not declare",
                hint="add it to the `kinds` of the backend",
            )
        yield draft


def kinds_read(unit: Unit) -> frozenset[GroupKind]:
    """The kinds that a run lists for a unit: those of `kinds_of`, and those that its serving
    backend only reads."""
    found = kinds_of(unit)
    if isinstance(unit, App) and unit.serves and unit.spec.serving is not None:
        found |= frozenset(contract.find_serving(unit.spec.serving.backend.value).reads)
    return found


def read_facts(
    app: App, wanted: Iterable[str], lookup: Lookup, recorded: Iterable[ObjectKey] = ()
) -> RolloutFacts:
    """What the cluster says about an app's rollout: the capacity of the versions `wanted` and of
    the live route's backends, the live route, and which of the `recorded` objects are serving
    objects."""
    serving = app.spec.serving
    if serving is None:
        return RolloutFacts({}, routed=False)
    backend = contract.find_serving(serving.backend.value)
    router = contract.find_router(serving.router.value)
    versions = {name: _version(app, _pointer(app, name)) for name in app.records}
    services = {name: backend.endpoint(app, v).service.value for name, v in versions.items()}
    capacity: dict[str, Capacity] = {}
    for name in sorted(set(wanted) & versions.keys()):
        found = _read_capacity(backend, app, services[name], lookup)
        if found is not None:
            # What an autoscaler asks for counts, once there is an object that it scales.
            scaled = found.desired > 0 and scaling.is_scaled(app, name)
            replicas = versions[name].replicas.value
            capacity[name] = found if scaled else replace(found, desired=replicas)
    route = _read_route(router, app, lookup)
    of_service = {service: name for name, service in services.items()}
    live = tuple(_live_backends(app, backend, of_service, route, lookup))
    ready = {b.service: _read_capacity(backend, app, b.service, lookup) for b in live if b.service}
    weights: dict[str, int] | None = None
    if route.backends is not None:
        weights = {}
        for found_backend in live:
            if found_backend.version:
                before = weights.get(found_backend.version, 0)
                weights[found_backend.version] = before + found_backend.weight
    return RolloutFacts(
        capacity,
        weights,
        route.unread,
        router.splits,
        route.accepted,
        services=services,
        backends=live,
        ready={name: found for name, found in ready.items() if found is not None},
        route_text=route.why,
        running=_list_serving(backend, recorded, lookup),
    )


def _read_capacity(
    backend: contract.Serving, app: App, service: str, lookup: Lookup
) -> Capacity | None:
    """The capacity behind a Service; None, unknown, also for objects of an unexpected shape."""
    try:
        return backend.capacity(app, service, lookup)
    except UNREADABLE:
        return None


def _read_route(router: Router, app: App, lookup: Lookup) -> contract.LiveRoute:
    """The live route; an unread one also when it has an unexpected shape."""
    try:
        return router.read(app, lookup)
    except UNREADABLE:
        return contract.LiveRoute(None, unread=True)


def _live_backends(
    app: App,
    backend: contract.Serving,
    of_service: Mapping[str, str],
    route: contract.LiveRoute,
    lookup: Lookup,
) -> Iterator[LiveBackend]:
    """The backends of the live route, with the version that each serves: the one that Git asks for
    by this name, or the one that the live serving object names in its label."""
    percent = to_percent({f"{n} {p}": w for (n, p), w in (route.backends or {}).items()})
    for (name, port), _ in (route.backends or {}).items():
        version = of_service.get(name, "")
        if name and not version:
            version = _version_of(lookup(backend.main(app, name)))
        yield LiveBackend(name, port, percent.get(f"{name} {port}", 0), version)


def _version_of(live: Observed) -> str:
    labels = ((live.body or {}).get("metadata") or {}).get("labels")
    found = labels.get(f"{DOMAIN}/version") if isinstance(labels, Mapping) else None
    return str(found or "")


def _list_serving(
    backend: contract.Serving,
    recorded: Iterable[ObjectKey],
    lookup: Lookup,
) -> tuple[str, ...]:
    """The Services of recorded serving objects. A version's label tells a serving object from a
    plain manifest of the same kind."""
    found = (backend.service_of(key) for key in recorded if _version_of(lookup(key)))
    return tuple(sorted({name for name in found if name}))


def serving_object(app: App, key: ObjectKey) -> str:
    """The Service of the backend that a serving object belongs to; "" for any other object."""
    if app.spec.serving is None:
        return ""
    return contract.find_serving(app.spec.serving.backend.value).service_of(key)


def serving_objects(app: App, services: Iterable[str]) -> frozenset[ObjectKey]:
    """The serving objects behind Services."""
    if app.spec.serving is None:
        return frozenset()
    backend = contract.find_serving(app.spec.serving.backend.value)
    return frozenset(backend.main(app, name) for name in services)


def check_unit(unit: Unit) -> Iterator[Diagnostic]:
    """The mistakes of an app that its backends know: combinations that do not work, names that are
    too long for a controller. Call it before drawing: a backend may not exist. Nothing is checked
    for a foundation."""
    if isinstance(unit, Foundation):
        return
    all_exist = True
    for capability, named in _named_backends(unit):
        names = contract.list_names(capability)
        if named.value not in names:
            all_exist = False
            yield error(
                "E_VALUE",
                f"there is no {_NOUNS.get(capability, capability)} {named.value!r}",
                named.site,
                path=_PATHS[capability],
                related=list_overridden(named.origin),
                help=did_you_mean(named.value, names, also=f"known: {', '.join(names)}"),
            )
    if not all_exist:
        return
    yield from pools.check_pools(unit)
    training, serving = unit.spec.training, unit.spec.serving
    of_job, of_server = frozenset[tuple[str, str]](), frozenset[tuple[str, str]]()
    if training is not None:
        framework = contract.find_framework(training.framework.value)
        of_job = framework.lacks
        yield from framework.check(unit)
        yield from contract.find_orchestrator(training.orchestrator.value).check(unit)
    if serving is not None:
        backend = contract.find_serving(serving.backend.value)
        of_server = backend.lacks
        yield from backend.check(unit)
        router = contract.find_router(serving.router.value)
        yield from router.check(unit)
        yield from _check_split(serving, router)
        yield from scaling.check_targets(unit)
    yield from overlay.check(unit, of_job, of_server)


def _check_split(serving: Serving, router: Router) -> Iterator[Diagnostic]:
    steps = serving.rollout.steps if serving.rollout is not None else ()
    if router.splits or not (serving.traffic or steps):
        return
    field = "traffic" if serving.traffic else "rollout"
    weights = [*serving.traffic.values(), *(s.weight for s in steps if s.weight is not None)]
    at: Value[Any] = weights[0] if weights else serving.router
    names = contract.list_names("router")
    able = ", ".join(name for name in names if contract.find_router(name).splits)
    yield error(
        "E_ROUTER",
        f"the router {router.name!r} cannot split traffic",
        at.site,
        path=f"serving.{field}",
        related=[Related(serving.router.site, f"serving.router: {router.name}")],
        help=f"use a router that can ({able}), or leave out `{field}`",
    )


_NOUNS = {"serving": "serving backend"}
_PATHS = {
    "framework": "training.framework",
    "orchestrator": "training.orchestrator",
    "serving": "serving.backend",
    "router": "serving.router",
}


def _named_backends(app: App) -> Iterator[tuple[str, Value[str]]]:
    if app.spec.training is not None:
        yield "framework", app.spec.training.framework
        yield "orchestrator", app.spec.training.orchestrator
    if app.spec.serving is not None:
        yield "serving", app.spec.serving.backend
        yield "router", app.spec.serving.router


# -- parts -----------------------------------------------------------------------------------------


def _versions(app: App, weights: Weights) -> Iterator[Version]:
    for share in weights.shares:
        if share.version.value in app.records:
            yield _version(app, share.version)


def _version(app: App, name: Value[str]) -> Version:
    assert app.spec.serving is not None
    return Version(name, pod.record_of(app, name.value), app.spec.serving.replicas)


def _pointer(app: App, name: str) -> Value[str]:
    return Value(name, app.records[name].version.origin)


def labels_of(unit: Unit) -> dict[str, str]:
    """The labels that say which unit an object belongs to. A run finds a unit's objects by them."""
    return {
        MANAGED_BY: reconciler.FIELD_MANAGER,
        f"{DOMAIN}/environment": unit.environment,
        f"{DOMAIN}/group": unit.group,
        f"{DOMAIN}/model": unit.model.lstrip("_"),
    }


def _complete_all(drafts: Iterable[Draft], unit: Unit) -> tuple[Draft, ...]:
    """The drafts with apiVersion, kind, namespace and labels, and with Embedded leaves. A label of
    the object wins over a label of the app; a label of the program wins over both."""
    identity: dict[str, Any] = dict(labels_of(unit))
    common: dict[str, Any] = {}
    if isinstance(unit, App):
        identity[f"{DOMAIN}/owner"] = unit.spec.model.owner
        common = dict(unit.spec.labels)
        namespace = unit.spec.group.namespace
    else:
        namespace = unit.spec.namespace
    declared = _require_declared(drafts, unit)
    complete = (_complete(draft, common, identity, namespace) for draft in declared)
    return tuple(embed_texts(draft) for draft in complete)


def _complete(
    draft: Draft, common: dict[str, Any], identity: dict[str, Any], namespace: Value[str]
) -> Draft:
    children = _as_dict(draft.tree)
    metadata = _as_dict(children.get("metadata", {}))
    metadata["labels"] = {**common, **_as_dict(metadata.get("labels", {})), **identity}
    if draft.key.namespace:
        metadata["namespace"] = namespace
    tree = {
        "apiVersion": children.pop("apiVersion", draft.api_version),
        "kind": children.pop("kind", draft.key.kind),
        "metadata": metadata,
    }
    children.pop("metadata", None)
    tree.update(children)
    return replace(draft, tree=tree)


def _as_dict(tree: Any) -> dict[str, Any]:
    return dict(tree.children if isinstance(tree, Branch) else tree)
