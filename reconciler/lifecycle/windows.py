"""Tells whether the change windows of an environment are open.

The rule is that of Argo CD's sync windows: a deny window wins over an allow window, and where there
is an allow window, changes at all other times are denied. A window is open from each time of its
cron expression (robfig/cron, in the window's zone) for its duration of elapsed time, so a change of
the clocks neither lengthens nor shortens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.lifecycle import cron
from reconciler.spec.constraint import seconds
from reconciler.spec.environment import Window

__all__ = ["Closed", "find_closed"]

#: How far ahead the next open time is searched.
_HORIZON = timedelta(days=366)
#: The most windows that may follow one another without an open time between them.
_MOST_WINDOWS = 1000


@dataclass(frozen=True, slots=True)
class Closed:
    """Changes are denied now. `window` is the one that denies them: a deny window that is open, or
    the allow window that opens next. `until` is in UTC; None when no change is allowed within 366
    days."""

    window: Window
    until: datetime | None


def find_closed(windows: Iterable[Window], now: datetime) -> Closed | None:
    """Why changes are denied at a time with a zone; None when they are allowed.

    The windows must have been checked (`schedule.check_windows`)."""
    windows = tuple(windows)
    denies = [w for w in windows if w.kind.value == "deny"]
    allows = [w for w in windows if w.kind.value == "allow"]
    first: Window | None = None
    moment = now
    for _ in range(_MOST_WINDOWS):
        denying = next(((w, e) for w in denies if (e := _open_until(w, moment)) is not None), None)
        if denying is not None:
            window, end = denying
            first, moment = first or window, end
        elif not allows or any(_open_until(w, moment) is not None for w in allows):
            return Closed(first, moment) if first is not None else None
        else:
            opening = min(
                ((t, n) for n, w in enumerate(allows) if (t := _parse(w).next(moment)) is not None),
                default=None,
            )
            if opening is None:
                return Closed(first or allows[0], None)
            first, moment = first or allows[opening[1]], opening[0]
        if moment > now + _HORIZON:
            break
    assert first is not None
    return Closed(first, None)


def _parse(window: Window) -> cron.Schedule:
    return cron.parse(window.cron.value, window.time_zone.value)


def _open_until(window: Window, moment: datetime) -> datetime | None:
    """The end of the opening that `moment` is in; None when the window is not open then."""
    length = timedelta(seconds=seconds(window.duration.value))
    begun = next(_parse(window).fires(moment - length, moment, 1), None)
    return None if begun is None or length <= timedelta() else begun + length
