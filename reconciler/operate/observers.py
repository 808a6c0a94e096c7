"""Shows operators what passes did: metrics, logs, the status in the cluster, events, notifications.

All of this happens after the last write of a pass, and is best effort: a failure is counted and
does not change the result of the pass. Every text is redacted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import reconciler
from reconciler.errors import ReconcilerError
from reconciler.objects.outcome import Done, RefusalCause, Refused
from reconciler.operate.group_status import Transition, body_of, next_status
from reconciler.operate.leases import Leases, micro_time
from reconciler.operate.metrics import Registry
from reconciler.operate.pass_log import Log, PassLog
from reconciler.operate.passes import Pass, UnitResult, UnitState
from reconciler.plan.statuses import GroupStatus, RecordedStatus, status_key
from reconciler.ports import Clock, ClusterWriter, LeaseClient
from reconciler.unit import UnitId

__all__ = ["Log", "Notify", "Observers", "Sinks", "cloud_event"]

_GOOD = (UnitState.SUCCESS, UnitState.NOOP)
_NOTE = 1000

#: Takes a CloudEvent and returns at once; delivery is best effort.
Notify = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Sinks:
    """The places that observers write to. `events` is None when no Kubernetes events are written,
    `notify` is None without notifications. `ended` returns why nothing may be written any more; ""
    while writing is allowed."""

    log: Log
    registry: Registry
    events: LeaseClient | None = None
    notify: Notify | None = None
    redact: Callable[[str], str] = lambda text: text
    ended: Callable[[], str] = lambda: ""
    shows: Callable[[str], object] | None = None
    """Takes a line that says what the loop waits for, for a person who looks on."""


class Observers:
    """Implements `loop.Observer`. `cluster` holds the statuses; `run` is the id of this process's
    runs; `requests` returns the number of requests that all clusters were sent so far."""

    def __init__(
        self,
        cluster: ClusterWriter,
        clock: Clock,
        run: str,
        sinks: Sinks,
        leases: Leases | None = None,
        requests: Callable[[], int] = lambda: 0,
    ) -> None:
        self._cluster = cluster
        self._sent = requests
        self._clock = clock
        self._run = run
        self._sinks = sinks
        self._leases = leases
        self._requests = 0
        self._no_source = False
        self.log = PassLog(sinks.log, sinks.redact, sinks.shows)
        self._events: dict[str, list[datetime]] = {}

    # -- Observer ----------------------------------------------------------------------------------

    def source(self, error: ReconcilerError | None, age: float) -> None:
        registry = self._sinks.registry
        registry.add("git_fetch_total", result="failed" if error else "success")
        registry.set("git_source_age_seconds", age)
        if error is not None:
            text = f"SourceUnavailable for {age:.0f} s: {error.message}"
            key = f"{error.message} {age // 3600:.0f}"  # said again each hour
            self.log.failed(text, key=key, phase="fetch")
        elif self._no_source:
            self.log.answers("the Git source answers again", phase="fetch")
        self._no_source = error is not None

    def failed(self, error: ReconcilerError, seconds: float) -> None:
        registry = self._sinks.registry
        registry.add("passes_total", result="failed")
        registry.observe("pass_duration_seconds", seconds)
        self.log.failed(error.message, phase="plan", errorClass=error.code)
        self._count_requests()

    def missed(self, count: int, seconds: float) -> None:
        self._sinks.registry.add("skipped_passes_total", count)
        passes = f"{count} pass{'' if count == 1 else 'es'}"
        text = f"{passes} left out: one took {seconds:.0f} s, longer than the interval"
        self._sinks.log.event("warning", text, phase="loop")

    def passed(self, done: Pass, seconds: float) -> None:
        now = self._clock.now()
        self._record_metrics(done, seconds, now)
        self._count_requests()
        self.log.results(done)
        if not self._sinks.ended():
            self._record_statuses(done, seconds, now)

    # -- metrics and logs --------------------------------------------------------------------------

    def _record_metrics(self, done: Pass, seconds: float, now: datetime) -> None:
        registry = self._sinks.registry
        registry.add("passes_total", result="success")
        registry.observe("pass_duration_seconds", seconds)
        registry.set("last_pass_timestamp_seconds", now.timestamp())
        for name in ("apps", "objects", "environment_info", "lease_held", "lease_transitions"):
            registry.clear(name)
        environments: dict[str, list[UnitResult]] = {}
        for outcome in done.outcomes:
            environments.setdefault(outcome.unit.environment, []).append(outcome)
        for environment, outcomes in sorted(environments.items()):
            self._record_environment(environment, outcomes, done, now)
        for group in self._leases.held if self._leases is not None else ():
            assert self._leases is not None
            registry.set("lease_held", 1, group=group)
            registry.set("lease_transitions", self._leases.epoch(group) or 0, group=group)

    def _record_environment(
        self, environment: str, outcomes: list[UnitResult], done: Pass, now: datetime
    ) -> None:
        registry = self._sinks.registry
        desired = drifted = 0
        counts: dict[str, int] = {}
        for outcome in outcomes:
            registry.add("reconcile_total", environment=environment, result=outcome.state.value)
            counts[outcome.state.value] = counts.get(outcome.state.value, 0) + 1
            desired += outcome.objects
            drifted += outcome.drifted
            for kind, count in outcome.corrected.items():
                registry.add("drift_corrections_total", count, environment=environment, kind=kind)
        for result, count in counts.items():
            registry.set("apps", count, environment=environment, result=result)
        registry.set("objects", desired, environment=environment, state="desired")
        registry.set("objects", drifted, environment=environment, state="drifted")
        good = all(outcome.state in _GOOD for outcome in outcomes)
        ready = "true" if good else "false"
        revision = done.label[:20]
        registry.set("environment_info", 1, environment=environment, revision=revision, ready=ready)
        if good:
            stamp = now.timestamp()
            registry.set("last_success_timestamp_seconds", stamp, environment=environment)

    def _count_requests(self) -> None:
        sent = self._sent()
        self._sinks.registry.add("kube_requests_total", max(0, sent - self._requests))
        self._requests = sent

    # -- status, events, notifications -------------------------------------------------------------

    def _record_statuses(self, done: Pass, seconds: float, now: datetime) -> None:
        revision = done.commit or done.label
        groups: dict[str, list[UnitResult]] = {}
        for outcome in done.outcomes:
            if outcome.state is not UnitState.SKIPPED_LOCKED:
                groups.setdefault(outcome.unit.group_id, []).append(outcome)
        for group, outcomes in sorted(groups.items()):
            known = done.statuses.get(group, GroupStatus(group))
            found = [
                next_status(
                    known.apps.get(o.unit, RecordedStatus()), o, revision, self._run, now, seconds
                )
                for o in outcomes
            ]
            transitions = [t for t in found if t is not None]
            gone = [o.unit for o in outcomes if o.gone and o.unit in known.apps]
            if (transitions or gone) and self._write_status(known, transitions, gone):
                self._notify(transitions, now)

    def _write_status(
        self, known: GroupStatus, transitions: list[Transition], gone: list[UnitId]
    ) -> bool:
        """Writes a group's status; returns whether that worked. When another run wrote it first,
        that run sends the events and notifications."""
        if self._leases is not None and self._leases.permit_group(known.group):
            return False
        # A hold's Event has one name for all passes and comes first: a run that is killed between
        # the two sends it again, and the server knows it.
        self._send_events([t for t in transitions if t.hold], self._clock.now())
        body = body_of(known, transitions, gone, self._sinks.redact)
        write = self._cluster.replace if known.version else self._cluster.create
        outcome = write(body)
        if isinstance(outcome, Done):
            return True
        text = self._sinks.redact(outcome.message)
        self._sinks.log.event("warning", f"the status of {known.group} is not recorded: {text}")
        return False

    def _may_send(self, group: str, now: datetime) -> bool:
        """Whether one more Event may be written: at most ten a minute and group, because a server
        under load is what makes many of them. The status has the rest; they are counted."""
        sent = [at for at in self._events.get(group, ()) if now - at < _MINUTE]
        allowed = len(sent) < _MOST_EVENTS
        self._events[group] = [*sent, now] if allowed else sent
        if not allowed:
            self._sinks.registry.add("events_total", result="dropped")
        return allowed

    def _notify(self, transitions: Iterable[Transition], now: datetime) -> None:
        told = [t for t in transitions if not t.quiet]
        self._send_events([t for t in told if not t.hold], now)
        for transition in told:
            if self._sinks.notify is not None:
                source = f"{reconciler.API_DOMAIN}/{self._cluster.name}"
                self._sinks.notify(cloud_event(transition, now, source, self._sinks.redact))

    def _send_events(self, transitions: Iterable[Transition], now: datetime) -> None:
        """Writes one Event for each transition. One that the server has already is no failure."""
        for transition in transitions:
            if self._sinks.events is None or not self._may_send(transition.unit.group_id, now):
                continue
            body = _event(transition, now, self._run, self._sinks.redact)
            answer = self._sinks.events.create(body)
            known = isinstance(answer, Refused) and answer.refusal is RefusalCause.ALREADY_EXISTS
            result = "success" if isinstance(answer, Done) or known else "failed"
            self._sinks.registry.add("events_total", result=result)


_MOST_EVENTS = 10
_MINUTE = timedelta(minutes=1)


def _event(
    transition: Transition, now: datetime, run: str, redact: Callable[[str], str]
) -> dict[str, Any]:
    """An events.k8s.io/v1 Event about the group's status."""
    about = status_key(transition.unit.group_id)
    app = str(transition.unit).replace("/", ".").replace("_", "x-")
    stamp = micro_time(now)
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{app}.{_digest(transition, stamp)[:12]}",
            "namespace": about.namespace,
            "annotations": {
                f"{reconciler.API_DOMAIN}/app": str(transition.unit),
                f"{reconciler.API_DOMAIN}/revision": transition.revision,
                f"{reconciler.API_DOMAIN}/run": run,
            },
        },
        "eventTime": stamp,
        "reportingController": reconciler.API_DOMAIN,
        "reportingInstance": run[:128],
        "action": "Reconcile",
        "reason": transition.event or transition.reason,
        "type": "Normal" if transition.is_good else "Warning",
        "note": redact(f"{transition.unit}: {transition.text or transition.state}")[:_NOTE],
        "regarding": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": about.namespace,
            "name": about.name,
        },
    }


def cloud_event(
    transition: Transition, now: datetime, source: str, redact: Callable[[str], str]
) -> dict[str, Any]:
    """A transition as CloudEvents JSON. The id is the same for the same app, commit, state and
    reason, and for the same hold, so that a receiver can drop duplicates."""
    return {
        "specversion": "1.0",
        "id": _digest(transition, ""),
        "source": source,
        "type": f"{reconciler.API_DOMAIN}.app.{transition.state.value}",
        "subject": str(transition.unit),
        "time": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "datacontenttype": "application/json",
        "data": {
            "app": str(transition.unit),
            "revision": transition.revision,
            "ready": transition.ready,
            "reason": transition.event or transition.reason,
            "message": redact(transition.text),
        },
    }


def _digest(transition: Transition, more: str) -> str:
    if transition.hold:
        return transition.hold
    parts = (
        str(transition.unit),
        transition.revision,
        transition.state.value,
        transition.event or transition.reason,
        more,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
