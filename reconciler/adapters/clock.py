"""The real clock: the only place that asks the machine for the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Fulfils `ports.Clock`."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started, those that it was suspended for included."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.clock_gettime(boot) if boot is not None else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Returns at once for zero and less."""
        if seconds > 0:
            time.sleep(seconds)
