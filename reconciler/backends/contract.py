"""The types that a backend file fills in. A capability is one file with one constant: a Framework,
an Orchestrator, a Serving or a Router."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler import extensions, kinds
from reconciler.apps.app import App
from reconciler.diagnostics import Diagnostic, error
from reconciler.lifecycle.decision import Weights
from reconciler.lifecycle.facts import Capacity
from reconciler.objects.draft import Draft, Tree
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.origin import Value
from reconciler.spec.model import VersionRecord
from reconciler.spec.training import Candidate

__all__ = [
    "Endpoint",
    "Framework",
    "LiveRoute",
    "Lookup",
    "Orchestrator",
    "Router",
    "Serving",
    "Version",
    "check_name_fits",
    "find_framework",
    "find_orchestrator",
    "find_router",
    "find_serving",
    "list_capabilities",
    "list_names",
]

_ROOMS = {
    "framework": "reconciler.backends.frameworks",
    "orchestrator": "reconciler.backends.orchestrators",
    "serving": "reconciler.backends.serving",
    "router": "reconciler.backends.routers",
}

#: Finds a live object by its key. It never returns None: `Observed` has unread and absent.
Lookup: TypeAlias = Callable[[ObjectKey], Observed]
Check: TypeAlias = Callable[[App], Iterable[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Version:
    """One version to serve: its name, its record and the number of replicas. The origin of `name`
    is the config line that asks for the version."""

    name: Value[str]
    record: VersionRecord
    replicas: Value[int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The Service that sends requests to one version."""

    service: Value[str]
    port: Value[int]


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """A route as it is in the cluster: (Service, port) → the sum of its weights, as they stand.
    `backends` is None when there is no route or when the route is `unread`. `accepted`: the gateway
    has accepted the route; `why` says why it has not. Backends that are no Services of the app's
    namespace count under the name ""."""

    backends: Mapping[tuple[str, int], int] | None
    unread: bool = False
    accepted: bool = True
    why: str = ""


@dataclass(frozen=True, slots=True)
class Framework:
    """Draws the job of one candidate as the tree of a whole object. The third argument of `draw` is
    the job's name. `options` is the dataclass of the block `training.<name>`, if there is one.
    `lacks` are the (record, field) of Kubernetes' pod schema that the kind's schema lacks."""

    name: str
    kind: GroupKind
    draw: Callable[[App, Candidate | None, Value[str]], Tree]
    check: Check
    options: type | None = None
    lacks: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """Draws the objects that start runs by schedule and run their steps. `kinds` gives the kinds
    that `draw` draws for an app: a run lists these in the cluster."""

    name: str
    draw: Callable[[App, Framework], tuple[Draft, ...]]
    check: Check
    kinds: Callable[[App], frozenset[GroupKind]]
    candidates: Callable[[App, Lookup], tuple[str, ...]] = lambda _app, _lookup: ()
    """The names of the candidates that the live objects train; () where they do not say."""
    options: type | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """Draws the objects of one version and reads the capacity of a backend. `kinds` are the kinds
    that `draw` draws, and `reads` further ones that `capacity` reads: a run lists these in the
    cluster."""

    name: str
    kinds: tuple[GroupKind, ...]
    draw: Callable[[App, Version], tuple[Draft, ...]]
    endpoint: Callable[[App, Version], Endpoint]
    main: Callable[[App, str], ObjectKey]
    """The serving object behind the Service of this name."""
    service_of: Callable[[ObjectKey], str]
    """The Service of the backend that an object belongs to; "" for an object of another kind."""
    capacity: Callable[[App, str, Lookup], Capacity | None]
    """The capacity of the backend with the Service of this name, with the replicas that its object
    asks for. None when it could not be read; no replicas when the object is absent."""
    check: Check
    options: type | None = None
    reads: tuple[GroupKind, ...] = ()
    reads_uri: bool = False
    """Whether a server gets the `storageUri` of its version."""
    lacks: frozenset[tuple[str, str]] = frozenset()
    """The (record, field) of Kubernetes' pod schema that the kind's schema lacks."""


@dataclass(frozen=True, slots=True)
class Router:
    """Draws the route for a traffic split and reads the split from the cluster. `splits` is False
    for a router that cannot split traffic: `check` and `plan` refuse rollout steps with it.
    `kinds` are the kinds that `draw` draws: a run lists these in the cluster."""

    name: str
    splits: bool
    kinds: tuple[GroupKind, ...]
    draw: Callable[[App, Weights, Mapping[str, Endpoint], Lookup], tuple[Draft, ...]]
    read: Callable[[App, Lookup], LiveRoute]
    check: Check
    options: type | None = None


def find_framework(name: str) -> Framework:
    found: Framework = extensions.load(_ROOMS["framework"], name, "FRAMEWORK")
    return found


def find_orchestrator(name: str) -> Orchestrator:
    found: Orchestrator = extensions.load(_ROOMS["orchestrator"], name, "ORCHESTRATOR")
    return found


def find_serving(name: str) -> Serving:
    found: Serving = extensions.load(_ROOMS["serving"], name, "SERVING")
    return found


def find_router(name: str) -> Router:
    found: Router = extensions.load(_ROOMS["router"], name, "ROUTER")
    return found


def check_name_fits(kind: GroupKind, name: str, source: Value[Any]) -> Iterator[Diagnostic]:
    """Errors when an object's name is too long for its kind, or cannot be a Service's name where
    the kind needs that. `source` is the config value that the name comes from."""
    facts = kinds.find(kind)
    longest = facts.longest_name - facts.longest_suffix
    if len(name) > longest:
        yield error(
            "E_NAME",
            f"{kind.kind}/{name} has {len(name)} characters; at most {longest} leave room for "
            "what controllers append",
            source.site,
            help=f"shorten the names that it is made of by {len(name) - longest}",
        )
    if facts.service_name and not name[:1].isalpha():
        yield error(
            "E_NAME",
            f"{kind.kind}/{name} must begin with a letter: a Service is named after it",
            source.site,
            help="rename the model",
        )


def list_names(capability: str) -> tuple[str, ...]:
    """The names of all frameworks, orchestrators, serving backends or routers, without importing
    them. `capability` is `framework`, `orchestrator`, `serving` or `router`."""
    return extensions.names(_ROOMS[capability])


def list_capabilities() -> dict[str, dict[str, Any]]:
    """For each block of an app (`training`, `serving`): capability name → the dataclass of the
    capability's own block, or None. Imports every backend file; the files are small."""
    training: dict[str, Any] = {}
    serving: dict[str, Any] = {}
    for name in list_names("framework"):
        training[name] = find_framework(name).options
    for name in list_names("orchestrator"):
        training[name] = find_orchestrator(name).options
    for name in list_names("serving"):
        serving[name] = find_serving(name).options
    for name in list_names("router"):
        serving[name] = find_router(name).options
    return {"training": training, "serving": serving}
