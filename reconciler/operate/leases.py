"""The leases of a run: taken before the run decides anything, renewed in the background, and given
back at the end.

There is one lease per group. `permit` may be called from many threads and does no I/O. All requests
are made one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from math import inf

from reconciler.apply import lease
from reconciler.apply.lease import Create, Election, Get, LeaseAnswer, Replace, Timing
from reconciler.errors import ReconcilerError
from reconciler.objects.observed import Observed, unread_object
from reconciler.objects.outcome import Outcome, Unknown
from reconciler.ports import Background, Clock, LeaseClient
from reconciler.unit import UnitId

__all__ = ["LeaseUnavailable", "Leases", "micro_time"]

#: After so many seconds without progress the main loop counts as stuck, and leases are not renewed.
STALL_SECONDS = 120.0
#: The extra seconds, after a lease's duration, during which its holder may show that it is alive.
_GRACE = 1.0


class LeaseUnavailable(ReconcilerError):
    """A lease could not be read or written. Nothing of the run is done."""

    code = "E_LEASE"


def micro_time(moment: datetime) -> str:
    """A UTC time as Kubernetes' MicroTime: RFC 3339 with six digits of the second."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"


class Leases:
    """The leases of one run. `client_of` returns the client of a group's cluster. `chance` returns
    numbers in [0, 1) for the jitter of attempts. The main loop must call `progress`: after `stall`
    seconds without a call, leases are no longer renewed."""

    def __init__(
        self,
        client_of: Callable[[str], LeaseClient],
        clock: Clock,
        identity: str,
        *,
        chance: Callable[[], float],
        timing: Timing | None = None,
        stall: float = STALL_SECONDS,
    ) -> None:
        self._client_of = client_of
        self._clock = clock
        self._chance = chance
        self._requests = threading.Lock()
        self._elections: dict[str, Election] = {}
        self._stop: Callable[[], None] | None = None
        self._progress_at = clock.monotonic()
        self.identity = identity
        self.timing = timing or Timing()
        self.stall = stall

    # -- questions ---------------------------------------------------------------------------------

    def permit(self, unit: UnitId) -> str:
        """Why a unit may not be written now; "" while its group's lease is held and runs."""
        return self.permit_group(unit.group_id)

    def permit_group(self, group: str) -> str:
        """Why nothing of a group may be written now; "" while its lease is held and runs."""
        self.progress()
        election = self._elections.get(group)
        if election is None:
            return f"this run has not asked for the lease of {group}"
        return lease.may_write(election, self._clock.monotonic())

    def epoch(self, group: str) -> int | None:
        """How often a group's lease has changed hands, which inventories record; None when the
        lease is not held."""
        election = self._elections.get(group)
        return election.epoch if election is not None and election.leads else None

    def progress(self) -> None:
        """Notes that the main loop is alive."""
        self._progress_at = self._clock.monotonic()

    @property
    def held(self) -> tuple[str, ...]:
        """The groups whose leases are held and run, sorted."""
        now = self._clock.monotonic()
        return tuple(sorted(g for g, e in self._elections.items() if not lease.may_write(e, now)))

    # -- taking ------------------------------------------------------------------------------------

    def acquire(
        self,
        groups: Iterable[str],
        *,
        wait: float | None = None,
        ended: Callable[[], str] = lambda: "",
        left: Callable[[], float] = lambda: inf,
    ) -> Mapping[str, str]:
        """Takes the free leases; returns group → why for the groups whose lease was not taken.

        The lease of a live holder is never taken. With `wait` None, a lease is awaited while its
        holder does not renew, at most for the lease's duration: so a run takes the lease of a
        killed run. With a number, the lease of a live holder is awaited for so many seconds; 0
        tries once. `ended` returns why waiting must end, or "", and `left` the seconds until it
        must, which bound each wait. Raises LeaseUnavailable.
        """
        start = self._clock.monotonic()
        missing = []
        for group in sorted(set(groups)):
            known = self._elections.get(group)
            if known is None or known.lost:
                # A lease that was lost in an earlier pass is taken anew, under a new epoch.
                key = lease.lease_key(group)
                self._elections[group] = Election(key, self.identity, self.timing)
            if known is None or not known.leads:
                missing.append(group)
        due = start
        while missing:
            self.progress()
            now = self._clock.monotonic()
            for group, election in list(self._elections.items()):
                if group in missing or (election.leads and now >= due):
                    self._attempt(group)
            due = now + self.timing.retry
            missing = [group for group in missing if not self._elections[group].leads]
            waiting = [g for g in missing if self._is_worth_waiting(g, start, wait)]
            if not waiting or ended():
                break
            self._clock.sleep(min(lease.retry_delay(self.timing, self._chance()), left()))
        blind = [group for group in missing if self._elections[group].blind]
        if blind:
            raise LeaseUnavailable(
                f"{blind[0]}: {self._elections[blind[0]].why}",
                hint="the program needs get, create and update on leases in its own namespace; "
                "with --no-lease it needs none: use that only when no other process writes",
            )
        return {group: self._elections[group].why for group in missing}

    def _is_worth_waiting(self, group: str, start: float, wait: float | None) -> bool:
        election, now = self._elections[group], self._clock.monotonic()
        if wait is not None or election.blind:
            return now - start < (self.timing.duration if wait is None else wait)
        if lease.is_holder_alive(election):
            return False
        longest = max(election.runs_out_at - start, float(self.timing.duration))
        # At most a minute, because the record's duration may have been edited by hand.
        return now - start < min(longest + _GRACE + self.timing.retry, 60.0)

    # -- holding -----------------------------------------------------------------------------------

    def keep(self, background: Background) -> None:
        """Starts to renew the held leases in the background, until `release`."""
        if self._stop is None:
            self.progress()
            self._stop = background.start("lease-renewal", self._renew)

    def _renew(self) -> float:
        """Renews every held lease once; returns the seconds until the next renewal."""
        stuck = self._clock.monotonic() - self._progress_at > self.stall
        for group, election in list(self._elections.items()):
            if election.leads and not stuck:
                self._attempt(group)
        return self.timing.retry

    def _attempt(self, group: str) -> None:
        with self._requests:
            client = self._client_of(group)
            steps = lease.attempt(self._elections[group], self._stamp())
            self._elections[group] = self._drive(client, steps)

    def _drive(self, client: LeaseClient, steps: lease.Steps) -> Election:
        answer: LeaseAnswer | None = None
        while True:
            try:
                request = next(steps) if answer is None else steps.send(answer)
            except StopIteration as end:
                found: Election = end.value
                return found
            sent = self._clock.monotonic()
            answer = LeaseAnswer(_send(client, request), sent, self._clock.monotonic())

    def _stamp(self) -> str:
        return micro_time(self._clock.now())

    # -- giving back -------------------------------------------------------------------------------

    def release(self) -> None:
        """Stops the renewal and gives the held leases back. Waits at most 3 s for a request that is
        under way: leases that are not given back run out by themselves."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if not self._requests.acquire(timeout=3.0):
            return
        try:
            held = {group: e for group, e in self._elections.items() if e.leads}
            self._elections = {g: lease.resign(e) for g, e in self._elections.items()}
            for group, election in held.items():
                steps = lease.release(election, self._stamp())
                self._drive(self._client_of(group), steps)
        finally:
            self._requests.release()


def _send(client: LeaseClient, request: lease.Request) -> Observed | Outcome:
    """Sends a request; a ReconcilerError becomes an unread object or an unknown outcome."""
    match request:
        case Get(key):
            try:
                return client.get(key)
            except ReconcilerError as error:
                return unread_object(key, error.message)
        case Create(body) | Replace(body):
            try:
                write = client.create if isinstance(request, Create) else client.replace
                return write(body)
            except ReconcilerError as error:
                return Unknown(error.message)
