"""What a backend file offers. One capability, one file, one constant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler import extensions, kinds
from reconciler.apps.app import App
from reconciler.diagnostics import Diagnostic, error
from reconciler.lifecycle.decision import Weights
from reconciler.lifecycle.rollout import Capacity
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

#: Finds a live object by its key; never None: unread and absent are values.
Lookup: TypeAlias = Callable[[ObjectKey], Observed]
Check: TypeAlias = Callable[[App], Iterable[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Version:
    """One version to serve: its pointer (with origin), record and the replicas to run."""

    name: Value[str]
    record: VersionRecord
    replicas: Value[int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The Service behind which one version answers."""

    service: Value[str]
    port: Value[int]


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """A route as it is: percent per version; None where no route exists."""

    weights: Mapping[str, int] | None
    unread: bool = False
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class Framework:
    """Draws the job of one candidate, as the tree of a whole object. `options` is the dataclass of
    the block `training.<name>`, if the framework has one."""

    name: str
    kind: GroupKind
    draw: Callable[[App, Candidate | None, Value[str]], Tree]
    check: Check
    options: type | None = None


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """Draws what fires the schedules and runs the steps. `kinds` says which kinds it draws of an
    app: a run lists these in the cluster."""

    name: str
    draw: Callable[[App, Framework], tuple[Draft, ...]]
    check: Check
    kinds: Callable[[App], frozenset[GroupKind]]
    options: type | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """Draws one version's objects and reads its capacity. `kinds` are the kinds that it draws: a
    run lists these in the cluster."""

    name: str
    kinds: tuple[GroupKind, ...]
    draw: Callable[[App, Version], tuple[Draft, ...]]
    endpoint: Callable[[App, Version], Endpoint]
    capacity: Callable[[App, Version, Lookup], Capacity | None]
    """None: could not be read."""
    check: Check
    options: type | None = None


@dataclass(frozen=True, slots=True)
class Router:
    """Draws the route for a split and reads the split back. `splits` is False for a router that
    cannot weigh: rollout steps are refused at plan time. `kinds` are the kinds that it draws: a
    run lists these in the cluster."""

    name: str
    splits: bool
    kinds: tuple[GroupKind, ...]
    draw: Callable[[App, Weights, Mapping[str, Endpoint], Lookup], tuple[Draft, ...]]
    read: Callable[[App, Mapping[str, Endpoint], Lookup], LiveRoute]
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


def check_name_fits(kind: GroupKind, name: str, named: Value[Any]) -> Iterator[Diagnostic]:
    """A rendered name against what the kind and its controllers leave room for."""
    known = kinds.find(kind)
    longest = known.longest_name - known.longest_suffix
    if len(name) > longest:
        yield error(
            "E_NAME",
            f"{kind.kind}/{name} has {len(name)} characters; at most {longest} leave room for "
            "what controllers append",
            named.site,
            help=f"shorten the names that it is made of by {len(name) - longest}",
        )
    if known.service_name and not name[:1].isalpha():
        yield error(
            "E_NAME",
            f"{kind.kind}/{name} must begin with a letter: a Service is named after it",
            named.site,
            help="rename the model",
        )


def list_names(what: str) -> tuple[str, ...]:
    """The capabilities of one kind, without importing them."""
    return extensions.names(_ROOMS[what])


def list_capabilities() -> dict[str, dict[str, Any]]:
    """Per block of an app the capabilities with the dataclass of their own block. Imports every
    backend file: they are small and import nothing heavy."""
    training: dict[str, Any] = {}
    serving_blocks: dict[str, Any] = {}
    for name in list_names("framework"):
        training[name] = find_framework(name).options
    for name in list_names("orchestrator"):
        training[name] = find_orchestrator(name).options
    for name in list_names("serving"):
        serving_blocks[name] = find_serving(name).options
    for name in list_names("router"):
        serving_blocks[name] = find_router(name).options
    return {"training": training, "serving": serving_blocks}
