"""Back-off per unit: a unit whose writes fail is tried less and less often; other units are not
delayed."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.unit import UnitId

__all__ = ["Backoff"]


@dataclass(slots=True)
class _FailureRecord:
    commit: str
    failures: int
    due: float


class Backoff:
    """The delay doubles with every failure in a row, from `first` to `most` seconds. A success ends
    the back-off, and so does a new commit, because it may be the repair."""

    def __init__(self, first: float = 30.0, most: float = 3600.0) -> None:
        self.first = first
        self.most = most
        self._failures: dict[UnitId, _FailureRecord] = {}

    def record_failure(self, unit: UnitId, commit: str, now: float) -> None:
        """Counts a failure of a unit at a commit; `now` is in monotonic seconds."""
        record = self._failures.get(unit)
        failures = record.failures + 1 if record is not None and record.commit == commit else 1
        # The exponent is capped, because a unit may fail for years.
        span = min(self.most, self.first * 2 ** min(failures - 1, 30))
        self._failures[unit] = _FailureRecord(commit, failures, now + span)

    def record_success(self, unit: UnitId) -> None:
        self._failures.pop(unit, None)

    def explain_wait(self, unit: UnitId, commit: str, now: float) -> str:
        """Why a unit is left out at `now` (monotonic seconds); "" when it may be tried."""
        record = self._failures.get(unit)
        if record is None or record.commit != commit or now >= record.due:
            return ""
        times = "once" if record.failures == 1 else f"{record.failures} times"
        return f"failed {times} in a row; next try in {record.due - now:.0f} s"

    @property
    def units(self) -> tuple[UnitId, ...]:
        """The units that are failing, sorted."""
        return tuple(sorted(self._failures))
