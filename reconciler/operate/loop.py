"""The loop: one pass per interval, also without a new commit, and the retries of failed passes.

The loop does no I/O of its own, so that it also runs on the embedded cluster in simulated time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.errors import ReconcilerError
from reconciler.operate.backoff import Backoff
from reconciler.operate.passes import Pass, PassSettings, UnitState
from reconciler.ports import Clock, Tree

__all__ = ["Follower", "Loop", "Observer", "Timing"]

_FAILING = (UnitState.FAILED,)
#: States of units that the pass did not try: their back-off stays as it is.
_NO_NEWS = (UnitState.BACKING_OFF, UnitState.STOPPED, UnitState.SKIPPED_LOCKED)


class Follower(Protocol):
    """The revision that the loop follows."""

    def latest(self) -> Tree:
        """The newest commit; the same Tree again when there is no newer one. Raises SourceError."""
        ...


class Observer(Protocol):
    """Is called with what happens in the loop. Its methods must not raise."""

    def passed(self, done: Pass, seconds: float) -> None:
        """A pass ended after so many seconds."""
        ...

    def source(self, error: ReconcilerError | None, age: float) -> None:
        """Git was asked for the newest commit; `age`: seconds since Git last answered."""
        ...

    def failed(self, error: ReconcilerError, seconds: float) -> None:
        """A pass ended with an error before it wrote anything."""
        ...

    def missed(self, count: int, seconds: float) -> None:
        """So many passes were due while one ran, which took so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of the loop in seconds. A pass begins `interval` after the previous one began, plus a
    random share of up to `jitter` of the interval. A pass that fails as a whole is tried again
    after `first_retry`, then after ever longer pauses."""

    interval: float = 60.0
    jitter: float = 0.1
    first_retry: float = 5.0


class Loop:
    """Repeats passes. `run` makes one pass over a tree; `chance` returns numbers in [0, 1)."""

    def __init__(
        self,
        follower: Follower,
        run: Callable[[Tree, PassSettings], Pass],
        clock: Clock,
        observer: Observer,
        *,
        settings: PassSettings,
        timing: Timing | None = None,
        chance: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._follower = follower
        self._run = run
        self._clock = clock
        self._observer = observer
        self._settings = settings
        self._chance = chance
        self._tree: Tree | None = None
        self._answered_at = clock.monotonic()
        self._failures = 0
        self._stale = False
        self.timing = timing or Timing()
        self.backoff = Backoff(first=self.timing.interval / 2)

    def step(self) -> float:
        """Looks for a new commit and makes one pass; returns the seconds until the next one."""
        start = self._clock.monotonic()
        tree = self._find_tree()
        if tree is None:
            return self._retry_delay(start)
        settings = replace(
            self._settings,
            stale=self._stale,
            resting=lambda unit: self.backoff.explain_wait(
                unit, tree.commit or tree.label, self._clock.monotonic()
            ),
        )
        try:
            done = self._run(tree, settings)
        except ReconcilerError as error:
            self._observer.failed(error, self._clock.monotonic() - start)
            self._count_missed(start)
            return self._retry_delay(start)
        self._failures = 0
        self._update_backoff(done)
        self._observer.passed(done, self._clock.monotonic() - start)
        self._count_missed(start)
        span = self.timing.interval * (1 + self.timing.jitter * self._chance())
        return max(0.0, start + span - self._clock.monotonic())

    def _count_missed(self, start: float) -> None:
        seconds = self._clock.monotonic() - start
        longest = self.timing.interval * (1 + self.timing.jitter)
        if self.timing.interval > 0 and seconds > longest:
            self._observer.missed(int(seconds // self.timing.interval), seconds)

    def _find_tree(self) -> Tree | None:
        """The newest commit. When Git does not answer, the last known one, so that drift is still
        corrected; None when there is none yet."""
        try:
            self._tree = self._follower.latest()
        except ReconcilerError as error:
            self._observer.source(error, self._clock.monotonic() - self._answered_at)
            self._stale = True
            return self._tree
        self._stale = False
        self._answered_at = self._clock.monotonic()
        self._observer.source(None, 0.0)
        return self._tree

    def _update_backoff(self, done: Pass) -> None:
        now = self._clock.monotonic()
        for outcome in done.outcomes:
            if outcome.state in _FAILING:
                self.backoff.record_failure(outcome.unit, done.commit or done.label, now)
            elif outcome.state not in _NO_NEWS:
                self.backoff.record_success(outcome.unit)

    def _retry_delay(self, start: float) -> float:
        """The seconds to wait after a pass that failed as a whole; doubles up to one interval."""
        self._failures += 1
        most = max(self.timing.interval, 4 * self.timing.first_retry)
        span = min(most, self.timing.first_retry * float(2 ** min(self._failures - 1, 20)))
        span *= 1 + self.timing.jitter * self._chance()
        return max(0.0, start + span - self._clock.monotonic())
