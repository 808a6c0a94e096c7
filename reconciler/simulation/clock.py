"""A clock that moves only when someone sleeps; sleeping lets the simulated controllers work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from reconciler.simulation.timeline import Timeline

__all__ = ["EPOCH", "RememberedClock", "SimulatedBackground", "SimulatedClock"]

#: Where a cluster that was never told the time begins.
EPOCH = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


class SimulatedClock:
    """Fulfils `ports.Clock` on a timeline. `start` needs a zone; times come back in UTC."""

    def __init__(self, start: datetime = EPOCH) -> None:
        self.timeline = Timeline(start.astimezone(UTC))

    @classmethod
    def resumed(cls, remembered: str) -> SimulatedClock:
        """From the ISO time that a store remembers, "" for none."""
        return cls(datetime.fromisoformat(remembered) if remembered else EPOCH)

    def now(self) -> datetime:
        return self.timeline.now

    def monotonic(self) -> float:
        return (self.timeline.now - EPOCH).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Advances by `seconds`; everything due until then has happened when it returns."""
        self.timeline.advance(self.timeline.now + timedelta(seconds=max(0.0, seconds)))


class SimulatedBackground:
    """Fulfils `ports.Background` on a timeline: steps happen while someone sleeps."""

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
    """Fulfils `ports.Clock` for a second client of a cluster in a file: it is as late as the file
    says, and nobody moves it from here."""

    def __init__(self, remembered: Callable[[], str]) -> None:
        self._remembered = remembered

    def now(self) -> datetime:
        text = self._remembered()
        return datetime.fromisoformat(text) if text else EPOCH

    def monotonic(self) -> float:
        return (self.now() - EPOCH).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Not its business."""
