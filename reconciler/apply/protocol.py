"""The crash-safe order of writes for one unit, as a generator of effects.

The generator does no I/O: it yields effects and is sent their outcomes. Killing a run between any
two effects loses nothing, because the inventory is a superset of the objects before the first write
and exact after the last, and the rollout state is recorded before the route that it describes. The
rules that the protocol keeps (docs/rules.md): I1 no orphan, I2 no foreign write, I4 quiescence, I5
no desired delete, I6 weights only as decided, I10 truthful status.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import reconciler
from reconciler import kinds
from reconciler.apply import preflight
from reconciler.apply.effect import (
    Apply,
    Delete,
    DropState,
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
from reconciler.apply.result import ApplyResult, ApplyStatus, EffectAnswer
from reconciler.objects.key import GroupKind, ObjectKey, format_keys
from reconciler.objects.kind import Wave
from reconciler.objects.observed import Observed, Presence, live_object
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown, Verb
from reconciler.plan.change import Action, AppPlan, Change
from reconciler.plan.inventory import (
    SCHEMA_VERSION,
    Inventory,
    Member,
    Phase,
    inventory_key,
    live_digest,
)
from reconciler.plan.records import to_objects
from reconciler.unit import UnitId

__all__ = ["Step", "protocol"]

_DELETES = (Action.DELETE, Action.KEEP)
_NAMESPACE = GroupKind("", "Namespace")
#: Answers to a delete after which the object must be read again.
_MOVED = (RefusalCause.STALE, RefusalCause.ABSENT)
#: Answers to a compare-and-swap that only another writer can cause.
_OVERTAKEN = (RefusalCause.STALE, RefusalCause.ALREADY_EXISTS, RefusalCause.ABSENT)

Step = Generator[Effect, EffectAnswer, "ApplyResult"]


def protocol(plan: AppPlan, revision: str, result: ApplyResult | None = None) -> Step:
    """Yields effects and returns the result, which is filled in on the way. It must be sent an
    Outcome for every write and dry-run, an Observed for Read and WaitGone, and a WaitResult for
    Wait and FindStrangers."""
    run = _Run(plan, revision, result or ApplyResult(plan.unit))
    return run.steps()


class _Run:
    def __init__(self, plan: AppPlan, revision: str, result: ApplyResult) -> None:
        self.plan = plan
        self.revision = revision
        changed = {c.key: c for c in plan.changes()}
        self.result = result
        result.unchanged = sum(1 for m in plan.members if m.key not in changed)
        self.wanted = {m.key: m for m in plan.members}
        # A member gets its new digests only when its change is done: otherwise the next run would
        # count it as unchanged.
        self.members = {
            k: m
            for k, m in self.wanted.items()
            if k not in changed or changed[k].action in _DELETES
        }
        self.desired = {
            m.key
            for m in plan.members
            if m.key not in changed or changed[m.key].action not in _DELETES
        }
        self.inventory = plan.recorded or Inventory(plan.unit, ())
        self.written = False
        self.accepted: list[Change] = []

    def steps(self) -> Step:
        if self.plan.goes:
            self.result.status = ApplyStatus.DONE
            yield from self._work()
        for change in self.plan.changes():
            if change.awaited and all(key != change.key for key, _ in self.result.problems):
                self._incomplete(change.key, "; ".join(r.text for r in change.reasons))
        return self.result  # I4: a run without change issues no mutating call

    def _work(self) -> Generator[Effect, EffectAnswer, None]:
        if not (yield from self._await_earlier()):
            self.result.status = ApplyStatus.INCOMPLETE
            yield from self._settle()
            return
        if self._has_effects() and not (yield from self._record(Phase.APPLYING, self._superset())):
            return
        if self._swaps_state() and not (yield from self._swap()):
            return
        if (yield from self._forward()):
            yield from self._prune()
        if self.result.status is not ApplyStatus.LOST:
            yield from self._settle()

    # -- inventory and state -----------------------------------------------------------------------

    def _has_effects(self) -> bool:
        """Whether the run needs the inventory written before it begins: it applies an object,
        records a rollout state or takes over a unit. Changes that stay held must not cost a write
        per run (I4), and objects to delete are recorded already (I1)."""
        waves, _ = self._reachable()
        return self._swaps_state() or self.plan.source is not None or bool(waves)

    def _swaps_state(self) -> bool:
        """Whether the rollout state is recorded. It describes the route, so it is not recorded when
        a held change keeps this run from reaching the route."""
        waves, held = self._reachable()
        routed = any(c.wave is Wave.ROUTING for wave in waves for c in wave)
        return self.plan.swap is not None and (routed or not held)

    def _superset(self) -> tuple[Member, ...]:
        """The recorded and the new members (I1): every object that a crash leaves is listed."""
        waves, _ = self._reachable()
        applied_members = [self.wanted[c.key] for w in waves for c in w if c.key in self.wanted]
        unsure = [replace(m, manifest="", live="") for m in applied_members]
        return self.inventory.union((*unsure, *(m for m in self.members.values() if m.uid))).members

    def _record(
        self, phase: Phase, members: tuple[Member, ...], *, drop: bool = False
    ) -> Generator[Effect, EffectAnswer, bool]:
        wanted = replace(
            self.inventory,
            members=members,
            phase=phase,
            # What waits for a change window is not applied: the revision stays the one that was.
            revision=self.inventory.revision if self.plan.deferral else self.revision,
            tool=reconciler.__version__,
            served=self.plan.served,
            apply_as=self.plan.apply_as,
            epoch=max(self.plan.epoch, self.inventory.epoch),
            schema=SCHEMA_VERSION,
        )
        answer = yield PutInventory(wanted, drop)
        match answer:
            case Done(_, body):
                metadata = (body or {}).get("metadata") or {}
                version = metadata.get("resourceVersion", "")
                uid = metadata.get("uid", self.inventory.uid)
                self.written = True
                shards = to_objects(wanted).names
                self.inventory = replace(wanted, resource_version=version, uid=uid, shards=shards)
                return True
            case _:
                self._fail_swap("the inventory", answer)
        return False

    def _swap(self) -> Generator[Effect, EffectAnswer, bool]:
        assert self.plan.swap is not None
        answer = yield Swap(self.plan.unit, self.plan.swap)
        if isinstance(answer, Done):
            return True
        # I7: of two runs that advance the same rollout, the slower one stops here.
        self._fail_swap("the rollout state", answer)
        return False

    def _fail_swap(self, what: str, answer: EffectAnswer) -> None:
        match answer:
            case Refused(refusal, _, message) if refusal in _OVERTAKEN:
                self._problem(None, f"another run wrote {what} first: {message}")
                self.result.status = ApplyStatus.LOST
            case Refused(_, _, message):
                self._problem(None, f"{what} cannot be written: {message}")
                self.result.status = ApplyStatus.FAILED
            case Unknown(message):
                self._problem(None, f"whether {what} was written is unknown: {message}")
                self.result.status = ApplyStatus.FAILED
            case _:
                raise TypeError(answer)

    # -- forward -----------------------------------------------------------------------------------

    def _forward(self) -> Generator[Effect, EffectAnswer, bool]:
        """Applies wave by wave. Returns False when a wave failed, is not healthy or is held: then
        no later wave begins and nothing is pruned."""
        waves, held = self._reachable()
        asked: set[ObjectKey] = set()
        for number, wave in enumerate(waves, 1):
            failed = False
            refused = yield from preflight.ask_server(waves[number - 1 :], asked)
            for change in () if refused else wave:
                why = yield from preflight.make_room(change)
                if why:
                    refused.append((change.key, why))
                    continue
                answer = yield Apply(preflight.without_old_uid(change))
                if not self._record_apply(change, answer):
                    # Stop at the first failure: a later revert has fewer objects to undo.
                    failed = True
                    break
            self.result.problems += refused
            if failed or refused:
                self.result.status = ApplyStatus.FAILED
                return False
            ready = yield from self._wait(self._keys_to_await(waves, number), number, len(waves))
            if not ready:
                self.result.status = ApplyStatus.INCOMPLETE
                return False
        if self.plan.unfinished and not waves and self.desired:
            # An earlier run ended before every object was healthy, so their health must be read
            # (I10). This run waits only when that run was cut short.
            patient = self.inventory.phase is Phase.APPLYING
            if not (yield from self._wait(self.desired, 1, 1, patient=patient)):
                self.result.status = ApplyStatus.INCOMPLETE
                return False
        for change in held:
            self._incomplete(change.key, "; ".join(r.text for r in change.reasons))
        return not held

    def _reachable(self) -> tuple[list[list[Change]], list[Change]]:
        """The waves up to the first with a held change, and the held changes of that wave: a route
        is never applied without a backend that was refused."""
        waves = []
        for wave in self.plan.waves:
            ahead = [c for c in wave if c.action is not Action.DELETE]
            applied_members = [c for c in ahead if c.goes]
            if applied_members:
                waves.append(applied_members)
            held = [c for c in ahead if c.stops]
            if held:
                return waves, held
        return waves, []

    def _record_apply(self, change: Change, answer: EffectAnswer) -> bool:
        match answer:
            case Done(verb, body):
                self.result.done.append((change, verb))
                member = self.wanted[change.key]
                seen = live_object(body) if body is not None else None
                uid = seen.uid if seen is not None else member.uid
                live = live_digest(seen) if seen is not None else ""
                self.members[change.key] = replace(member, uid=uid, live=live)
                return True
            case Refused() | Unknown():
                self._problem(change.key, preflight.explain_failure(change, answer))
                return False
            case _:
                raise TypeError(answer)

    def _keys_to_await(self, waves: list[list[Change]], number: int) -> set[ObjectKey]:
        """The objects that must be healthy before the next wave: those that this wave wrote and,
        before a wave of a later kind or after a run that ended early, the unchanged objects of the
        waves so far. Never objects that will be deleted: they may never become healthy."""
        wave = waves[number - 1]
        keys = {c.key for c in wave}
        last = number == len(waves)
        next_is_later = not last and waves[number][0].wave > wave[0].wave
        if next_is_later or (last and self.plan.unfinished):
            keys |= {
                key
                for key in self.desired & self.members.keys()
                if last or kinds.find(key.group_kind).wave <= wave[0].wave
            }
        return keys

    def _await_earlier(self) -> Generator[Effect, EffectAnswer, bool]:
        """Waits for what earlier runs wrote and the first wave rests on, before anything is
        written. A route waits for the backends that the capacity rule names; its other weights have
        capacity already, and a retreat must not wait."""
        waves, _ = self._reachable()
        if not waves:
            return True
        first = waves[0][0].wave
        if first is Wave.ROUTING and self.plan.decision is not None:
            keys = set(self.plan.awaits)
        else:
            keys = {key for key in self.desired if kinds.find(key.group_kind).wave < first}
        return (yield from self._wait(keys & self.desired & self.members.keys(), 1, len(waves)))

    def _wait(
        self, keys: set[ObjectKey], number: int, waves: int, *, patient: bool = True
    ) -> Generator[Effect, EffectAnswer, bool]:
        # Kinds that are ready once they exist need no wait: they were just written, or listed.
        keys = {k for k in keys if not kinds.find(k.group_kind).ready_at_once} - self.plan.ended
        if not keys:
            return True
        answer = yield Wait(tuple(sorted(keys)), number, waves, patient)
        if not isinstance(answer, WaitResult):
            raise TypeError(answer)
        written = {change.key for change, _ in self.result.done}
        for key, seen in answer.seen.items():
            self._update_member(key, seen, is_ours=key in written)
        for key, why in answer.not_ready.items():
            self._problem(key, why)
        return not answer.not_ready

    def _update_member(self, key: ObjectKey, seen: Observed, *, is_ours: bool) -> None:
        """Records the live digest of an object that this run wrote. That of any other object stays
        as it was read or written last: a change by others since then is drift, to be seen."""
        member = self.members.get(key)
        if member is not None and seen.is_present and (is_ours or not member.live):
            self.members[key] = replace(member, uid=seen.uid, live=live_digest(seen))

    # -- prune -------------------------------------------------------------------------------------

    def _prune(self) -> Generator[Effect, EffectAnswer, None]:
        """Deletes in the plan's order. Stops after a wave whose objects are not all gone: a backend
        must outlive its route, and a template must outlive the runs of its schedule."""
        waves = [[c for c in w if c.goes and c.action is Action.DELETE] for w in self.plan.waves]
        waiting = [c.wave for c in self.plan.changes() if c.awaited]
        if not any(waves) or not (yield from self._is_inventory_unchanged()):
            return
        for wave in waves:
            if wave and any(other > wave[0].wave for other in waiting):
                return
            for change in wave:
                yield from self._remove(change)
            yield from self._wait_for_deletes()
            if self.result.status is not ApplyStatus.DONE:
                return

    def _is_inventory_unchanged(self) -> Generator[Effect, EffectAnswer, bool]:
        """Whether no other run has written the inventory since this run did. A run of a newer
        commit may need the objects that this run would delete."""
        seen = yield Read(inventory_key(self.plan.unit))
        if not isinstance(seen, Observed):
            raise TypeError(seen)
        if seen.presence is Presence.UNREAD:
            self._incomplete(None, f"nothing is deleted: {seen.why}")
            return False
        if seen.resource_version != self.inventory.resource_version:
            self._problem(None, "another run wrote the inventory: nothing is deleted")
            self.result.status = ApplyStatus.LOST
            return False
        return True

    def _remove(self, change: Change) -> Generator[Effect, EffectAnswer, None]:
        if change.key.group_kind == _NAMESPACE and not (yield from self._is_empty(change.key)):
            return
        if not change.suspend_first:
            # With the planned resourceVersion; an object that changed or is gone is read again.
            answer = yield Delete(change, change.expects.resource_version)
            must_reread = isinstance(answer, Refused) and answer.refusal in _MOVED
            if not must_reread:
                self._record_delete(change, answer)
                return
        seen = yield from self._read_again(change)
        if seen is not None and change.suspend_first:
            seen = yield from self._suspend(change, seen)
        if seen is not None:
            self._record_delete(change, (yield Delete(change, seen.resource_version)))

    def _is_empty(self, key: ObjectKey) -> Generator[Effect, EffectAnswer, bool]:
        """Whether a namespace holds nothing but what this unit deletes (I2)."""
        answer = yield FindStrangers(key, frozenset(self.members))
        if not isinstance(answer, WaitResult):
            raise TypeError(answer)
        if answer.not_ready:
            self._incomplete(key, f"not deleted: it holds {format_keys(answer.not_ready)}")
        return not answer.not_ready

    def _read_again(self, change: Change) -> Generator[Effect, EffectAnswer, Observed | None]:
        """The object by a fresh read; None when it is absent, has another uid (I2), or could not be
        read."""
        seen = yield Read(change.key)
        if not isinstance(seen, Observed):
            raise TypeError(seen)
        if seen.presence is Presence.UNREAD:
            self._incomplete(change.key, f"not deleted: {seen.why}")
            return None
        if seen.presence is Presence.ABSENT or seen.uid != change.expects.uid:
            self.members.pop(change.key, None)
            return None
        return seen

    def _suspend(
        self, change: Change, seen: Observed
    ) -> Generator[Effect, EffectAnswer, Observed | None]:
        """The schedule, suspended and without an active run; None when its delete must wait."""
        if not ((seen.body or {}).get("spec") or {}).get("suspend"):
            answer = yield Suspend(change, seen)
            if not isinstance(answer, Done):
                self._incomplete(change.key, f"could not be suspended: {_text(answer)}")
                return None
            # The answer holds the schedule's present runs.
            seen = live_object(answer.body) if answer.body is not None else seen
        active = ((seen.body or {}).get("status") or {}).get("active") or []
        if active:
            runs = ", ".join(str(run.get("name")) for run in active)
            self._incomplete(change.key, f"suspended; deleted when {runs} has finished")
            return None
        return seen

    def _record_delete(self, change: Change, answer: EffectAnswer) -> None:
        match answer:
            case Done(Verb.DELETED):
                self.result.done.append((change, Verb.DELETED))
                self.members.pop(change.key, None)
            case Done():
                # Accepted is not gone: the member stays in the inventory until a read finds a 404.
                self.accepted.append(change)
            case Refused(_, _, message) | Unknown(message):
                self._incomplete(change.key, f"not deleted: {message}")
            case _:
                raise TypeError(answer)

    def _wait_for_deletes(self) -> Generator[Effect, EffectAnswer, None]:
        """Waits until the objects whose delete was accepted are gone. Their finalizers often need
        seconds. After one that does not go in time, the others are only looked at."""
        patient = True
        for change in self.accepted:
            seen = yield WaitGone(change.key) if patient else Read(change.key)
            if not isinstance(seen, Observed):
                raise TypeError(seen)
            gone = seen.presence is Presence.ABSENT or (
                seen.is_present and seen.uid != change.expects.uid
            )
            self.result.done.append((change, Verb.DELETED if gone else Verb.ACCEPTED))
            if gone:
                self.members.pop(change.key, None)
                continue
            patient = False
            self._incomplete(change.key, "is being deleted; a finalizer holds it")
        self.accepted = []

    # -- the end -----------------------------------------------------------------------------------

    def _settle(self) -> Generator[Effect, EffectAnswer, None]:
        """Records the exact inventory: the desired objects and those that are not yet absent."""
        complete = self.result.status is ApplyStatus.DONE
        members = {k: m for k, m in self.members.items() if m.uid}
        if not complete:
            # Something failed: keep the union, so that every object that may exist is listed (I1).
            members = {m.key: m for m in self.inventory.members} | members
            gone = {c.key for c, verb in self.result.done if verb is Verb.DELETED}
            members = {k: m for k, m in members.items() if k not in gone}
        if complete and not (yield from self._forget_source()):
            complete = False
        phase = Phase.APPLIED if complete else Phase.INCOMPLETE
        drop = complete and self.plan.removed and not members
        if drop and self.plan.tracks and not (yield from self._drop_state(self.plan.unit)):
            drop, phase = False, Phase.INCOMPLETE
        if not drop and self._is_recorded(phase, members):
            return
        yield from self._record(phase, tuple(sorted(members.values())), drop=drop)

    def _is_recorded(self, phase: Phase, members: dict[ObjectKey, Member]) -> bool:
        """Whether the inventory already says this. New digests alone are no reason for a write."""
        if not self.inventory.resource_version and not members:
            return True
        if (self.plan.migrates or self.plan.restates) and not self.written:
            return False
        known = {(m.key, m.uid) for m in self.inventory.members}
        return phase is self.inventory.phase and known == {(k, m.uid) for k, m in members.items()}

    def _forget_source(self) -> Generator[Effect, EffectAnswer, bool]:
        """Deletes the records of the unit that handed its objects over: this unit's inventory now
        lists each of them."""
        source = self.plan.source
        if source is None:
            return True
        if not (yield from self._drop_state(source.unit)):
            return False
        answer = yield PutInventory(source, True)
        if isinstance(answer, Done):
            return True
        self._incomplete(None, f"the inventory of {source.unit} is still there: {_text(answer)}")
        return False

    def _drop_state(self, unit: UnitId) -> Generator[Effect, EffectAnswer, bool]:
        """Deletes a unit's rollout state, before its inventory: a later app of the same name would
        go on from the state."""
        answer = yield DropState(unit)
        if isinstance(answer, Done):
            return True
        self._incomplete(None, f"the rollout state of {unit} is still there: {_text(answer)}")
        return False

    def _incomplete(self, key: ObjectKey | None, why: str) -> None:
        if self.result.status in (ApplyStatus.DONE, ApplyStatus.NOTHING):
            self.result.status = ApplyStatus.INCOMPLETE
        self._problem(key, why)

    def _problem(self, key: ObjectKey | None, why: str) -> None:
        self.result.problems.append((key, why))


def _text(answer: EffectAnswer) -> str:
    return answer.message if isinstance(answer, Refused | Unknown) else ""
