"""Decides how long a backend that lost its traffic keeps running. Pure.

A gateway goes on to send requests to a backend for a moment after it has accepted a route without
it, and requests that are under way must end. So a serving object is deleted only `DRAIN` after the
accepted route was first seen without it. The times are stored, so that no run has to wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["DRAIN", "Drained", "drain", "format_times", "read_times"]

#: How long a backend without traffic keeps running.
DRAIN = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Drained:
    """`retained`: Service → why its objects must not be deleted yet. `left`: the times to store.
    `due`: when the next of them may go."""

    retained: Mapping[str, str]
    left: Mapping[str, datetime]
    due: datetime | None = None


def drain(
    leaving: Iterable[str],
    routed: Collection[str],
    accepted: bool,
    left: Mapping[str, datetime],
    now: datetime,
) -> Drained:
    """What happens to the backends `leaving`, by their Services: they are recorded, and Git does
    not ask for them as they are. `routed` are the Services that the live route names; without a
    route, none. `left` are the stored times; a time in the future counts as now."""
    retained: dict[str, str] = {}
    times: dict[str, datetime] = {}
    for name in sorted(leaving):
        if name in routed:
            retained[name] = "the route still names it"
        elif not accepted:
            retained[name] = "the gateway has not accepted the route without it yet"
        else:
            since = min(left.get(name, now), now)
            if now - since < DRAIN:
                times[name] = since
                retained[name] = f"it drains for {DRAIN.total_seconds():.0f} s"
    due = min((since + DRAIN for since in times.values()), default=None)
    return Drained(retained, times, due)


def format_times(times: Mapping[str, datetime]) -> str:
    """The times as the rollout state stores them."""
    return " ".join(
        f"{name}={time.isoformat(timespec='seconds')}" for name, time in sorted(times.items())
    )


def read_times(text: str) -> dict[str, datetime]:
    """Reads what `format_times` wrote. A garbled word is left out, so that its wait begins anew."""
    out: dict[str, datetime] = {}
    for word in text.split():
        name, _, stamp = word.partition("=")
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            continue
        if moment.tzinfo is not None:
            out[name] = moment
    return out
