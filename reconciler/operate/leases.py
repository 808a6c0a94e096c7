"""The leases of a run: taken before anything is decided, renewed beside it, given back after it.

One lease a group. `permit` is asked from many threads and never does I/O; all requests are made by
whoever renews, one at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from reconciler.apply import lease
from reconciler.apply.lease import Create, Election, Get, LeaseAnswer, Replace, Timing
from reconciler.errors import ReconcilerError
from reconciler.objects.observed import Observed, unread_object
from reconciler.objects.outcome import Outcome, Unknown
from reconciler.ports import Background, Clock, LeaseClient
from reconciler.unit import UnitId

__all__ = ["LeaseUnavailable", "Leases", "micro_time"]

#: Without progress for so long the main loop counts as stuck, and its leases are let go.
STALL_SECONDS = 120.0
#: How much longer than a lease's own duration it is watched for a sign of life.
_GRACE = 1.0


class LeaseUnavailable(ReconcilerError):
    """Whether a lease is free cannot be found out, or it may not be written: nothing is done."""

    code = "E_LEASE"


def micro_time(moment: datetime) -> str:
    """The time as MicroTime has it: RFC 3339 in UTC with six digits."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z"


class Leases:
    """`client_of` gives the client for a group's cluster; requests of one group never overlap.
    `chance` gives numbers in [0, 1) for the jitter of attempts. `progress` is to be called by
    whoever gets ahead: without it, renewing ends after `stall` seconds."""

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

    # -- what others ask ---------------------------------------------------------------------------

    def permit(self, unit: UnitId) -> str:
        """Why a unit may not be written now; "" while its group's lease is safely held."""
        return self.permit_group(unit.group_id)

    def permit_group(self, group: str) -> str:
        """Why nothing of a group may be written now; "" while its lease is safely held."""
        self.progress()
        election = self._elections.get(group)
        if election is None:
            return f"the lease of {group} was not asked for"
        return lease.may_write(election, self._clock.monotonic())

    def epoch(self, group: str) -> int | None:
        """How often the lease has changed hands: what an inventory records with a commit. None
        where it is not held."""
        election = self._elections.get(group)
        return election.epoch if election is not None and election.leads else None

    def progress(self) -> None:
        """The main loop is alive."""
        self._progress_at = self._clock.monotonic()

    @property
    def held(self) -> tuple[str, ...]:
        now = self._clock.monotonic()
        return tuple(sorted(g for g, e in self._elections.items() if not lease.may_write(e, now)))

    # -- taking ------------------------------------------------------------------------------------

    def acquire(
        self,
        groups: Iterable[str],
        *,
        wait: float | None = None,
        ended: Callable[[], str] = lambda: "",
    ) -> Mapping[str, str]:
        """Takes what can be had; returns the groups that could not be, each with why.

        A live holder is left alone. `wait` None waits as long as a holder shows no sign of life,
        which is at most its lease's duration: so the run after a killed one gets its turn. A number
        of seconds waits so long for a live one, too; 0 asks once. `ended` says why to wait no more.
        Raises LeaseUnavailable.
        """
        start = self._clock.monotonic()
        left = []
        for group in sorted(set(groups)):
            known = self._elections.get(group)
            if known is None or known.lost:
                # What was lost in an earlier run is asked for anew, under a new epoch.
                key = lease.lease_key(group)
                self._elections[group] = Election(key, self.identity, self.timing)
            if known is None or not known.leads:
                left.append(group)
        due = start
        while left:
            self.progress()
            now = self._clock.monotonic()
            for group, election in list(self._elections.items()):
                if group in left or (election.leads and now >= due):
                    self._round(group)
            due = now + self.timing.retry
            left = [group for group in left if not self._elections[group].leads]
            waiting = [g for g in left if self._is_worth_waiting(g, start, wait)]
            if not waiting or ended():
                break
            self._clock.sleep(lease.retry_delay(self.timing, self._chance()))
        blind = [group for group in left if self._elections[group].blind]
        if blind:
            raise LeaseUnavailable(
                f"{blind[0]}: {self._elections[blind[0]].why}",
                hint="the program needs get, create and update on leases of its own namespace; "
                "--no-lease does without, where nothing else writes",
            )
        return {group: self._elections[group].why for group in left}

    def _is_worth_waiting(self, group: str, start: float, wait: float | None) -> bool:
        election, now = self._elections[group], self._clock.monotonic()
        if wait is not None or election.blind:
            return now - start < (self.timing.duration if wait is None else wait)
        if lease.is_holder_alive(election):
            return False
        longest = max(election.runs_out_at - start, float(self.timing.duration))
        # A hand-edited duration of years is not waited for.
        return now - start < min(longest + _GRACE + self.timing.retry, 60.0)

    # -- holding -----------------------------------------------------------------------------------

    def keep(self, background: Background) -> None:
        """Renews from now on, until `release`."""
        if self._stop is None:
            self.progress()
            self._stop = background.start("lease-renewal", self._renew)

    def _renew(self) -> float:
        """One round for every lease that is held; the seconds until the next."""
        stuck = self._clock.monotonic() - self._progress_at > self.stall
        for group, election in list(self._elections.items()):
            if election.leads and not stuck:
                self._round(group)
        return self.timing.retry

    def _round(self, group: str) -> None:
        with self._requests:
            client = self._client_of(group)
            steps = lease.attempt(self._elections[group], self._stamp())
            self._elections[group] = self._driven(client, steps)

    def _driven(self, client: LeaseClient, steps: lease.Steps) -> Election:
        answer: LeaseAnswer | None = None
        while True:
            try:
                request = next(steps) if answer is None else steps.send(answer)
            except StopIteration as end:
                found: Election = end.value
                return found
            sent = self._clock.monotonic()
            answer = LeaseAnswer(_asked(client, request), sent, self._clock.monotonic())

    def _stamp(self) -> str:
        return micro_time(self._clock.now())

    # -- giving back -------------------------------------------------------------------------------

    def release(self) -> None:
        """Ends the renewing and gives back what is held. A cluster that does not answer is not
        waited for: the leases run out by themselves."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        if not self._requests.acquire(timeout=3.0):
            return
        try:
            mine = {group: e for group, e in self._elections.items() if e.leads}
            self._elections = {g: lease.resign(e) for g, e in self._elections.items()}
            for group, election in mine.items():
                steps = lease.release(election, self._stamp())
                self._driven(self._client_of(group), steps)
        finally:
            self._requests.release()


def _asked(client: LeaseClient, request: lease.Request) -> Observed | Outcome:
    """The answer; a client that fails in its own way has an unknown outcome."""
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
