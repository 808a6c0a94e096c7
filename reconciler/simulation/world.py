"""The embedded cluster with everything that makes it live: clock, controllers, outcomes.

Controllers hear of a change after the settings' latency, look at the object, and are called again
when they asked for it. Everything pending follows from the objects: opening the same file later
looks at all of them again and goes on.
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
    """`path` is the cluster's SQLite file, None for memory; a file that has been used remembers
    its time, and `start` is then ignored. `kinds` are the custom
    kinds that it serves (one without a controller stays in progress); `without` names API groups
    that it does not serve.

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
        self.desk = ControllerClient(
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
        """Everything up to and including `time` happens; the file remembers that it did."""
        self.timeline.advance(time)
        self.cluster.server.remember("now", self.clock.now().isoformat())

    def run_for(self, span: timedelta) -> None:
        self.run_until(self.clock.now() + span)

    # -- waking ------------------------------------------------------------------------------------

    def _changed(self, key: ObjectKey, body: Body) -> None:
        """Wakes who looks after the object, after its owners, and who follows its kind."""
        self._wake(key)
        metadata = body["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            group = str(owner["apiVersion"]).rpartition("/")[0]
            self._wake(ObjectKey(group, owner["kind"], key.namespace, owner["name"]))
        run = (metadata.get("labels") or {}).get(_RUN_LABEL)
        if run:
            # A job of a run: made by a step, owned by nobody.
            self._wake(ObjectKey("argoproj.io", "Workflow", key.namespace, run))
        for controller in self.controllers:
            follows = controller.follows.get(key.group_kind)
            for other in follows(self.desk, body) if follows is not None else ():
                self._wake(other)

    def _wake(self, key: ObjectKey) -> None:
        for controller in self._by_kind.get(key.group_kind, ()):
            self._schedule(controller, key, self.clock.now() + self.desk.settings.latency)

    def _schedule(self, controller: Controller, key: ObjectKey, when: datetime) -> None:
        """One pending look an object: the earliest asked for."""
        slot = (controller.name, key)
        known = self._due.get(slot)
        if known is not None and known <= when:
            return
        self._due[slot] = when
        self.timeline.at(when, self._look(controller, key, when))

    def _look(self, controller: Controller, key: ObjectKey, when: datetime) -> Callable[[], None]:
        def look() -> None:
            slot = (controller.name, key)
            if self._due.get(slot) != when:
                return  # an earlier look has taken its place
            del self._due[slot]
            body = self.cluster.server.get(key)
            if body is None or "deletionTimestamp" in body["metadata"]:
                return
            try:
                again = controller.reconcile(self.desk, body)
            except ApiFault as fault:
                self.refusals.append((controller.name, fault.message))
                again = self.clock.now() + _RETRY
            if again is not None:
                self._schedule(controller, key, max(again, self.clock.now()))

        return look
