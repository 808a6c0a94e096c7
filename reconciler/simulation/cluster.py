"""The embedded cluster behind the ports, with faults that tests can inject.

`before` is called ahead of every request with its verb and target. It may raise `RequestLost` (no
answer comes; the write may be done or not), `RequestRefused` (the server refuses), or any other
exception, which ends the caller as a kill would.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import reconciler
from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.kind import Kind
from reconciler.objects.observed import Observed, absent_object, live_object
from reconciler.objects.outcome import Done, Outcome, Refused, Unknown
from reconciler.ports import Clock, ClusterUnreadable, Discovery, Listing
from reconciler.simulation.clock import SimulatedClock
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.server import Server, ServerAnswer
from reconciler.simulation.store import Store

__all__ = ["Before", "EmbeddedCluster", "RequestLost", "RequestRefused"]

Before = Callable[[str, str], None]
_SYSTEM = ObjectKey("", "Namespace", "", "kube-system")


class RequestLost(Exception):
    """Raised by `before`: the request times out. With `done`, the write is carried out first."""

    def __init__(self, *, done: bool, message: str = "the request timed out") -> None:
        super().__init__(message)
        self.done = done
        self.message = message


class RequestRefused(Exception):
    """Raised by `before`: the server answers with this refusal and does nothing."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class EmbeddedCluster:
    """`ports.ClusterWriter` for a cluster in this process.

    `path` is the cluster's SQLite file, None for memory. Without `clock`, the time stands still at
    the time recorded in the file. `kinds` are the custom kinds that the cluster serves beside the
    built-in ones. `without` names API groups, or `group/Kind`, that the cluster does not serve, as
    without their CRDs. `log` lists every request as (verb, target). Raises SourceError for a file
    that is not a cluster.
    """

    def __init__(
        self,
        path: str | None = None,
        clock: Clock | None = None,
        *,
        name: str = "embedded",
        manager: str = reconciler.FIELD_MANAGER,
        kinds: Mapping[GroupKind, Kind] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        store = Store(path)
        self._name = name
        self.manager = manager
        self.clock: Clock = clock or SimulatedClock.resumed(store.fact("now"))
        self.server = Server(store, self.clock, name, kinds, without)
        self.before: Before | None = None
        self.log: list[tuple[str, str]] = []

    def close(self) -> None:
        self.server.store.close()

    def acting_as(self, manager: str) -> EmbeddedCluster:
        """The same cluster for another client, with its own field manager, `before` and log."""
        twin = copy.copy(self)
        twin.manager, twin.before, twin.log = manager, None, []
        return twin

    def acting_for(self, user: str) -> EmbeddedCluster:
        """The same client: the embedded cluster checks no rights."""
        if not user:
            raise ValueError("no user to act for")
        return self

    # -- reads -------------------------------------------------------------------------------------

    @property
    def dry_runs(self) -> bool:
        return True

    @property
    def name(self) -> str:
        return self._name

    @property
    def requests(self) -> int:
        return len(self.log)

    def identity(self) -> str:
        return self.get(_SYSTEM).uid

    def discover(self) -> Discovery:
        self._read("discover", "")
        return self.server.discover()

    def get(self, key: ObjectKey) -> Observed:
        self._read("get", key.full())
        body = self.server.get(key)
        return live_object(body) if body is not None else absent_object(key)

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        self._read("list", f"{kind} {namespace}".rstrip())
        bodies = self.server.list(kind, namespace, labels)
        return Listing(kind, tuple(live_object(body) for body in bodies))

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        def ask() -> ServerAnswer:
            return self.server.apply(body, self.manager, force=force, dry_run=True)

        return self._write("dry-run", _target(body), ask)

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome:
        def ask() -> ServerAnswer:
            return self.server.delete(key, uid=uid, dry_run=True)

        return self._write("dry-run-delete", key.full(), ask)

    # -- writes ------------------------------------------------------------------------------------

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        def ask() -> ServerAnswer:
            return self.server.apply(body, self.manager, force=force)

        return self._write("apply", _target(body), ask)

    def create(self, body: Mapping[str, Any]) -> Outcome:
        return self._write("create", _target(body), lambda: self.server.create(body, self.manager))

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        return self._write("replace", _target(body), lambda: self.server.update(body, self.manager))

    def delete(
        self, key: ObjectKey, *, uid: str, resource_version: str = "", orphan: bool = False
    ) -> Outcome:
        def ask() -> ServerAnswer:
            return self.server.delete(
                key, uid=uid, resource_version=resource_version, orphan=orphan
            )

        return self._write("delete", key.full(), ask)

    # -- for tests and demonstrations --------------------------------------------------------------

    def edit(
        self,
        key: ObjectKey,
        change: Callable[[dict[str, Any]], None],
        manager: str = "kubectl-edit",
    ) -> dict[str, Any]:
        """Edits an object as a person would: reads it, changes it in place, and writes it as
        another field manager. Not logged. Raises KeyError when the object is absent, ApiFault when
        the server refuses."""
        body = self.server.get(key)
        if body is None:
            raise KeyError(key.full())
        change(body)
        answer = self.server.update(body, manager)
        return answer.body or {}

    def status(self, key: ObjectKey) -> dict[str, Any]:
        """The live status; {} when there is none."""
        return dict((self.server.get(key) or {}).get("status") or {})

    # -- faults ------------------------------------------------------------------------------------

    def _read(self, verb: str, target: str) -> None:
        self.log.append((verb, target))
        if self.before is None:
            return
        try:
            self.before(verb, target)
        except RequestLost as lost:
            raise ClusterUnreadable(lost.message) from None
        except RequestRefused as answered:
            raise ClusterUnreadable(answered.refused.message) from None

    def _write(self, verb: str, target: str, ask: Callable[[], ServerAnswer]) -> Outcome:
        self.log.append((verb, target))
        lost: RequestLost | None = None
        if self.before is not None:
            try:
                self.before(verb, target)
            except RequestLost as fault:
                lost = fault
            except RequestRefused as answered:
                return answered.refused
            except ClusterUnreadable as unread:
                return Unknown(unread.message)
        if lost is not None and not lost.done:
            return Unknown(lost.message)
        outcome = _outcome(ask)
        return outcome if lost is None else Unknown(lost.message)


def _outcome(ask: Callable[[], ServerAnswer]) -> Outcome:
    try:
        answer = ask()
    except ApiFault as fault:
        return Refused(fault.refusal, fault.code, fault.message, fault.fields, fault.managers)
    return Done(answer.verb, answer.body)


def _target(body: Mapping[str, Any]) -> str:
    try:
        return key_of(body).full()
    except KeyError:
        return str(body.get("kind", ""))
