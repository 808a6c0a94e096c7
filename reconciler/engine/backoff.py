"""Whose turn it is: a unit whose writes fail is tried less and less often; nobody else waits."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.unit import UnitId

__all__ = ["Backoff"]


@dataclass(slots=True)
class _Failing:
    commit: str
    failures: int
    due: float


class Backoff:
    """Seconds double from `first` to `most` with every failure in a row. A success ends it, and so
    does a new commit: it may be the repair."""

    def __init__(self, first: float = 30.0, most: float = 3600.0) -> None:
        self.first = first
        self.most = most
        self._failing: dict[UnitId, _Failing] = {}

    def failed(self, unit: UnitId, commit: str, now: float) -> None:
        known = self._failing.get(unit)
        failures = known.failures + 1 if known is not None and known.commit == commit else 1
        # Capped before the power: a unit may fail for years.
        span = min(self.most, self.first * 2 ** min(failures - 1, 30))
        self._failing[unit] = _Failing(commit, failures, now + span)

    def worked(self, unit: UnitId) -> None:
        self._failing.pop(unit, None)

    def resting(self, unit: UnitId, commit: str, now: float) -> str:
        """Why a unit has no turn at `now` (monotonic seconds); "" when it has."""
        known = self._failing.get(unit)
        if known is None or known.commit != commit or now >= known.due:
            return ""
        times = "once" if known.failures == 1 else f"{known.failures} times"
        return f"failed {times} in a row; next try in {known.due - now:.0f} s"

    @property
    def units(self) -> tuple[UnitId, ...]:
        return tuple(sorted(self._failing))
