"""Who may write to a group: client-go's leader election as steps without I/O.

A lease makes runs cheap and orderly, not safe: a holder may wake up late and not know. Safety rests
on compare-and-swap, uids and preconditions; `may_write` narrows the window. No decision reads the
record's own times: `now` is a monotonic clock's reading in seconds, `stamp` is only written.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, TypeAlias

import reconciler
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.outcome import Done, Outcome, RefusalCause, Refused, Unknown

__all__ = [
    "Create",
    "Election",
    "Get",
    "LeaseAnswer",
    "Replace",
    "Request",
    "Timing",
    "attempt",
    "is_holder_alive",
    "lease_key",
    "may_write",
    "release",
    "resign",
    "retry_delay",
]

_JITTER = 1.2
_RELEASE_TRIES = 3
_MOST_TRANSITIONS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. `duration` is how long others wait without a sign of life, `renew_deadline` how long
    a holder goes on writing without a renewal, `retry` the pause between attempts.

    The margin before a write is duration - renew_deadline: a write that is sent in time is answered
    before another may take over, unless it takes longer than that.
    """

    duration: int = 15
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > _JITTER * self.retry > 0:
            raise ValueError("duration > renew_deadline > 1.2 * retry > 0")

    @property
    def margin(self) -> float:
        return self.duration - self.renew_deadline


@dataclass(frozen=True, slots=True)
class Election:
    """One contender's knowledge of one lease. `identity` is unique per process.

    `leads` says that the lease was won and not seen lost; whether that still holds is a question of
    time (`may_write`). `lost` says why a lease that was won is gone: for good, so that a run never
    goes on under another epoch than it began with. `why` says what kept the last attempt from it;
    `blind` that this was no other holder, but a request that failed.
    """

    key: ObjectKey
    identity: str
    timing: Timing = Timing()
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    seen_at: float = -inf
    changes: int = 0
    leads: bool = False
    sent_at: float = -inf
    epoch: int = 0
    lost: str = ""
    why: str = ""
    blind: bool = False

    @property
    def spec(self) -> Mapping[str, Any]:
        found = (self.body or {}).get("spec")
        return found if isinstance(found, Mapping) else {}

    @property
    def holder(self) -> str:
        return str(self.spec.get("holderIdentity") or "")

    @property
    def runs_out_at(self) -> float:
        """When the present holder may be taken for dead: a full duration without a change, by our
        own clock. A record that gives no usable duration is given ours."""
        said = self.spec.get("leaseDurationSeconds")
        usable = isinstance(said, int) and not isinstance(said, bool) and said > 0
        return self.seen_at + (said if usable and said is not None else self.timing.duration)


def lease_key(group: str) -> ObjectKey:
    """`prod/hz-a` to the lease `prod.hz-a` in the program's own namespace."""
    name = group.replace("/", ".")
    return ObjectKey("coordination.k8s.io", "Lease", reconciler.TOOL_NAMESPACE, name)


def may_write(election: Election, now: float) -> str:
    """ "" while the holder may begin a write, otherwise why not."""
    if election.lost:
        return election.lost
    if not election.leads:
        return election.why or "the lease is not held"
    # Counted from before the renewal was sent, so never longer than what others count.
    left = election.sent_at + election.timing.duration - now
    if left <= election.timing.margin:
        return f"the lease {election.key.name} could not be renewed in time"
    return ""


def retry_delay(timing: Timing, chance: float) -> float:
    """Seconds until the next attempt to win; `chance` is in [0, 1)."""
    return timing.retry * (1 + _JITTER * chance)


# -- requests and answers --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Get:
    key: ObjectKey


@dataclass(frozen=True, slots=True)
class Create:
    """POST: refused where the name is taken."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Replace:
    """PUT with the resourceVersion that was read. Never PATCH: its last writer would win."""

    body: Mapping[str, Any]


Request: TypeAlias = Get | Create | Replace


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """What came back, with the monotonic times just before sending and just after receiving."""

    what: Observed | Outcome
    sent: float
    received: float


Steps: TypeAlias = Generator[Request, LeaseAnswer, Election]


# -- to win and to renew ---------------------------------------------------------------------------


def attempt(election: Election, stamp: str) -> Steps:
    """One round: renews what is held, takes what is free. Yields requests, returns what is known
    after it. `stamp` is the wall clock's time as the record has it, for people."""
    if election.lost:
        return election
    election = replace(election, why="", blind=False)
    if election.leads:
        answer = yield Replace(_claimed(election, stamp))
        if isinstance(answer.what, Done):
            return _won(election, answer)
    answer = yield Get(election.key)
    if not isinstance(answer.what, Observed):
        raise TypeError(answer.what)
    if answer.what.presence is Presence.ABSENT and not election.leads:
        return (yield from _create(election, stamp))
    election, ends = _looked(election, answer.what, answer.received)
    if ends:
        return election
    answer = yield Replace(_claimed(election, stamp))
    return _won(election, answer) if isinstance(answer.what, Done) else _failed(election, answer)


