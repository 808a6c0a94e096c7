"""Which versions get traffic in the cluster, read from live objects alone: the route, and the
serving objects that its backends belong to. No config is needed, so the traffic of an app that Git
no longer has, or whose config has mistakes, is known too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import reconciler
from reconciler import kinds
from reconciler.backends import contract
from reconciler.backends.contract import Lookup
from reconciler.lifecycle.capacity import to_percent
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed, Presence

__all__ = ["LiveSplit", "read_split", "reads_of"]

_VERSION = f"{reconciler.API_DOMAIN}/version"


@dataclass(frozen=True, slots=True)
class LiveSplit:
    """The traffic of an app as the cluster routes it: version → per cent. A backend whose version
    nobody knows counts under the name of its Service. Empty where nothing is routed.

    `unread` says why the traffic is not known; "" when it is. `refused` says why no gateway has
    accepted the route as it stands; "" when one has, or when there is no route. `versions` are
    those that run, with or without traffic."""

    weights: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    unread: str = ""
    refused: str = ""
    routed: bool = False
    """There is a route, or one is recorded."""


def reads_of(recorded: Iterable[GroupKind]) -> frozenset[GroupKind]:
    """The kinds that tell the health of recorded serving objects beside their own, such as the
    Deployment of a KServe InferenceService."""
    have = frozenset(recorded)
    if not have:
        return frozenset()
    backends = map(contract.find_serving, contract.list_names("serving"))
    return frozenset(kind for b in backends if have.intersection(b.kinds) for kind in b.reads)


def read_split(members: Iterable[ObjectKey], lookup: Lookup) -> LiveSplit:
    """The split of an app whose objects are `members`."""
    members = tuple(members)
    of_service = dict(_services(members, lookup))
    versions = tuple(sorted(set(of_service.values())))
    routes = [key for key in members if kinds.find(key.group_kind).routes]
    if not routes:
        # Without a route the Service of the only version takes everything; of several, nobody
        # knows which one is asked.
        weights = {versions[0]: 100} if len(versions) == 1 else {}
        return LiveSplit(weights, versions)
    amounts: dict[str, int] = {}
    refused = ""
    for key in routes:
        live = lookup(key)
        if live.presence is Presence.UNREAD:
            return LiveSplit({}, versions, unread=live.why, routed=True)
        if not live.is_present:
            continue
        state = kinds.readiness(live, lookup)
        refused = refused or ("" if state.is_ready else state.text or "not accepted yet")
        for service, weight in _backends(live):
            name = of_service.get(service, service)
            amounts[name] = amounts.get(name, 0) + weight
    weights = {name: part for name, part in to_percent(amounts).items() if part}
    return LiveSplit(weights, versions, refused=refused, routed=True)


def _services(members: Iterable[ObjectKey], lookup: Lookup) -> Iterator[tuple[str, str]]:
    """(Service, version) of every live serving object."""
    backends = tuple(map(contract.find_serving, contract.list_names("serving")))
    for key in members:
        version = _label(lookup(key))
        if not version:
            continue
        if key.group_kind == GroupKind("", "Service"):
            yield key.name, version
        for backend in backends:
            if service := backend.service_of(key):
                yield service, version


def _label(live: Observed) -> str:
    metadata = _map(_map(live.body).get("metadata"))
    found = _map(metadata.get("labels")).get(_VERSION)
    return found if isinstance(found, str) else ""


def _backends(live: Observed) -> Iterator[tuple[str, int]]:
    for rule in _list(_map(_map(live.body).get("spec")).get("rules")):
        for backend in _list(_map(rule).get("backendRefs")):
            name, weight = _map(backend).get("name"), _map(backend).get("weight", 1)
            if isinstance(name, str) and isinstance(weight, int) and weight > 0:
                yield name, weight


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
