"""The embedded cluster with a clock, controllers and outcomes.

A controller is called for a changed object after the settings' latency, and again at the time that
it returned. All pending work follows from the objects: opening the same file later calls the
controllers for all objects again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import TracebackType

from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.kind import Kind
from reconciler.simulation import projects
from reconciler.simulation.clock import EPOCH, SimulatedClock
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.simulation.controller import Controller, ControllerClient, SimulationSettings
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.object_bodies import Body
from reconciler.simulation.outcomes import Outcomes
from reconciler.simulation.store import Store

__all__ = ["World"]

_RUN_LABEL = "workflows.argoproj.io/workflow"
_RETRY = timedelta(seconds=60)


class World:
    """A cluster that lives in simulated time. `path` is its SQLite file, None for memory. A file
    that was used before has its own time; `start` is then ignored. `kinds` are the custom kinds
    that the cluster serves; objects of a kind without a controller stay in progress. `without`
    names API groups that the cluster does not serve.

    `refusals` are the writes of controllers that the server refused, as (controller, message).
    """

    def __init__(
        self,
        path: str | None = None,
        start: datetime = EPOCH,
        *,
        name: str = "embedded",
        settings: SimulationSettings | None = None,
        outcomes: Outcomes | None = None,
        kinds: Mapping[GroupKind, Kind] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        remembered = ""
        if path is not None:
            store = Store(path)
            remembered = store.fact("now")
            store.close()
        self.clock = SimulatedClock.resumed(remembered) if remembered else SimulatedClock(start)
        self.timeline = self.clock.timeline
        self.cluster = EmbeddedCluster(path, self.clock, name=name, kinds=kinds, without=without)
        self.client = ControllerClient(
            self.cluster.server, settings or SimulationSettings(), outcomes or Outcomes()
        )
        self.controllers = tuple(c for p in projects.all_projects() for c in p.controllers)
        self.refusals: list[tuple[str, str]] = []
        self._by_kind: dict[GroupKind, list[Controller]] = {}
        for controller in self.controllers:
            for kind in controller.kinds:
                self._by_kind.setdefault(kind, []).append(controller)
        self._due: dict[tuple[str, ObjectKey], datetime] = {}
        self.cluster.server.changed.append(self._changed)
        for kind in self._by_kind:
            for body in self.cluster.server.list(kind):
                self._wake(key_of(body))

    def __enter__(self) -> World:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.cluster.close()

    # -- time --------------------------------------------------------------------------------------

    def run_until(self, time: datetime) -> None:
        """Runs everything up to and including `time`, and records the time in the file."""
        self.timeline.advance(time)
        self.cluster.server.remember("now", self.clock.now().isoformat())

    def run_for(self, span: timedelta) -> None:
        self.run_until(self.clock.now() + span)

    # -- waking ------------------------------------------------------------------------------------

    def _changed(self, key: ObjectKey, body: Body) -> None:
        """Wakes the controllers of the object, of its owners, and those that follow its kind."""
        self._wake(key)
        metadata = body["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            group = str(owner["apiVersion"]).rpartition("/")[0]
            self._wake(ObjectKey(group, owner["kind"], key.namespace, owner["name"]))
        run = (metadata.get("labels") or {}).get(_RUN_LABEL)
        if run:
            # A job that a step of a run created: it has no owner.
            self._wake(ObjectKey("argoproj.io", "Workflow", key.namespace, run))
        for controller in self.controllers:
            follows = controller.follows.get(key.group_kind)
            for other in follows(self.client, body) if follows is not None else ():
                self._wake(other)

    def _wake(self, key: ObjectKey) -> None:
        for controller in self._by_kind.get(key.group_kind, ()):
            self._schedule(controller, key, self.clock.now() + self.client.settings.latency)

    def _schedule(self, controller: Controller, key: ObjectKey, when: datetime) -> None:
        """Schedules a call. One call per controller and object is pending: the earliest."""
        slot = (controller.name, key)
        known = self._due.get(slot)
        if known is not None and known <= when:
            return
        self._due[slot] = when
        self.timeline.at(when, self._make_call(controller, key, when))

    def _make_call(
        self, controller: Controller, key: ObjectKey, when: datetime
    ) -> Callable[[], None]:
        def call() -> None:
            slot = (controller.name, key)
            if self._due.get(slot) != when:
                return  # an earlier call has replaced this one
            del self._due[slot]
            body = self.cluster.server.get(key)
            if body is None or "deletionTimestamp" in body["metadata"]:
                return
            try:
                due = controller.reconcile(self.client, body)
            except ApiFault as fault:
                self.refusals.append((controller.name, fault.message))
                due = self.clock.now() + _RETRY
            if due is not None:
                self._schedule(controller, key, max(due, self.clock.now()))

        return call
