"""Carries the protocol's effects out on a cluster, and sends the outcomes back.

This module decides nothing. `before` is called ahead of every effect; tests use it to kill a run
between any two effects. `permit` is asked ahead of every write and may end the run: a lease that
ran out, a signal, a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import reconciler
from reconciler import kinds
from reconciler.apply.effect import (
    Apply,
    Delete,
    DropState,
    DryRun,
    Effect,
    FindStrangers,
    PutInventory,
    Read,
    Suspend,
    Swap,
    Wait,
    WaitGone,
    WaitResult,
)
from reconciler.apply.protocol import protocol
from reconciler.apply.result import ApplyResult, ApplyStatus, EffectAnswer
from reconciler.apply.strangers import find_strangers
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import ReadinessState
from reconciler.objects.observed import Observed, Presence, unread_object
from reconciler.objects.outcome import Done, Outcome, Refused, Unknown, Verb
from reconciler.objects.outcome import RefusalCause as Why
from reconciler.plan.change import AppPlan, Change
from reconciler.plan.inventory import inventory_key, state_key
from reconciler.plan.records import shard_key, state_body, to_objects
from reconciler.ports import Clock, ClusterUnreadable, ClusterWriter, Reporter
from reconciler.unit import UnitId

__all__ = ["Executor", "Permit", "always_permit"]

_POLL_SECONDS = 2.0
#: How long after its definition was accepted a kind may take to be served.
_SERVED_SECONDS = 30.0

#: With this resourceVersion the server creates an absent object and refuses to change an existing
#: one: no object has the version, as etcd counts from 2.
_NEVER = "1"

#: Returns why a unit may no longer be written; "" when it may.
Permit = Callable[[UnitId], str]


class _Stopped(Exception):
    """The permit was withdrawn; the text says why."""


def always_permit(_unit: UnitId) -> str:
    """A permit that is always given."""
    return ""


class Executor:
    """Applies plans to one cluster. `timeout` bounds each wait, in seconds. `before` is called
    ahead of every effect, `permit` ahead of every write and during waits."""

    def __init__(
        self,
        cluster: ClusterWriter,
        clock: Clock,
        reporter: Reporter,
        *,
        timeout: float = 600.0,
        before: Callable[[Effect], None] | None = None,
        permit: Permit = always_permit,
    ) -> None:
        self.cluster = cluster
        self.clock = clock
        self.reporter = reporter
        self.timeout = timeout
        self.before = before
        self.permit = permit

    def run(self, plan: AppPlan, revision: str) -> ApplyResult:
        """Carries out one unit's plan. A run that loses its permit stops at once: the inventory
        lists every object that was written, and the next run goes on from there."""
        result = ApplyResult(plan.unit)
        steps = protocol(plan, revision, result)
        answer: EffectAnswer | None = None
        while True:
            try:
                effect = next(steps) if answer is None else steps.send(answer)
            except StopIteration:
                return result
            if self.before is not None:
                self.before(effect)
            try:
                if not isinstance(effect, Read | Wait | DryRun | FindStrangers | WaitGone):
                    self._check_permit(plan.unit)
                answer = self._perform(plan, effect)
            except _Stopped as stopped:
                steps.close()
                result.status = ApplyStatus.STOPPED
                result.problems.append((None, str(stopped)))
                return result

    def _check_permit(self, unit: UnitId) -> None:
        why = self.permit(unit)
        if why:
            raise _Stopped(why)

    def _perform(self, plan: AppPlan, effect: Effect) -> EffectAnswer:
        match effect:
            case PutInventory() | Swap() | DropState():
                return self._write_state(effect)
            case DryRun(change):
                return self._dry_run(plan, change)
            case Apply(change):
                return self._apply(plan, change)
            case Suspend(_, seen):
                return self._suspend(plan, seen)
            case Read(key):
                return self._read(key)
            case FindStrangers(key, own):
                return self._find_strangers(key, own)
            case WaitGone(key):
                return self._wait_gone(plan.unit, key)
            case Delete(change, version):
                return self._writer(plan).delete(
                    change.key, uid=change.expects.uid, resource_version=version
                )
            case Wait():
                return self._wait(plan.unit, effect)

    def _write_state(self, effect: PutInventory | Swap | DropState) -> Outcome:
        """Writes the program's own state, always as the program's own user."""
        match effect:
            case PutInventory():
                return self._put_inventory(effect)
            case Swap(of, swap):
                body = state_body(of, dict(swap.data), swap.resource_version)
                return self._store(body, swap.resource_version)
            case DropState(of):
                return self._drop(state_key(of))

    def _writer(self, plan: AppPlan) -> ClusterWriter:
        """The client that writes a unit's objects."""
        return self.cluster.acting_for(plan.apply_as) if plan.apply_as else self.cluster

    def _put_inventory(self, effect: PutInventory) -> Outcome:
        """Writes the shards, then the parent that names them; deletes the previous shards last."""
        inventory = effect.inventory
        if effect.drop:
            deleted = self._accept_absent(
                self.cluster.delete(
                    inventory_key(inventory.unit),
                    uid=inventory.uid,
                    resource_version=inventory.resource_version,
                )
            )
            if isinstance(deleted, Done):
                self._drop_shards(inventory.shards)
            return deleted
        bodies = to_objects(inventory)
        for body in bodies.shards:
            if body["metadata"]["name"] not in inventory.shards:
                created = self._create(body)
                taken = isinstance(created, Refused) and created.refusal is Why.ALREADY_EXISTS
                if not isinstance(created, Done) and not taken:
                    return created
        outcome = self._store(bodies.parent, inventory.resource_version)
        if isinstance(outcome, Done):
            self._drop_shards(name for name in inventory.shards if name not in bodies.names)
        return outcome

    def _drop_shards(self, names: Iterable[str]) -> None:
        """Deletes shards that no parent names. One that cannot be deleted does no harm."""
        for name in names:
            self._drop(shard_key(name))

    def _store(self, body: dict[str, Any], version: str) -> Outcome:
        """POST when there was no object, otherwise PUT with the version that was read."""
        return self.cluster.replace(body) if version else self._create(body)

    def _create(self, body: dict[str, Any]) -> Outcome:
        outcome = self.cluster.create(body)
        if isinstance(outcome, Refused) and outcome.refusal is Why.NAMESPACE_MISSING:
            self.cluster.create(
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": reconciler.TOOL_NAMESPACE},
                }
            )
            outcome = self.cluster.create(body)
        return outcome

    def _drop(self, key: ObjectKey) -> Outcome:
        seen = self._read(key)
        if seen.presence is Presence.UNREAD:
            return Unknown(seen.why)
        if seen.presence is Presence.ABSENT:
            return Done(Verb.DELETED)
        return self._accept_absent(
            self.cluster.delete(key, uid=seen.uid, resource_version=seen.resource_version)
        )

    def _accept_absent(self, outcome: Outcome) -> Outcome:
        """The outcome of a delete; one of an object that is already absent counts as done."""
        if isinstance(outcome, Refused) and outcome.refusal is Why.ABSENT:
            return Done(Verb.DELETED)
        return outcome

    def _dry_run(self, plan: AppPlan, change: Change) -> Outcome:
        """The server's answer. Waits for a kind that was just defined until it is served."""
        assert change.desired is not None
        waited = 0.0
        while True:
            outcome = self._writer(plan).dry_run(change.desired.body)
            waits = isinstance(outcome, Refused) and outcome.refusal is Why.NOT_SERVED
            if not waits or waited >= _SERVED_SECONDS:
                return outcome
            self.reporter.progress(str(plan.unit), f"{change.key}: its kind is not served yet")
            self._check_permit(plan.unit)
            self.clock.sleep(_POLL_SECONDS / 4)
            waited += _POLL_SECONDS / 4

    def _apply(self, plan: AppPlan, change: Change) -> Outcome:
        assert change.desired is not None
        # The uid stops the server from making a deleted object anew; the impossible version stops
        # it from changing an object that somebody made after the plan found none.
        uid = change.expects.uid
        guard = {"uid": uid} if uid else {"resourceVersion": _NEVER}
        body = {**change.desired.body, "metadata": {**change.desired.body["metadata"], **guard}}
        self.reporter.progress(str(plan.unit), f"{change.key} {change.action}")
        return self._writer(plan).apply(body, force=bool(change.takes_over))

    def _suspend(self, plan: AppPlan, seen: Observed) -> Outcome:
        body = dict(seen.body or {})
        body["spec"] = {**body.get("spec", {}), "suspend": True}
        return self._writer(plan).replace(body)

    def _find_strangers(self, key: ObjectKey, own: frozenset[ObjectKey]) -> WaitResult:
        try:
            found = find_strangers(self.cluster, key.name, own)
        except ClusterUnreadable as error:
            return WaitResult({}, {key: error.message})
        return WaitResult({}, dict.fromkeys(found, "is not this unit's"))

    def _wait_gone(self, unit: UnitId, key: ObjectKey) -> Observed:
        waited = 0.0
        while True:
            seen = self._read(key)
            if seen.presence is not Presence.PRESENT or waited >= self.timeout:
                return seen
            self.reporter.progress(str(unit), f"{key}: being deleted ({waited:.0f} s)")
            self._check_permit(unit)
            self.clock.sleep(_POLL_SECONDS / 4)
            waited += _POLL_SECONDS / 4

    def _read(self, key: ObjectKey) -> Observed:
        try:
            return self.cluster.get(key)
        except ClusterUnreadable as error:
            return unread_object(key, error.message)

    def _wait(self, unit: UnitId, effect: Wait) -> WaitResult:
        """Polls until every object is ready, one has failed, or the time is up."""
        waited = 0.0
        waiting = dict.fromkeys(effect.keys, "")
        seen: dict[ObjectKey, Observed] = {}
        while True:
            failed: dict[ObjectKey, str] = {}
            for key in list(waiting):
                seen[key] = self._read(key)
                state = kinds.readiness(seen[key], self._read)
                if state.is_ready:
                    del waiting[key]
                elif state.state is ReadinessState.FAILED:
                    failed[key] = state.text
                else:
                    waiting[key] = state.text
            if failed or not waiting:
                return WaitResult(seen, failed | waiting if failed else {})
            if not effect.patient:
                return WaitResult(seen, {k: f"not ready: {t}" for k, t in waiting.items()})
            if waited >= self.timeout:
                late = {k: f"not ready after {self.timeout:.0f} s: {t}" for k, t in waiting.items()}
                return WaitResult(seen, late)
            key, text = next(iter(waiting.items()))
            progress = f"{waited:.0f} s of {self.timeout:.0f} s"
            self.reporter.progress(
                str(unit), f"wave {effect.wave}/{effect.waves}  {key}: {text} ({progress})"
            )
            self._check_permit(unit)
            self.clock.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
