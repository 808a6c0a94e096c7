"""When change windows are open: cases with clock changes, and a law against a walk by minutes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lifecycle import cron
from reconciler.lifecycle.windows import find_closed
from reconciler.origin import built_in
from reconciler.spec.constraint import seconds
from reconciler.spec.environment import Window

BERLIN = "Europe/Berlin"


def window(kind, text, duration, zone="UTC"):
    return Window(built_in(kind), built_in(text), built_in(duration), built_in(zone))


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


OFFICE = window("allow", "0 9 * * 1-4", "7h", BERLIN)
FREEZE = window("deny", "0 0 20 12 *", "15d", BERLIN)


@pytest.mark.parametrize(
    ("windows", "now", "until"),
    [
        ((), at("2026-11-24T03:00"), None),
        ((OFFICE,), at("2026-11-24T09:00", BERLIN), None),
        ((OFFICE,), at("2026-11-24T15:59:59", BERLIN), None),
        ((OFFICE,), at("2026-11-24T16:00", BERLIN), at("2026-11-25T09:00", BERLIN)),
        ((OFFICE,), at("2026-11-24T08:59:59.5", BERLIN), at("2026-11-24T09:00", BERLIN)),
        # Thursday evening: the next opening is on Monday.
        ((OFFICE,), at("2026-11-26T20:00", BERLIN), at("2026-11-30T09:00", BERLIN)),
        ((FREEZE,), at("2026-12-19T23:59", BERLIN), None),
        ((FREEZE,), at("2026-12-24T12:00", BERLIN), at("2027-01-04T00:00", BERLIN)),
        # A deny window wins; it ends at night, and the next allow window opens at nine.
        ((OFFICE, FREEZE), at("2026-12-21T10:00", BERLIN), at("2027-01-04T09:00", BERLIN)),
        # Both clock changes of 2026 in Berlin: 29 March 2:00 -> 3:00, 25 October 3:00 -> 2:00.
        (
            (window("deny", "0 0 * * 0", "6h", BERLIN),),
            at("2026-03-29T00:00", "UTC"),
            at("2026-03-29T07:00", BERLIN),  # six hours of elapsed time
        ),
        (
            (window("deny", "0 0 * * 0", "6h", BERLIN),),
            at("2026-10-25T00:00", "UTC"),
            at("2026-10-25T05:00", BERLIN),
        ),
        # Windows that follow one another without a gap are one.
        (
            (window("deny", "0 0 * * *", "12h"), window("deny", "0 12 * * *", "6h")),
            at("2026-11-24T01:00"),
            at("2026-11-24T18:00"),
        ),
    ],
)
def test_when_changes_are_allowed_again(windows, now, until):
    closed = find_closed(windows, now)
    assert (closed.until if closed is not None else None) == (until and until.astimezone(UTC))


def test_a_closed_window_names_the_window_that_denies_now():
    closed = find_closed((OFFICE, FREEZE), at("2026-12-21T10:00", BERLIN))
    assert closed.window is FREEZE
    closed = find_closed((FREEZE, OFFICE), at("2026-11-24T20:00", BERLIN))
    assert closed.window is OFFICE


def test_windows_without_a_gap_have_no_end():
    closed = find_closed((window("deny", "*/5 * * * *", "10m"),), at("2026-11-24T01:00"))
    assert closed.until is None


KINDS = st.sampled_from(["allow", "deny"])
CRONS = st.sampled_from(["0 * * * *", "30 */2 * * *", "15 1,5 * * *", "0 0 * * *", "45 3 * * 0"])
LENGTHS = st.sampled_from(["5m", "30m", "1h", "90m", "3h", "25h"])
ZONES = st.sampled_from(["UTC", BERLIN, "Asia/Kolkata"])
WINDOWS = st.lists(st.builds(window, KINDS, CRONS, LENGTHS, ZONES), max_size=4)


def _allowed(windows, now):
    def is_open(w):
        length = timedelta(seconds=seconds(w.duration.value))
        times = cron.parse(w.cron.value, w.time_zone.value).fires(now - timedelta(days=3), now, 999)
        return any(t <= now < t + length for t in times)

    allows = [w for w in windows if w.kind.value == "allow"]
    denied = any(is_open(w) for w in windows if w.kind.value == "deny")
    return not denied and (not allows or any(map(is_open, allows)))


@given(WINDOWS, st.integers(0, 40 * 24 * 12))
def test_a_walk_by_five_minutes_finds_the_same_times(windows, step):
    now = datetime(2026, 10, 10, tzinfo=UTC) + step * timedelta(minutes=5)
    closed = find_closed(windows, now)
    assert (closed is None) == _allowed(windows, now)
    if closed is not None and closed.until is not None:
        assert _allowed(windows, closed.until)
        moments = (now + k * timedelta(minutes=5) for k in range(200))
        assert not any(_allowed(windows, m) for m in moments if m < closed.until)
