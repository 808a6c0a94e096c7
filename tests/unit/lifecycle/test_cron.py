"""Fire times against cases from the controller's own library, refusals, `H`, and clock changes."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from reconciler.lifecycle import cron

CASES = Path(__file__).parents[2] / "cases" / "cron"


def cases(name):
    found = yaml.safe_load((CASES / f"{name}.yaml").read_text())
    return [pytest.param(case, id=case.get("name", case["cron"])) for case in found]


def moment(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("case", cases("fields") + cases("clock-changes"))
def test_the_next_times_are_those_of_the_controller(case):
    schedule = cron.parse(case["cron"], case["zone"])
    at, found = moment(case["after"]), []
    while len(found) < 4 and (at := schedule.next(at)) is not None:
        found.append(at)
    assert found == [moment(text) for text in case["fires"]]
    assert all(time.tzinfo is UTC for time in found)


@pytest.mark.parametrize("case", cases("invalid"))
def test_what_the_controller_refuses_is_refused_with_field_and_range(case):
    with pytest.raises(cron.CronInvalid) as caught:
        cron.parse(case["cron"], case.get("zone", "UTC"))
    assert caught.value.code == case.get("code", "E_CRON")
    assert case["says"] in caught.value.message
    assert case["hint"] in caught.value.hint
    assert str(caught.value) == caught.value.message


@pytest.mark.parametrize("case", cases("hashed"))
def test_a_hash_falls_into_its_range_for_every_seed(case):
    found = {cron.resolve_hash(case["cron"], f"prod/train/model-{n}") for n in range(200)}
    assert all(re.fullmatch(case["form"], text) for text in found)
    if "H" in case["cron"] and "THU" not in case["cron"] and len(case["cron"].split()) == 5:
        assert len(found) > 4
        for text in found:
            cron.parse(text, "UTC")
    else:
        assert found == {case["cron"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("H(0-60) * * * *", "minute: the range of 'H(0-60)' is outside 0 to 59"),
        ("H(9-3) * * * *", "runs backwards"),
        ("H(a-b) * * * *", "minute: 'a' in 'H(a-b)' is not a number"),
        ("H/0 * * * *", "the step of 'H/0' is 0"),
        ("H/61 * * * *", "the step of 'H/61' is 61"),
        ("H(1-2 * * * *", "'H(1-2' is not a hashed value"),
        ("0 H-3 * * *", "hour: 'H-3' is not a hashed value"),
    ],
)
def test_a_wrong_hash_is_refused(text, says):
    with pytest.raises(cron.CronInvalid, match=re.escape(says)) as caught:
        cron.resolve_hash(text, "seed")
    assert caught.value.hint


def test_a_hash_never_moves():
    # Written down once: a release that changes these moves every user's schedules.
    assert cron.resolve_hash("H H H H H", "prod/train/mnist/nightly") == "27 7 24 1 2"
    assert cron.resolve_hash("H/20 * * * *", "prod/train/mnist/weekly") == "18-59/20 * * * *"


def test_fields_of_one_seed_do_not_follow_each_other():
    pairs = {cron.resolve_hash("H H * * *", str(n)).split()[0:2][0] for n in range(300)}
    hours = {cron.resolve_hash("H H * * *", str(n)).split()[1] for n in range(300)}
    both = {tuple(cron.resolve_hash("H H * * *", str(n)).split()[:2]) for n in range(300)}
    assert len(pairs) > 50
    assert len(hours) == 24
    assert len(both) > 200


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("0 0 30 2 *", True),
        ("0 0 31 2,4,6,9,11 *", True),
        (", * * * *", True),
        ("0 0 , * *", True),
        ("0 0 * , *", True),
        ("0 , * * *", True),
        ("0 0 29 2 *", False),
        ("0 0 30 2 MON", False),
        ("0 0 , * MON", False),
        ("@every 1h", False),
        ("* * * * *", False),
    ],
)
def test_a_schedule_that_never_fires_is_known(text, never):
    assert cron.never_fires(cron.parse(text, "Europe/Berlin")) is never


@pytest.mark.parametrize("case", cases("transitions"))
def test_clock_changes_that_touch_a_schedule_are_known(case):
    schedule = cron.parse(case["cron"], case["zone"])
    assert cron.in_transition(schedule, 2027) is case["touched"], case["why"]


def test_no_zone_is_utc():
    assert cron.parse("0 5 * * *", "").zone == "UTC"


def test_the_time_asked_from_may_be_in_any_zone():
    schedule = cron.parse("0 5 * * *", "Asia/Tokyo")
    here = datetime(2026, 5, 4, 12, tzinfo=timezone(timedelta(hours=-7)))
    assert schedule.next(here) == schedule.next(here.astimezone(UTC)) == moment("2026-05-04T20:00Z")


def test_a_time_without_a_zone_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="zone"):
        cron.parse("* * * * *", "UTC").next(datetime(2026, 1, 1))  # noqa: DTZ001


def test_parts_of_a_second_are_dropped_before_the_next_minute():
    schedule = cron.parse("* * * * *", "UTC")
    assert schedule.next(moment("2026-05-04T10:00:59.999999Z")) == moment("2026-05-04T10:01Z")
    assert schedule.next(moment("2026-05-04T10:00:00.000001Z")) == moment("2026-05-04T10:01Z")


def test_fires_end_at_the_limit_and_at_the_last_moment_included():
    schedule = cron.parse("0 * * * *", "UTC")
    start, end = moment("2026-05-04T10:00Z"), moment("2026-05-04T13:00Z")
    assert [t.hour for t in schedule.fires(start, end, 10)] == [11, 12, 13]
    assert [t.hour for t in schedule.fires(start, end, 2)] == [11, 12]
    assert list(schedule.fires(start, start, 5)) == []
    never = cron.parse("0 0 30 2 *", "UTC")
    assert list(never.fires(start, end, 5)) == []


def test_a_whole_lost_day_ends_the_search_and_not_the_program():
    # Upstream never returns here: Apia had no 30 December 2011.
    schedule = cron.parse("15 3 1 * *", "Pacific/Apia")
    assert schedule.next(moment("2011-12-01T13:15Z")) == moment("2011-12-31T13:15Z")


def test_a_schedule_is_a_value():
    one, other = (cron.parse("0 0 * * *", "UTC") for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.zone = "Asia/Tokyo"  # type: ignore[misc]