def _looked(election: Election, seen: Observed, received: float) -> tuple[Election, bool]:
    """What a read of the record says, and whether the round ends with it."""
    if seen.presence is Presence.UNREAD:
        return replace(election, blind=True, why=f"the lease could not be read: {seen.why}"), True
    if seen.presence is Presence.ABSENT:
        return _deposed(election, "was deleted"), True
    election = _observed(election, seen, received)
    mine = election.holder == election.identity
    if election.leads and not (mine and _count(election) == election.epoch):
        return _deposed(election, f"went to {election.holder or 'nobody'}"), True
    if not mine and election.holder and election.runs_out_at > received:
        return replace(election, why=f"the lease is held by {election.holder}"), True
    return election, False


def _create(election: Election, stamp: str) -> Steps:
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": election.key.name,
            "namespace": election.key.namespace,
            "labels": {"app.kubernetes.io/part-of": reconciler.DISTRIBUTION},
        },
        "spec": {
            "holderIdentity": election.identity,
            "leaseDurationSeconds": election.timing.duration,
            "acquireTime": stamp,
            "renewTime": stamp,
            "leaseTransitions": 0,
        },
    }
    answer = yield Create(body)
    if isinstance(answer.what, Refused) and answer.what.refusal is RefusalCause.NAMESPACE_MISSING:
        home = {"name": election.key.namespace}
        yield Create({"apiVersion": "v1", "kind": "Namespace", "metadata": home})
        answer = yield Create(body)
    return _won(election, answer) if isinstance(answer.what, Done) else _failed(election, answer)


def _observed(election: Election, seen: Observed, received: float) -> Election:
    """Remembers the record. Any write of it is a sign of life, whatever it says (client-go compares
    the content, so that a holder whose wall clock stands still looks dead); the time is ours."""
    before = election.body
    body = seen.body or {}
    if before is not None and all(
        before["metadata"].get(name) == body["metadata"].get(name)
        for name in ("uid", "resourceVersion")
    ):
        return replace(election, body=body)
    more = election.changes + (0 if before is None else 1)
    return replace(election, body=body, seen_at=received, changes=more)


def _claimed(election: Election, stamp: str) -> dict[str, Any]:
    """The record as read with our claim in it; fields that we do not know stay."""
    assert election.body is not None
    spec = dict(election.spec)
    if election.holder != election.identity:
        spec["acquireTime"] = stamp
        spec["leaseTransitions"] = min(_count(election) + 1, _MOST_TRANSITIONS)
    spec["holderIdentity"] = election.identity
    spec["leaseDurationSeconds"] = election.timing.duration
    spec["renewTime"] = stamp
    return {**election.body, "spec": spec}


def _count(election: Election) -> int:
    said = election.spec.get("leaseTransitions")
    return said if isinstance(said, int) and not isinstance(said, bool) and said >= 0 else 0


def _won(election: Election, answer: LeaseAnswer) -> Election:
    assert isinstance(answer.what, Done)
    made = replace(
        election,
        body=answer.what.body,
        seen_at=answer.received,
        sent_at=answer.sent,
        leads=True,
        why="",
    )
    return replace(made, epoch=_count(made))


def _deposed(election: Election, how: str) -> Election:
    why = f"the lease {election.key.name} {how}"
    return replace(election, leads=False, lost=why, why=why)


def _failed(election: Election, answer: LeaseAnswer) -> Election:
    match answer.what:
        case Refused(RefusalCause.STALE | RefusalCause.ALREADY_EXISTS | RefusalCause.ABSENT):
            return replace(election, why="another was faster to take the lease")
        case Refused(_, _, message) | Unknown(message):
            return replace(election, blind=True, why=f"the lease could not be written: {message}")
        case _:
            raise TypeError(answer.what)


def is_holder_alive(election: Election) -> bool:
    """Whether the present holder has shown that it is alive since we began to look."""
    return election.changes > 0 and election.holder not in ("", election.identity)


# -- to give back ----------------------------------------------------------------------------------


def resign(election: Election) -> Election:
    """What a holder is from the moment that it begins to give its lease back: the next one may
    have it before the answer is here."""
    why = f"the lease {election.key.name} was given back"
    return replace(election, leads=False, lost=why, why=why)


def release(election: Election, stamp: str) -> Steps:
    """Gives the lease back, so that nobody waits for it. What is compared is the record as it is
    read now: a holder that was away must not blank its successor's. `election` is that of before
    `resign`."""
    given = resign(election)
    if not election.leads:
        return given
    for _ in range(_RELEASE_TRIES):
        answer = yield Get(election.key)
        assert isinstance(answer.what, Observed)
        if not answer.what.is_present:
            return given
        now = replace(election, body=answer.what.body)
        if now.holder != election.identity or _count(now) != election.epoch:
            return given
        spec = {**now.spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": stamp}
        answer = yield Replace({**(now.body or {}), "spec": spec})
        if not (isinstance(answer.what, Refused) and answer.what.refusal is RefusalCause.STALE):
            return given
    return given
