"""The crash-safe order of writes for one unit, as a generator of effects.

It knows no I/O: it yields what to do and is sent what came of it. Killing it between any two
effects loses nothing, because the inventory is a superset before the first write and exact after
the last, and the rollout state is recorded before the route that it describes. The invariants that
it keeps are numbered as in `tests/laws/test_protocol.py`: I1 no orphan, I2 no foreign write, I4
quiescence, I5 no desired delete, I6 weights only as decided, I10 truthful status.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.apply.effect import (
    Apply,
    Awaited,
    Delete,
    DropState,
    Effect,
    Look,
    PutInventory,
    Suspend,
    Swap,
    Wait,
)
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import facts_of
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.outcome import Done, Outcome, Refused, Unknown, Verb
from reconciler.plan.change import Action, AppPlan, Change
from reconciler.plan.inventory import Inventory, Member, Phase, live_digest

__all__ = ["Answer", "Result", "Status", "Step", "protocol"]

Answer = Outcome | Observed | Awaited
Step = Generator[Effect, Answer, "Result"]


class Status(StrEnum):
    DONE = "done"
    NOTHING = "nothing"
    INCOMPLETE = "incomplete"  # applied, but something is not ready or not gone yet
    FAILED = "failed"  # a write was refused or its outcome is unknown
    LOST = "lost"  # another run was faster: a compare-and-swap failed


@dataclass(slots=True)
class Result:
    """What came of one unit's plan."""

    unit: str
    status: Status = Status.NOTHING
    done: list[tuple[Change, Verb]] = field(default_factory=list)
    problems: list[tuple[ObjectKey | None, str]] = field(default_factory=list)
    unchanged: int = 0

    def count(self, verb: Verb) -> int:
        return sum(1 for _, seen in self.done if seen is verb)


def protocol(plan: AppPlan, revision: str) -> Step:
    """Yields effects and returns the Result. Sends expected: an Outcome for every write, an
    Observed for Look, an Awaited for Wait."""
    run = _Run(plan, revision)
    return run.steps()


