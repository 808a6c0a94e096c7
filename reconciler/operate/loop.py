"""The loop: a pass each interval, new commit or not, and what happens when something does not work.

Decisions only, over ports and a clock: it runs on the embedded cluster in simulated time.
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
#: Nothing was tried: what was known before stays.
_NO_NEWS = (UnitState.BACKING_OFF, UnitState.STOPPED, UnitState.SKIPPED_LOCKED)


class Follower(Protocol):
    """The revision that is followed."""

    def latest(self) -> Tree:
        """The newest commit: the same Tree again while there is no newer one. Raises
        SourceError."""
        ...


class Observer(Protocol):
    """Who is told of what happens; nothing of it may fail a pass."""

    def passed(self, done: Pass, seconds: float) -> None: ...
    def source(self, error: ReconcilerError | None, age: float) -> None:
        """Git was asked; `age` is how many seconds ago it last answered."""
        ...

    def failed(self, error: ReconcilerError, seconds: float) -> None:
        """A pass ended with an error before it wrote anything."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A pass begins `interval` after the one before began, lengthened by up to `jitter` of
    it. A pass that fails as a whole is tried again sooner, and ever less often."""

    interval: float = 60.0
    jitter: float = 0.1
    first_retry: float = 5.0


class Loop:
    """`run` makes one pass over a tree. `chance` gives numbers in [0, 1)."""

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
        self.timing = timing or Timing()
        self.backoff = Backoff(first=self.timing.interval / 2)

    def step(self) -> float:
        """Looks for a commit and makes a pass; the seconds until the next should begin."""
        start = self._clock.monotonic()
        tree = self._look()
        if tree is None:
            return self._soon(start)
        settings = replace(
            self._settings,
            resting=lambda unit: self.backoff.resting(
                unit, tree.commit or tree.label, self._clock.monotonic()
            ),
        )
        try:
            done = self._run(tree, settings)
        except ReconcilerError as error:
            self._observer.failed(error, self._clock.monotonic() - start)
            return self._soon(start)
        self._failures = 0
        self._learn(done)
        self._observer.passed(done, self._clock.monotonic() - start)
        span = self.timing.interval * (1 + self.timing.jitter * self._chance())
        return max(0.0, start + span - self._clock.monotonic())

    def _look(self) -> Tree | None:
        """The newest commit; the last one while Git does not answer: drift is still corrected."""
        try:
            self._tree = self._follower.latest()
        except ReconcilerError as error:
            self._observer.source(error, self._clock.monotonic() - self._answered_at)
            return self._tree
        self._answered_at = self._clock.monotonic()
        self._observer.source(None, 0.0)
        return self._tree

    def _learn(self, done: Pass) -> None:
        now = self._clock.monotonic()
        for outcome in done.outcomes:
            if outcome.state in _FAILING:
                self.backoff.failed(outcome.unit, done.commit or done.label, now)
            elif outcome.state not in _NO_NEWS:
                self.backoff.worked(outcome.unit)

    def _soon(self, start: float) -> float:
        """After a failure of everything: sooner than an interval at first, later in the end."""
        self._failures += 1
        most = max(self.timing.interval, 4 * self.timing.first_retry)
        span = min(most, self.timing.first_retry * float(2 ** min(self._failures - 1, 20)))
        span *= 1 + self.timing.jitter * self._chance()
        return max(0.0, start + span - self._clock.monotonic())
