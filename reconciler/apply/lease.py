"""The lease of a group, which gives one process at a time the right to write: client-go's leader
election, as steps without I/O.

Leases save work and conflicts. They do not make a run safe, because a process that was suspended
may not know that it lost the lease: safety rests on compare-and-swap, uids and preconditions. No
decision uses the times in the record: `now` is the reading of a monotonic clock in seconds, and
`stamp`, the wall clock's time, is only written.
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
    """Times in seconds. `duration`: others take the lease when its record has not changed for that
    long. `renew_deadline`: a holder stops writing when it has not renewed for that long. `retry`:
    the pause between attempts. Raises ValueError unless duration > renew_deadline > 1.2 * retry.

    `margin` is duration - renew_deadline: a write that is answered within it ends before another
    process may take over.
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
    """What one process knows of one lease. `identity` is unique per process.

    `leads`: this process won the lease, and no read has shown it lost; `may_write` says whether
    the lease still runs. `lost`: why a won lease is lost. A lost lease is never won again by the
    same Election, so that a run never goes on under another epoch than it began with. `why`: why
    the last attempt failed; `blind`: because a request failed, and not because of another holder.
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
        """When the lease may be taken from its holder: one duration after the last change, by this
        process's clock. A record without a usable duration counts with this process's own."""
        recorded = self.spec.get("leaseDurationSeconds")
        usable = isinstance(recorded, int) and not isinstance(recorded, bool) and recorded > 0
        return self.seen_at + (
            recorded if usable and recorded is not None else self.timing.duration
        )


def lease_key(group: str) -> ObjectKey:
    """`prod/hz-a` to the lease `prod.hz-a` in the program's own namespace."""
    name = group.replace("/", ".")
    return ObjectKey("coordination.k8s.io", "Lease", reconciler.TOOL_NAMESPACE, name)


def may_write(election: Election, now: float) -> str:
    """Why this process may not begin a write at the time `now`; "" when it may."""
    if election.lost:
        return election.lost
    if not election.leads:
        return election.why or "the lease is not held"
    # Counted from before the renewal was sent, so it ends no later than others count.
    left = election.sent_at + election.timing.duration - now
    if left <= election.timing.margin:
        return f"the lease {election.key.name} could not be renewed in time"
    return ""


def retry_delay(timing: Timing, chance: float) -> float:
    """Seconds until the next attempt to win the lease; `chance`, in [0, 1), spreads attempts."""
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
    """The answer to a request, with the monotonic times before sending and after receiving."""

    what: Observed | Outcome
    sent: float
    received: float


Steps: TypeAlias = Generator[Request, LeaseAnswer, Election]


# -- to win and to renew ---------------------------------------------------------------------------


def attempt(election: Election, stamp: str) -> Steps:
    """One attempt: renews a lease that is held, or takes one that is free. Yields requests, and
    returns what is known afterwards. `stamp` is the wall clock's time to write, for people."""
    if election.lost:
        return election
    election = replace(election, why="", blind=False)
    if election.leads:
        answer = yield Replace(_claim(election, stamp))
        if isinstance(answer.what, Done):
            return _win(election, answer)
    answer = yield Get(election.key)
    if not isinstance(answer.what, Observed):
        raise TypeError(answer.what)
    if answer.what.presence is Presence.ABSENT and not election.leads:
        return (yield from _create(election, stamp))
    election, ends = _check_record(election, answer.what, answer.received)
    if ends:
        return election
    answer = yield Replace(_claim(election, stamp))
    return (
        _win(election, answer)
        if isinstance(answer.what, Done)
        else _explain_failure(election, answer)
    )


def _check_record(election: Election, seen: Observed, received: float) -> tuple[Election, bool]:
    """What is known after a read of the record, and whether the attempt ends here."""
    if seen.presence is Presence.UNREAD:
        return replace(election, blind=True, why=f"the lease could not be read: {seen.why}"), True
    if seen.presence is Presence.ABSENT:
        return _lose(election, "was deleted"), True
    election = _with_record(election, seen, received)
    is_holder = election.holder == election.identity
    if election.leads and not (is_holder and _count(election) == election.epoch):
        return _lose(election, f"went to {election.holder or 'nobody'}"), True
    if not is_holder and election.holder and election.runs_out_at > received:
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
    return (
        _win(election, answer)
        if isinstance(answer.what, Done)
        else _explain_failure(election, answer)
    )


def _with_record(election: Election, seen: Observed, received: float) -> Election:
    """The election with the record as read. Any write of the record shows that its holder is alive.
    (client-go compares the content, so that a holder whose wall clock stands still looks dead.) The
    time of the change is measured by this process's clock."""
    before = election.body
    body = seen.body or {}
    if before is not None and all(
        before["metadata"].get(name) == body["metadata"].get(name)
        for name in ("uid", "resourceVersion")
    ):
        return replace(election, body=body)
    changes = election.changes + (0 if before is None else 1)
    return replace(election, body=body, seen_at=received, changes=changes)


def _claim(election: Election, stamp: str) -> dict[str, Any]:
    """The record as read, with this process as the holder; unknown fields stay."""
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
    found = election.spec.get("leaseTransitions")
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0


def _win(election: Election, answer: LeaseAnswer) -> Election:
    assert isinstance(answer.what, Done)
    won = replace(
        election,
        body=answer.what.body,
        seen_at=answer.received,
        sent_at=answer.sent,
        leads=True,
        why="",
    )
    return replace(won, epoch=_count(won))


def _lose(election: Election, what_happened: str) -> Election:
    why = f"the lease {election.key.name} {what_happened}"
    return replace(election, leads=False, lost=why, why=why)


def _explain_failure(election: Election, answer: LeaseAnswer) -> Election:
    match answer.what:
        case Refused(RefusalCause.STALE | RefusalCause.ALREADY_EXISTS | RefusalCause.ABSENT):
            return replace(election, why="another process took the lease first")
        case Refused(_, _, message) | Unknown(message):
            return replace(election, blind=True, why=f"the lease could not be written: {message}")
        case _:
            raise TypeError(answer.what)


def is_holder_alive(election: Election) -> bool:
    """Whether another process holds the lease and has written the record since the first read."""
    return election.changes > 0 and election.holder not in ("", election.identity)


# -- to give back ----------------------------------------------------------------------------------


def resign(election: Election) -> Election:
    """The election of a holder that begins to give the lease back: it counts as lost at once,
    because another process may hold the lease before the answer arrives."""
    why = f"the lease {election.key.name} was given back"
    return replace(election, leads=False, lost=why, why=why)


def release(election: Election, stamp: str) -> Steps:
    """Gives the lease back, so that others need not wait until it runs out. Reads the record first:
    a process that was suspended must not empty the record of the next holder. `election` is the
    one from before `resign`."""
    resigned = resign(election)
    if not election.leads:
        return resigned
    for _ in range(_RELEASE_TRIES):
        answer = yield Get(election.key)
        assert isinstance(answer.what, Observed)
        if not answer.what.is_present:
            return resigned
        now = replace(election, body=answer.what.body)
        if now.holder != election.identity or _count(now) != election.epoch:
            return resigned
        spec = {**now.spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": stamp}
        answer = yield Replace({**(now.body or {}), "spec": spec})
        if not (isinstance(answer.what, Refused) and answer.what.refusal is RefusalCause.STALE):
            return resigned
    return resigned
