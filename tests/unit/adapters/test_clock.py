"""The real clock."""

import time
from datetime import UTC, timedelta

import pytest

from reconciler.adapters.clock import SystemClock


def test_the_time_is_in_utc_and_does_not_run_backwards():
    clock = SystemClock()
    first, second = clock.now(), clock.now()
    assert first.tzinfo is UTC
    assert timedelta(0) <= second - first < timedelta(hours=1)


@pytest.mark.parametrize("seconds", [0, -1, -0.5])
def test_sleeping_no_time_returns_at_once(seconds, monkeypatch):
    def never(_):
        raise AssertionError("slept")

    monkeypatch.setattr("time.sleep", never)
    SystemClock().sleep(seconds)


def test_sleeping_some_time_sleeps_that_long(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    SystemClock().sleep(2.5)
    assert slept == [2.5]


def test_durations_do_not_follow_the_wall_clock(monkeypatch):
    """F109: an NTP step of an hour, either way."""
    clock = SystemClock()
    real = time.time
    before = clock.monotonic()
    for step in (3600, -3600):
        monkeypatch.setattr(time, "time", lambda step=step: real() + step)
        assert 0 <= clock.monotonic() - before < 600
