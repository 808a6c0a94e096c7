"""Drives the protocol against a cluster: effects to port calls, outcomes back.

Nothing is decided here. `before` sees every effect ahead of time; tests use it to kill a run
between any two. `permit` is asked ahead of every write, and may end the run: a lease that ran out,
a signal, a deadline.
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
#: How long a kind may take to be served after its definition was accepted.
_SERVED_SECONDS = 30.0

#: The server creates an absent object in spite of it, and refuses to change one that is there.
_NEVER = "1"

#: Why a unit may not be written any more; "" when it may.
Permit = Callable[[UnitId], str]


class _Stopped(Exception):
    """The permit is gone; carries why."""


def always_permit(_unit: UnitId) -> str:
    """The permit that never ends."""
    return ""


class Executor:
    """One run's writes to one cluster. `before` is called ahead of every effect, `permit` ahead of
    every write and while something is waited for."""

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
        """Carries one unit's plan out. A run that loses its permit stops where it is: the
        inventory lists whatever was written, and the next run goes on from there."""
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
                    self._permitted(plan.unit)
                answer = self._perform(plan, effect)
            except _Stopped as stopped:
                steps.close()
                result.status = ApplyStatus.STOPPED
                result.problems.append((None, str(stopped)))
                return result

    def _permitted(self, unit: UnitId) -> None:
        why = self.permit(unit)
        if why:
            raise _Stopped(why)

    def _perform(self, plan: AppPlan, effect: Effect) -> EffectAnswer:
        match effect:
            case PutInventory() | Swap() | DropState():
                return self._keep(effect)
            case DryRun(change):
                return self._dry_run(plan, change)
            case Apply(change):
                return self._apply(plan, change)
            case Suspend(_, seen):
                return self._suspend(plan, seen)
            case Read(key):
                return self._look(key)
            case FindStrangers(key, ours):
                return self._inside(key, ours)
            case WaitGone(key):
                return self._vanish(plan.unit, key)
            case Delete(change, version):
                return self._writer(plan).delete(
                    change.key, uid=change.expects.uid, resource_version=version
                )
            case Wait():
                return self._wait(plan.unit, effect)

    def _keep(self, effect: PutInventory | Swap | DropState) -> Outcome:
        """The program's own state, written as itself."""
        match effect:
            case PutInventory():
                return self._put_inventory(effect)
            case Swap(of, swap):
                body = state_body(of, dict(swap.data), swap.resource_version)
                return self._store(body, swap.resource_version)
            case DropState(of):
                return self._drop(state_key(of))

    def _writer(self, plan: AppPlan) -> ClusterWriter:
        """Who writes a unit's objects."""
        return self.cluster.acting_for(plan.apply_as) if plan.apply_as else self.cluster

    def _put_inventory(self, effect: PutInventory) -> Outcome:
        """Shards first, then the parent that names them, then those that it names no more."""
        inventory = effect.inventory
        if effect.drop:
            gone = self._gone(
                self.cluster.delete(
                    inventory_key(inventory.unit),
                    uid=inventory.uid,
                    resource_version=inventory.resource_version,
                )
            )
            if isinstance(gone, Done):
                self._drop_shards(inventory.shards)
            return gone
        bodies = to_objects(inventory)
        for body in bodies.shards:
            if body["metadata"]["name"] not in inventory.shards:
                made = self._create(body)
                taken = isinstance(made, Refused) and made.refusal is Why.ALREADY_EXISTS
                if not isinstance(made, Done) and not taken:
                    return made
        outcome = self._store(bodies.parent, inventory.resource_version)
        if isinstance(outcome, Done):
            self._drop_shards(name for name in inventory.shards if name not in bodies.names)
        return outcome

    def _drop_shards(self, names: Iterable[str]) -> None:
        """Nobody reads them any more; one that stays is litter and no harm."""
        for name in names:
            self._drop(shard_key(name))

    def _store(self, body: dict[str, Any], version: str) -> Outcome:
        """POST where nothing was, PUT with the version read before otherwise: never blindly."""
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
        seen = self._look(key)
        if seen.presence is Presence.UNREAD:
            return Unknown(seen.why)
        if seen.presence is Presence.ABSENT:
            return Done(Verb.DELETED)
        return self._gone(
            self.cluster.delete(key, uid=seen.uid, resource_version=seen.resource_version)
        )

    def _gone(self, outcome: Outcome) -> Outcome:
        """A delete of what somebody else has deleted is done."""
        if isinstance(outcome, Refused) and outcome.refusal is Why.ABSENT:
            return Done(Verb.DELETED)
        return outcome

    def _dry_run(self, plan: AppPlan, change: Change) -> Outcome:
        """A kind that was defined a moment ago may take a while to be served."""
        assert change.desired is not None
        spent = 0.0
        while True:
            outcome = self._writer(plan).dry_run(change.desired.body)
            waits = isinstance(outcome, Refused) and outcome.refusal is Why.NOT_SERVED
            if not waits or spent >= _SERVED_SECONDS:
                return outcome
            self.reporter.progress(str(plan.unit), f"{change.key}: its kind is not served yet")
            self._permitted(plan.unit)
            self.clock.sleep(_POLL_SECONDS / 4)
            spent += _POLL_SECONDS / 4

    def _apply(self, plan: AppPlan, change: Change) -> Outcome:
        assert change.desired is not None
        # A uid guards against bringing a deleted object back to life; a version that no object has
        # (etcd counts from 2), against writing to what another made since it was seen to be absent.
        uid = change.expects.uid
        guard = {"uid": uid} if uid else {"resourceVersion": _NEVER}
        body = {**change.desired.body, "metadata": {**change.desired.body["metadata"], **guard}}
        self.reporter.progress(str(plan.unit), f"{change.key} {change.action}")
        return self._writer(plan).apply(body, force=bool(change.takes_over))

    def _suspend(self, plan: AppPlan, seen: Observed) -> Outcome:
        body = dict(seen.body or {})
        body["spec"] = {**body.get("spec", {}), "suspend": True}
        return self._writer(plan).replace(body)

    def _inside(self, key: ObjectKey, ours: frozenset[ObjectKey]) -> WaitResult:
        try:
            found = find_strangers(self.cluster, key.name, ours)
        except ClusterUnreadable as error:
            return WaitResult({}, {key: error.message})
        return WaitResult({}, dict.fromkeys(found, "is not ours"))

    def _vanish(self, unit: UnitId, key: ObjectKey) -> Observed:
        spent = 0.0
        while True:
            seen = self._look(key)
            if seen.presence is not Presence.PRESENT or spent >= self.timeout:
                return seen
            self.reporter.progress(str(unit), f"{key}: being deleted ({spent:.0f} s)")
            self._permitted(unit)
            self.clock.sleep(_POLL_SECONDS / 4)
            spent += _POLL_SECONDS / 4

    def _look(self, key: ObjectKey) -> Observed:
        try:
            return self.cluster.get(key)
        except ClusterUnreadable as error:
            return unread_object(key, error.message)

    def _wait(self, unit: UnitId, effect: Wait) -> WaitResult:
        """Polls until all are ready, one has failed, or the time is up."""
        spent = 0.0
        waiting = dict.fromkeys(effect.keys, "")
        seen: dict[ObjectKey, Observed] = {}
        while True:
            failed: dict[ObjectKey, str] = {}
            for key in list(waiting):
                seen[key] = self._look(key)
                state = kinds.readiness(seen[key])
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
            if spent >= self.timeout:
                late = {k: f"not ready after {self.timeout:.0f} s: {t}" for k, t in waiting.items()}
                return WaitResult(seen, late)
            key, text = next(iter(waiting.items()))
            left = f"{spent:.0f} s of {self.timeout:.0f} s"
            self.reporter.progress(
                str(unit), f"wave {effect.wave}/{effect.waves}  {key}: {text} ({left})"
            )
            self._permitted(unit)
            self.clock.sleep(_POLL_SECONDS)
            spent += _POLL_SECONDS
