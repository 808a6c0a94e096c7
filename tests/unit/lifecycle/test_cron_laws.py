"""Laws of fire times, for schedules that nobody thought of."""

import functools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.lifecycle import cron

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kolkata",
)
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


@st.composite
def elements(draw, low, high):
    first, last = sorted((draw(st.integers(low, high)), draw(st.integers(low, high))))
    step = draw(st.integers(1, 20))
    forms = ("*", "?", f"*/{step}", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}")
    return draw(st.sampled_from((*forms, f"{first}/{step}")))


@st.composite
def expressions(draw):
    fields = (st.lists(elements(low, high), min_size=1, max_size=3) for low, high in BOUNDS)
    return " ".join(",".join(draw(field)) for field in fields)


START = datetime(2024, 1, 1, tzinfo=UTC)
moments = st.integers(0, 7 * 366 * 86400).map(lambda second: START + timedelta(seconds=second))
examples = settings(max_examples=80, deadline=None)


@functools.cache
def values(text, low, high):
    """A second reading of one field, by sets and without bits."""
    out = set()
    for part in text.split(","):
        base, _, step = part.partition("/")
        first, hyphen, last = base.partition("-")
        if base in "*?":
            span = (low, high)
        else:
            span = (int(first), int(last) if hyphen else high if step else int(first))
        out |= set(range(span[0], span[1] + 1, int(step or 1)))
    return out


def free(text):
    return any(part in ("*", "?", "*/1") for part in text.split(","))


def naive(text, time):
    minute, hour, day, month, weekday = text.split()
    if time.minute not in values(minute, 0, 59) or time.hour not in values(hour, 0, 23):
        return False
    by_day = time.day in values(day, 1, 31)
    by_weekday = time.isoweekday() % 7 in values(weekday, 0, 6)
    together = by_day and by_weekday if free(day) or free(weekday) else by_day or by_weekday
    return time.month in values(month, 1, 12) and together


@examples
@given(expressions(), st.sampled_from(ZONES), moments)
def test_times_strictly_increase_and_are_later_than_asked(text, zone, start):
    schedule = cron.parse(text, zone)
    at = start
    for _ in range(5):
        following = schedule.next(at)
        if following is None:
            break
        assert following > at
        assert following.second == following.microsecond == 0
        at = following


@settings(examples, max_examples=40)
@given(expressions(), moments)
def test_in_utc_the_times_are_those_of_trying_every_minute(text, start):
    schedule = cron.parse(text, "UTC")
    first = start.replace(second=0)
    end = first + timedelta(hours=30)
    minutes = (first + timedelta(minutes=n) for n in range(1, 30 * 60 + 1))
    wanted = [time for time in minutes if naive(text, time)]
    assert list(schedule.fires(start, end, 2000)) == wanted


@examples
@given(expressions(), st.sampled_from(ZONES), moments)
def test_every_time_is_one_that_the_fields_name_unless_clocks_just_changed(text, zone, start):
    schedule = cron.parse(text, zone)
    end = start + timedelta(days=400)
    for time in schedule.fires(start, end, 20):
        local = time.astimezone(ZoneInfo(zone))
        before = (time - timedelta(hours=26)).astimezone(ZoneInfo(zone))
        changed = local.utcoffset() != before.utcoffset()
        assert changed or naive(text, local.replace(tzinfo=None)), (text, zone, local)


@examples
@given(expressions(), st.sampled_from(ZONES), moments)
def test_asking_from_any_moment_before_a_time_finds_it(text, zone, start):
    schedule = cron.parse(text, zone)
    found = schedule.next(start)
    changes = ZoneInfo(zone)
    if found is not None and start.astimezone(changes).utcoffset() == (
        found.astimezone(changes).utcoffset()
    ):
        assert schedule.next(found - timedelta(seconds=1)) == found


@examples
@given(st.text(max_size=30), st.sampled_from((*ZONES, "", "nowhere")))
def test_any_text_is_read_or_refused_with_a_code(text, zone):
    refused = None
    try:
        cron.parse(text, zone)
    except cron.CronInvalid as invalid:
        refused = invalid
    if zone == "nowhere":
        assert refused is not None
    assert refused is None or (refused.code in ("E_CRON", "E_TIME_ZONE") and refused.message)


@examples
@given(expressions(), st.text(max_size=20))
def test_resolving_is_stable_and_leaves_plain_expressions_alone(text, seed):
    assert cron.resolve_hash(text, seed) == text
    hashed = f"H {text.split(' ', 1)[1]}"
    once = cron.resolve_hash(hashed, seed)
    assert once == cron.resolve_hash(hashed, seed) == cron.resolve_hash(once, "another")
    cron.parse(once, "UTC")
