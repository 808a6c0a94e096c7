"""The real clock."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.adapters.clock import SystemClock


def test_the_time_is_in_utc_and_does_not_run_backwards():
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert timedelta(0) <= second - first < timedelta(hours=1)


@pytest.mark.parametrize("seconds", [0, -1, -0.5])
def test_sleeping_no_time_returns_at_once(seconds):
    begun = time.monotonic()
    SystemClock().sleep(seconds)
    assert time.monotonic() - begun < 0.4


def test_sleeping_some_time_lasts_that_long():
    begun = time.monotonic()
    SystemClock().sleep(0.05)
    assert 0.05 <= time.monotonic() - begun < 5


def _is_one_that_nobody_can_set(monotonic):
    """Whether a clock reads what the machine's own counter reads, which no NTP step moves. Where
    the machine counts the time that it was suspended for, so does the clock."""
    counter = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = time.clock_gettime(counter)
    read = monotonic()
    return before <= read <= time.clock_gettime(counter)


def test_durations_do_not_follow_the_wall_clock():
    """F109: an NTP step of an hour, either way."""
    assert _is_one_that_nobody_can_set(SystemClock().monotonic)


@pytest.mark.parametrize(
    "wall_clock",
    [
        time.time,
        lambda: time.clock_gettime(time.CLOCK_REALTIME),
        lambda: datetime.now(UTC).timestamp(),
        lambda: SystemClock().now().timestamp(),
    ],
    ids=["time", "realtime", "datetime", "now"],
)
def test_the_wall_clock_would_be_noticed(wall_clock):
    assert not _is_one_that_nobody_can_set(wall_clock)
