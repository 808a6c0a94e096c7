"""A queue of events in simulated time, with the same order in every run."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime

__all__ = ["Timeline"]


class Timeline:
    """Events run in the order of their times, then in the order of scheduling. Time only moves
    forward. Raises ValueError for a start without a time zone."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("the start needs a time zone")
        self.now = start
        self._queue: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, moment: datetime, callback: Callable[[], None]) -> None:
        """Schedules `callback`; one at a past moment runs at the next `advance`."""
        self._count += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._count, callback))

    def next_at(self) -> datetime | None:
        return self._queue[0][0] if self._queue else None

    def advance(self, until: datetime) -> None:
        """Runs all events up to and including `until`, then sets the time to `until`.

        Raises RuntimeError when events at one instant keep scheduling new ones: a simulated
        controller does not settle.
        """
        at_once = 0
        while self._queue and self._queue[0][0] <= until:
            moment, _, callback = heapq.heappop(self._queue)
            at_once = at_once + 1 if moment == self.now else 0
            if at_once > 100_000:
                raise RuntimeError(f"events at {moment.isoformat()} never settle")
            self.now = moment
            callback()
        self.now = max(self.now, until)
