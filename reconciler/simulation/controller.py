"""The type of simulated controllers, and the client that they read and write with.

A controller is level-triggered: it reads one object as it is now, does what is due, and returns
when it must run again. All pending work follows from the objects, so a process that opens a
cluster's file goes on where the last process was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.outcome import RefusalCause
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.object_bodies import Body, Problems, clone, stamp
from reconciler.simulation.outcomes import Outcomes
from reconciler.simulation.server import Server

__all__ = [
    "Controller",
    "ControllerClient",
    "Project",
    "SimulationSettings",
    "moment",
    "owner_reference",
    "with_condition",
]


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Durations and failures of the simulated controllers. All times are simulated time.

    `failing` are names whose objects never become ready: an image, an object's name, a model
    version (the label `ml-reconciler.dev/version`) or a storage URI. `failing_builds` are
    ModelVersions whose image build fails.
    """

    latency: timedelta = timedelta(seconds=1)
    pod_start: timedelta = timedelta(seconds=20)
    model_load: timedelta = timedelta(seconds=60)
    image_build: timedelta = timedelta(minutes=2)
    steps: Mapping[str, timedelta] = field(
        default_factory=lambda: {
            "ingest": timedelta(minutes=10),
            "evaluate": timedelta(minutes=5),
            "select": timedelta(minutes=1),
            "publish": timedelta(minutes=1),
        }
    )
    other_steps: timedelta = timedelta(minutes=2)
    failing: frozenset[str] = frozenset()
    failing_builds: frozenset[str] = frozenset()
    kubedl_job_coordinator: bool = False
    """KubeDL's feature gate JobCoordinator. When on, any TFJob crashes KubeDL's manager."""


@dataclass(slots=True)
class ControllerClient:
    """Reads and writes of controllers: through the server, with each one's own field manager."""

    server: Server
    settings: SimulationSettings
    outcomes: Outcomes

    @property
    def now(self) -> datetime:
        return self.server.clock.now()

    def get(self, kind: tuple[str, str], namespace: str, name: str) -> Body | None:
        return self.server.get(ObjectKey(*kind, namespace, name))

    def list(
        self, kind: tuple[str, str], namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        return self.server.list(GroupKind(*kind), namespace, labels)

    def serves(self, kind: tuple[str, str]) -> bool:
        return self.server.serves(GroupKind(*kind))

    def job_kinds(self) -> Iterator[GroupKind]:
        """The cluster's custom kinds that are training jobs."""
        for kind, known in self.server.kinds.items():
            if known.job is not None:
                yield kind

    def create(self, body: Body, manager: str) -> Body:
        """Creates an object, or returns the existing one of that name. Raises ApiFault when the
        server refuses for another reason."""
        try:
            return self.server.create(body, manager).body or {}
        except ApiFault as fault:
            if fault.refusal is not RefusalCause.ALREADY_EXISTS:
                raise
            return self.server.get(key_of(body)) or {}

    def change(self, body: Body, change: Callable[[Body], None], manager: str) -> Body:
        """Reads the object, changes it in place and writes it; returns {} when it is absent."""
        fresh = self.server.get(key_of(body))
        if fresh is None:
            return {}
        change(fresh)
        return self.server.update(fresh, manager).body or {}

    def status(self, body: Body, status: Mapping[str, Any], manager: str) -> None:
        """Writes a status, unless it is equal to the present one."""
        if (body.get("status") or {}) != status and self.server.get(key_of(body)) is not None:
            self.server.patch_status(key_of(body), status, manager)

    def delete(self, body: Body) -> None:
        if self.server.get(key_of(body)) is not None:
            self.server.delete(key_of(body), uid=body["metadata"]["uid"])

    def fails(self, *names: Any) -> bool:
        """Whether one of these names is in `SimulationSettings.failing`."""
        return bool(self.settings.failing & {str(name) for name in names if name})


Reconcile = Callable[[ControllerClient, Body], datetime | None]
Follows = Callable[[ControllerClient, Body], Iterable[ObjectKey]]


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller of `kinds`. `reconcile` handles one object and returns when it must be called
    again; None: only after the next change. It is also called when an object that the object owns
    has changed, and for the keys that `follows` derives from a changed object of another kind."""

    name: str
    kinds: tuple[GroupKind, ...]
    reconcile: Reconcile
    follows: Mapping[GroupKind, Follows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """One project's part of a cluster: its controllers, and per kind the `problems` that its
    webhooks and definitions find in a spec, and the `defaults` that they fill in, in place."""

    controllers: tuple[Controller, ...]
    problems: Mapping[GroupKind, Callable[[Body], Problems]] = field(default_factory=dict)
    defaults: Mapping[GroupKind, Callable[[Body], None]] = field(default_factory=dict)


# -- parts that controllers share ------------------------------------------------------------------


def moment(text: str) -> datetime:
    """The datetime of a Kubernetes time, for example `2026-01-31T08:00:00Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def owner_reference(body: Body, *, controller: bool = True) -> dict[str, Any]:
    reference = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": body["metadata"]["name"],
        "uid": body["metadata"]["uid"],
    }
    if controller:
        reference |= {"controller": True, "blockOwnerDeletion": True}
    return reference


def with_condition(
    conditions: Iterable[Mapping[str, Any]], now: datetime, kind: str, status: str, **more: Any
) -> list[dict[str, Any]]:
    """The conditions with one of them set. Its lastTransitionTime changes only with its status."""
    out = clone([dict(c) for c in conditions])
    fresh = {"type": kind, "status": status, **more, "lastTransitionTime": stamp(now)}
    for index, old in enumerate(out):
        if old.get("type") == kind:
            if old.get("status") == status and "lastTransitionTime" in old:
                fresh["lastTransitionTime"] = old["lastTransitionTime"]
            out[index] = fresh
            return out
    return [*out, fresh]
