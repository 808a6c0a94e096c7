"""The crash-safe order of writes for one unit, as a generator of effects.

It knows no I/O: it yields what to do and is sent what came of it. Killing it between any two
effects loses nothing, because the inventory is a superset before the first write and exact after
the last, and the rollout state is recorded before the route that it describes. The invariants that
it keeps are numbered as in `tests/laws/test_protocol.py`: I1 no orphan, I2 no foreign write, I4
quiescence, I5 no desired delete, I6 weights only as decided, I10 truthful status.
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
#: Answers to a delete after which the object must be looked at.
_MOVED = (RefusalCause.STALE, RefusalCause.ABSENT)
#: Answers to a compare-and-swap that only another writer can have caused.
_OVERTAKEN = (RefusalCause.STALE, RefusalCause.ALREADY_EXISTS, RefusalCause.ABSENT)

Step = Generator[Effect, EffectAnswer, "ApplyResult"]


def protocol(plan: AppPlan, revision: str, result: ApplyResult | None = None) -> Step:
    """Yields effects and returns the Result, which is filled in on the way. Sends expected: an
    Outcome for every write, an Observed for Look, an Awaited for Wait."""
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
        # What a change has not reached keeps the digests that were recorded for it, or none: else
        # the next run would take it for done.
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

    def steps(self) -> Step:
        if self.plan.goes:
            self.result.status = ApplyStatus.DONE
            yield from self._work()
        for change in self.plan.changes():
            if change.awaited:
                self._incomplete(change.key, "; ".join(r.text for r in change.reasons))
        return self.result  # I4: a run without change issues no mutating call

    def _work(self) -> Generator[Effect, EffectAnswer, None]:
        if self._has_effects() and not (yield from self._record(Phase.APPLYING, self._superset())):
            return
        if self._moves() and not (yield from self._swap()):
            return
        if (yield from self._forward()):
            yield from self._prune()
        if self.result.status is not ApplyStatus.LOST:
            yield from self._settle()

    # -- inventory and state -----------------------------------------------------------------------

    def _has_effects(self) -> bool:
        """Whether anything is made or moved. What is held back for ever must not cost a write in
        every run (I4), and what is deleted is recorded already (I1)."""
        waves, _ = self._reachable()
        return self._moves() or self.plan.source is not None or bool(waves)

    def _moves(self) -> bool:
        """Whether the rollout state is recorded: it speaks of a route, so not where something held
        keeps this run from reaching it."""
        waves, held = self._reachable()
        routed = any(c.wave is Wave.ROUTING for wave in waves for c in wave)
        return self.plan.swap is not None and (routed or not held)

    def _superset(self) -> tuple[Member, ...]:
        """Old ∪ new (I1): what a crash leaves behind is always listed."""
        waves, _ = self._reachable()
        going = [self.wanted[c.key] for w in waves for c in w if c.key in self.wanted]
        unsure = [replace(m, manifest="", live="") for m in going]
        return self.inventory.union((*unsure, *(m for m in self.members.values() if m.uid))).members

    def _record(
        self, phase: Phase, members: tuple[Member, ...], *, drop: bool = False
    ) -> Generator[Effect, EffectAnswer, bool]:
        wanted = replace(
            self.inventory,
            members=members,
            phase=phase,
            revision=self.revision,
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
                self._not_swapped("the inventory", answer)
        return False

    def _swap(self) -> Generator[Effect, EffectAnswer, bool]:
        assert self.plan.swap is not None
        answer = yield Swap(self.plan.unit, self.plan.swap)
        if isinstance(answer, Done):
            return True
        # I7: two runners advance a rollout at most once; the slower one stops here.
        self._not_swapped("the rollout state", answer)
        return False

    def _not_swapped(self, what: str, answer: EffectAnswer) -> None:
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
        """Applies wave by wave; False when a wave failed or is not healthy: then nothing is
        pruned and no later wave begins."""
        waves, held = self._reachable()
        asked: set[ObjectKey] = set()
        for number, wave in enumerate(waves, 1):
            failed = False
            wrong = yield from preflight.ask_server(waves[number - 1 :], asked)
            for change in () if wrong else wave:
                why = yield from preflight.make_room(change)
                if why:
                    wrong.append((change.key, why))
                    continue
                answer = yield Apply(preflight.without_old_uid(change))
                if not self._applied(change, answer):
                    # What is not written yet need not be taken back when the commit is.
                    failed = True
                    break
            self.result.problems += wrong
            if failed or wrong:
                self.result.status = ApplyStatus.FAILED
                return False
            ready = yield from self._wait(self._awaited(waves, number), number, len(waves))
            if not ready:
                self.result.status = ApplyStatus.INCOMPLETE
                return False
        if self.plan.unfinished and not waves and self.desired:
            # An earlier run ended before all was seen healthy: nobody may call it healthy unseen
            # (I10). It waits again only for a run that was cut short.
            patient = self.inventory.phase is Phase.APPLYING
            if not (yield from self._wait(self.desired, 1, 1, patient=patient)):
                self.result.status = ApplyStatus.INCOMPLETE
                return False
        for change in held:
            self._incomplete(change.key, "; ".join(r.text for r in change.reasons))
        return not held

    def _reachable(self) -> tuple[list[list[Change]], list[Change]]:
        """The waves up to the first that holds something back, and what is held in it: a route
        never goes on without the backend that was refused."""
        waves = []
        for wave in self.plan.waves:
            ahead = [c for c in wave if c.action is not Action.DELETE]
            going = [c for c in ahead if c.goes]
            if going:
                waves.append(going)
            held = [c for c in ahead if not c.goes and c.action is not Action.KEEP]
            if held:
                return waves, held
        return waves, []

    def _applied(self, change: Change, answer: EffectAnswer) -> bool:
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

    def _awaited(self, waves: list[list[Change]], number: int) -> set[ObjectKey]:
        """What must be healthy before the next wave: what this one wrote and, ahead of a later
        kind of wave or after a run that ended early, what is unchanged up to here. Never what is
        about to be deleted: it may be broken for good."""
        wave = waves[number - 1]
        keys = {c.key for c in wave}
        last = number == len(waves)
        rises = not last and waves[number][0].wave > wave[0].wave
        if rises or (last and self.plan.unfinished):
            keys |= {
                key
                for key in self.desired & self.members.keys()
                if last or kinds.find(key.group_kind).wave <= wave[0].wave
            }
        return keys

    def _wait(
        self, keys: set[ObjectKey], number: int, waves: int, *, patient: bool = True
    ) -> Generator[Effect, EffectAnswer, bool]:
        # What is ready by being there was seen to be there: written a moment ago, or listed.
        keys = {k for k in keys if not kinds.find(k.group_kind).ready_at_once}
        if not keys:
            return True
        answer = yield Wait(tuple(sorted(keys)), number, waves, patient)
        if not isinstance(answer, WaitResult):
            raise TypeError(answer)
        for key, seen in answer.seen.items():
            self._seen(key, seen)
        for key, why in answer.not_ready.items():
            self._problem(key, why)
        return not answer.not_ready

    def _seen(self, key: ObjectKey, seen: Observed) -> None:
        member = self.members.get(key)
        if member is not None and seen.is_present:
            self.members[key] = replace(member, uid=seen.uid, live=live_digest(seen))

    # -- prune -------------------------------------------------------------------------------------

    def _prune(self) -> Generator[Effect, EffectAnswer, None]:
        """Deletes in the plan's order. What one kind of wave leaves behind ends the pruning: a
        backend outlives its route, and a template the runs of its schedule."""
        waves = [[c for c in w if c.goes and c.action is Action.DELETE] for w in self.plan.waves]
        waiting = [c.wave for c in self.plan.changes() if c.awaited]
        if not any(waves) or not (yield from self._undisturbed()):
            return
        for wave in waves:
            if wave and any(other > wave[0].wave for other in waiting):
                return
            for change in wave:
                yield from self._remove(change)
            if self.result.status is not ApplyStatus.DONE:
                return

    def _undisturbed(self) -> Generator[Effect, EffectAnswer, bool]:
        """Whether nobody has written the inventory since this run did. A run of a newer commit may
        want by now what this one would delete."""
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
            # By the version that the plan saw; what moved since, or is gone, is read again.
            answer = yield Delete(change, change.expects.resource_version)
            again = isinstance(answer, Refused) and answer.refusal in _MOVED
            if not again:
                self._deleted(change, answer)
                return
        seen = yield from self._still_there(change)
        if seen is not None and change.suspend_first:
            seen = yield from self._suspended(change, seen)
        if seen is not None:
            self._deleted(change, (yield Delete(change, seen.resource_version)))

    def _is_empty(self, key: ObjectKey) -> Generator[Effect, EffectAnswer, bool]:
        """Whether a namespace holds nothing but what this unit deletes (I2)."""
        answer = yield FindStrangers(key, frozenset(self.members))
        if not isinstance(answer, WaitResult):
            raise TypeError(answer)
        if answer.not_ready:
            self._incomplete(key, f"not deleted: it holds {format_keys(answer.not_ready)}")
        return not answer.not_ready

    def _still_there(self, change: Change) -> Generator[Effect, EffectAnswer, Observed | None]:
        """The object by a fresh read; None when it is gone, someone else's by now (I2), or could
        not be read."""
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

    def _suspended(
        self, change: Change, seen: Observed
    ) -> Generator[Effect, EffectAnswer, Observed | None]:
        """A schedule that fires no more and has no run; None when it must wait."""
        if not ((seen.body or {}).get("spec") or {}).get("suspend"):
            answer = yield Suspend(change, seen)
            if not isinstance(answer, Done):
                self._incomplete(change.key, f"could not be suspended: {_text(answer)}")
                return None
            # The answer is the object with the runs that it has by now.
            seen = live_object(answer.body) if answer.body is not None else seen
        active = ((seen.body or {}).get("status") or {}).get("active") or []
        if active:
            runs = ", ".join(str(run.get("name")) for run in active)
            self._incomplete(change.key, f"suspended; deleted when {runs} has finished")
            return None
        return seen

    def _deleted(self, change: Change, answer: EffectAnswer) -> None:
        match answer:
            case Done(Verb.DELETED):
                self.result.done.append((change, Verb.DELETED))
                self.members.pop(change.key, None)
            case Done():
                # Accepted is not gone: it stays in the inventory until a 404 was seen.
                self.result.done.append((change, Verb.ACCEPTED))
                self._incomplete(change.key, "is being deleted; a finalizer holds it")
            case Refused(_, _, message) | Unknown(message):
                self._incomplete(change.key, f"not deleted: {message}")
            case _:
                raise TypeError(answer)

    # -- the end -----------------------------------------------------------------------------------

    def _settle(self) -> Generator[Effect, EffectAnswer, None]:
        """The exact inventory: what is desired, and what was not yet seen to be gone."""
        complete = self.result.status is ApplyStatus.DONE
        members = {k: m for k, m in self.members.items() if m.uid}
        if not complete:
            # Something failed: keep the union, so that nothing which may exist is forgotten (I1).
            members = {m.key: m for m in self.inventory.members} | members
            gone = {c.key for c, verb in self.result.done if verb is Verb.DELETED}
            members = {k: m for k, m in members.items() if k not in gone}
        if complete and not (yield from self._forget_source()):
            complete = False
        phase = Phase.APPLIED if complete else Phase.INCOMPLETE
        drop = complete and self.plan.removed and not members
        if drop and self.plan.tracks and not (yield from self._dropped(self.plan.unit)):
            drop, phase = False, Phase.INCOMPLETE
        if not drop and self._is_recorded(phase, members):
            return
        yield from self._record(phase, tuple(sorted(members.values())), drop=drop)

    def _is_recorded(self, phase: Phase, members: dict[ObjectKey, Member]) -> bool:
        """Fresh digests alone wait for the next real write."""
        if not self.inventory.resource_version and not members:
            return True
        if (self.plan.migrates or self.plan.restates) and not self.written:
            return False
        known = {(m.key, m.uid) for m in self.inventory.members}
        return phase is self.inventory.phase and known == {(k, m.uid) for k, m in members.items()}

    def _forget_source(self) -> Generator[Effect, EffectAnswer, bool]:
        """The unit that handed its objects over: by now each of them is recorded here."""
        source = self.plan.source
        if source is None:
            return True
        if not (yield from self._dropped(source.unit)):
            return False
        answer = yield PutInventory(source, True)
        if isinstance(answer, Done):
            return True
        self._incomplete(None, f"the inventory of {source.unit} is still there: {_text(answer)}")
        return False

    def _dropped(self, unit: UnitId) -> Generator[Effect, EffectAnswer, bool]:
        """A rollout state outlives no inventory: a later app of the name would go on from it."""
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