class _Run:
    def __init__(self, plan: AppPlan, revision: str) -> None:
        self.plan = plan
        self.revision = revision
        changed = {c.key for c in plan.changes()}
        self.result = Result(
            plan.unit, unchanged=sum(1 for m in plan.members if m.key not in changed)
        )
        self.members = {m.key: m for m in plan.members}
        self.inventory = plan.recorded or Inventory(plan.unit, ())

    def steps(self) -> Step:
        if not self.plan.goes:
            return self.result  # I4: a run without change issues no mutating call
        self.result.status = Status.DONE
        if not (yield from self._record(Phase.APPLYING, self._superset())):
            return self.result
        if self.plan.swap is not None and not (yield from self._swap()):
            return self.result
        healthy = yield from self._forward()
        if healthy:
            yield from self._prune()
        yield from self._settle()
        return self.result

    # -- inventory and state -----------------------------------------------------------------------

    def _superset(self) -> tuple[Member, ...]:
        """Old ∪ new (I1): what a crash leaves behind is always listed."""
        waves, _ = self._reachable()
        applied = [self.members[c.key] for w in waves for c in w if c.key in self.members]
        unchanged = [m for m in self.plan.members if m.uid]
        return self.inventory.union((*applied, *unchanged)).members

    def _record(
        self, phase: Phase, members: tuple[Member, ...], *, drop: bool = False
    ) -> Generator[Effect, Answer, bool]:
        wanted = replace(self.inventory, members=members, phase=phase, revision=self.revision)
        answer = yield PutInventory(wanted, drop)
        match answer:
            case Done(_, body):
                metadata = (body or {}).get("metadata") or {}
                version = metadata.get("resourceVersion", "")
                uid = metadata.get("uid", self.inventory.uid)
                self.inventory = replace(wanted, resource_version=version, uid=uid)
                return True
            case Refused(_, _, message):
                self._problem(None, f"another run wrote the inventory first: {message}")
                self.result.status = Status.LOST
            case Unknown(message):
                self._problem(None, f"the inventory's outcome is unknown: {message}")
                self.result.status = Status.FAILED
            case _:
                raise TypeError(answer)
        return False

    def _swap(self) -> Generator[Effect, Answer, bool]:
        assert self.plan.swap is not None
        answer = yield Swap(self.plan.unit, self.plan.swap)
        match answer:
            case Done():
                return True
            case Refused(_, _, message):
                # I7: two runners advance a rollout at most once; the slower one stops here.
                self._problem(None, f"another run moved the rollout first: {message}")
                self.result.status = Status.LOST
            case Unknown(message):
                self._problem(None, f"the rollout state's outcome is unknown: {message}")
                self.result.status = Status.FAILED
            case _:
                raise TypeError(answer)
        return False

    # -- forward -----------------------------------------------------------------------------------

    def _forward(self) -> Generator[Effect, Answer, bool]:
        """Applies wave by wave; False when a wave failed or is not healthy: then nothing is
        pruned and no later wave begins."""
        waves, held = self._reachable()
        for number, wave in enumerate(waves, 1):
            failed = False
            for change in wave:
                answer = yield Apply(change)
                failed |= not self._applied(change, answer)
            if failed:
                self.result.status = Status.FAILED
                return False
            ready = yield from self._wait(wave, number, len(waves))
            if not ready:
                self.result.status = Status.INCOMPLETE
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

    def _applied(self, change: Change, answer: Answer) -> bool:
        match answer:
            case Done(verb, body):
                self.result.done.append((change, verb))
                metadata = (body or {}).get("metadata") or {}
                member = self.members[change.key]
                self.members[change.key] = replace(member, uid=metadata.get("uid", member.uid))
                return True
            case Refused(_, _, message) | Unknown(message):
                self._problem(change.key, message)
                return False
            case _:
                raise TypeError(answer)

    def _wait(self, wave: list[Change], number: int, waves: int) -> Generator[Effect, Answer, bool]:
        """Health of what this wave wrote; before a later wave also of this wave's unchanged
        objects, for a killed run may have left them starting."""
        keys = {c.key for c in wave}
        if number < waves:
            keys |= {
                m.key
                for m in self.plan.members
                if facts_of(m.key.group_kind).wave <= wave[0].wave and m.uid
            }
        answer = yield Wait(tuple(sorted(keys)), number, waves)
        if not isinstance(answer, Awaited):
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

    def _prune(self) -> Generator[Effect, Answer, None]:
        for change in self.plan.changes():
            if not change.goes or change.action is not Action.DELETE:
                continue
            seen = yield Look(change.key)
            if not isinstance(seen, Observed):
                raise TypeError(seen)
            if seen.presence is Presence.ABSENT or (
                seen.is_present and seen.uid != change.expects.uid
            ):
                self.members.pop(change.key, None)  # gone, or someone else's by now (I2)
                continue
            if seen.presence is Presence.UNREAD:
                self._incomplete(change.key, f"not deleted: {seen.why}")
                continue
            if change.suspend_first:
                quiet = yield from self._suspended(change, seen)
                if quiet is None:
                    continue
                seen = quiet
            yield from self._delete(change, seen)

    def _suspended(
        self, change: Change, seen: Observed
    ) -> Generator[Effect, Answer, Observed | None]:
        """A schedule that fires no more and has no run; None when it must wait."""
        if not ((seen.body or {}).get("spec") or {}).get("suspend"):
            answer = yield Suspend(change)
            if not isinstance(answer, Done):
                message = answer.message if isinstance(answer, Refused | Unknown) else ""
                self._incomplete(change.key, f"could not be suspended: {message}")
                return None
            looked = yield Look(change.key)
            if not isinstance(looked, Observed):
                raise TypeError(looked)
            seen = looked
        active = ((seen.body or {}).get("status") or {}).get("active") or []
        if active:
            runs = ", ".join(str(run.get("name")) for run in active)
            self._incomplete(change.key, f"suspended; deleted when {runs} has finished")
            return None
        return seen

    def _delete(self, change: Change, seen: Observed) -> Generator[Effect, Answer, None]:
        answer = yield Delete(change, seen.resource_version)
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

    def _settle(self) -> Generator[Effect, Answer, None]:
        """The exact inventory: what is desired, and what was not yet seen to be gone."""
        complete = self.result.status is Status.DONE
        members = {k: m for k, m in self.members.items() if m.uid}
        if not complete:
            # Something failed: keep the union, so that nothing which may exist is forgotten (I1).
            recorded = {m.key: m for m in self.inventory.members}
            members = recorded | members
            gone = {c.key for c, verb in self.result.done if verb is Verb.DELETED}
            members = {k: m for k, m in members.items() if k not in gone}
        phase = Phase.APPLIED if complete else Phase.INCOMPLETE
        drop = complete and self.plan.removed and not members
        if drop:
            yield DropState(self.plan.unit)
        yield from self._record(phase, tuple(sorted(members.values())), drop=drop)

    def _incomplete(self, key: ObjectKey, why: str) -> None:
        if self.result.status is Status.DONE:
            self.result.status = Status.INCOMPLETE
        self._problem(key, why)

    def _problem(self, key: ObjectKey | None, why: str) -> None:
        self.result.problems.append((key, why))
