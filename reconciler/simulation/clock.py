"""Simulated clocks: time moves only when a caller sleeps, and the controllers work meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from reconciler.simulation.timeline import Timeline

__all__ = ["EPOCH", "RememberedClock", "SimulatedBackground", "SimulatedClock"]

#: The time at which a cluster begins when nobody gives one.
EPOCH = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class SimulatedClock:
    """`ports.Clock` on a timeline. `start` needs a time zone; all times are returned in UTC."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.timeline = Timeline(start.astimezone(UTC))

    @classmethod
    def resumed(cls, remembered: str) -> SimulatedClock:
        """A clock at the ISO time that a store has recorded; at EPOCH for ""."""
        return cls(datetime.fromisoformat(remembered) if remembered else EPOCH)

    def now(self) -> datetime:
        return self.timeline.now

    def monotonic(self) -> float:
        return (self.timeline.now - EPOCH).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Advances the time by `seconds`, and first runs everything that is due until then."""
        self.timeline.advance(self.timeline.now + timedelta(seconds=max(0.0, seconds)))


class SimulatedBackground:
    """`ports.Background` on a timeline: steps run while a caller sleeps."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def start(self, name: str, step: Callable[[], float]) -> Callable[[], None]:  # noqa: ARG002
        running = [True]

        def due() -> None:
            if running[0]:
                pause = timedelta(seconds=max(0.001, step()))
                self.timeline.at(self.timeline.now + pause, due)

        def stop() -> None:
            running[0] = False

        self.timeline.at(self.timeline.now, due)
        return stop


class RememberedClock:
    """`ports.Clock` for a second client of a cluster in a file. Its time is the one recorded in the
    file; only the first client's clock moves that."""

    def __init__(self, remembered: Callable[[], str]) -> None:
        self._remembered = remembered

    def now(self) -> datetime:
        text = self._remembered()
        return datetime.fromisoformat(text) if text else EPOCH

    def monotonic(self) -> float:
        return (self.now() - EPOCH).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Does nothing: only the first client's clock moves the time."""
