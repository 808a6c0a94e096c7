"""The system's clock; only this module reads the machine's time for decisions."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started, the time of its suspension included."""
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.clock_gettime(boot) if boot is not None else time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleeps; returns at once for zero and negative seconds."""
        if seconds > 0:
            time.sleep(seconds)
