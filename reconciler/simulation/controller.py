"""What a simulated controller is, and the desk at which it works.

A controller is level-triggered: it looks at one object as it is now, does what is due, and says
when it wants to look again. What is pending follows from the objects alone, so a process that
continues a file carries on where the last one was killed.
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
    """How the simulated world behaves. Times are simulated.

    `failing` are names that never become ready: an image, an object's name, a model version (the
    label `ml-reconciler.dev/version`) or a storage URI. `failing_builds` are ModelVersions whose
    image build fails.
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
    """KubeDL's feature gate: on, any TFJob crashes its manager."""


@dataclass(slots=True)
class ControllerClient:
    """Reads and writes of the controllers: through the server, under their own names."""

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
        """The kinds of jobs that this cluster was told of."""
        for kind, known in self.server.kinds.items():
            if known.job is not None:
                yield kind

    def create(self, body: Body, manager: str) -> Body:
        """Creates; what already has the name is taken as it is. Raises ApiFault otherwise."""
        try:
            return self.server.create(body, manager).body or {}
        except ApiFault as fault:
            if fault.refusal is not RefusalCause.ALREADY_EXISTS:
                raise
            return self.server.get(key_of(body)) or {}

    def change(self, body: Body, change: Callable[[Body], None], manager: str) -> Body:
        """Reads the object anew, changes it in place, writes it; {} when it is gone."""
        fresh = self.server.get(key_of(body))
        if fresh is None:
            return {}
        change(fresh)
        return self.server.update(fresh, manager).body or {}

    def status(self, body: Body, status: Mapping[str, Any], manager: str) -> None:
        """Writes a status when it differs."""
        if (body.get("status") or {}) != status and self.server.get(key_of(body)) is not None:
            self.server.patch_status(key_of(body), status, manager)

    def delete(self, body: Body) -> None:
        if self.server.get(key_of(body)) is not None:
            self.server.delete(key_of(body), uid=body["metadata"]["uid"])

    def fails(self, *words: Any) -> bool:
        """Whether one of these is in the failing set."""
        return bool(self.settings.failing & {str(word) for word in words if word})


Reconcile = Callable[[ControllerClient, Body], datetime | None]
Follows = Callable[[ControllerClient, Body], Iterable[ObjectKey]]


@dataclass(frozen=True, slots=True)
class Controller:
    """`reconcile` looks at one object of `kinds` and returns when to look again, None for the next
    change. It is also called when something that the object owns has changed, and for the keys
    that `follows` derives from a changed object of another kind."""

    name: str
    kinds: tuple[GroupKind, ...]
    reconcile: Reconcile
    follows: Mapping[GroupKind, Follows] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """What one project adds to a cluster: its controllers, and for its kinds what its webhooks and
    definitions refuse (`problems`, of a spec) and fill in (`defaults`, in place)."""

    controllers: tuple[Controller, ...]
    problems: Mapping[GroupKind, Callable[[Body], Problems]] = field(default_factory=dict)
    defaults: Mapping[GroupKind, Callable[[Body], None]] = field(default_factory=dict)


# -- parts that controllers share ------------------------------------------------------------------


def moment(text: str) -> datetime:
    """A Kubernetes time."""
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
    """The conditions with this one set; its transition time moves only with its status."""
    out = clone([dict(c) for c in conditions])
    fresh = {"type": kind, "status": status, **more, "lastTransitionTime": stamp(now)}
    for index, old in enumerate(out):
        if old.get("type") == kind:
            if old.get("status") == status and "lastTransitionTime" in old:
                fresh["lastTransitionTime"] = old["lastTransitionTime"]
            out[index] = fresh
            return out
    return [*out, fresh]
