"""When a schedule fires: robfig/cron v3.0.1 as Argo Workflows 3.7 calls it, to the second.

Source: `spec.go` (SpecSchedule.Next) and `constantdelay.go` of that version, and Go's `time.Date`
for local times that a clock change skips or doubles. This module copies upstream's behaviour with
its mistakes, because a plan must predict what the controller will do. "Upstream" below means
robfig/cron v3.0.1.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from reconciler.lifecycle.cron import hashes
from reconciler.lifecycle.cron.every import delay
from reconciler.lifecycle.cron.fields import FIELDS, Bits, CronInvalid, read, split
from reconciler.suggest import nearest, question

__all__ = ["CronInvalid", "Schedule", "in_transition", "never_fires", "parse", "resolve_hash"]

_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
# Entries of a system's zone folder that are no IANA zones: copies with leap seconds, and the zone
# of the machine.
_NO_ZONES = ("posix/", "right/", "localtime", "posixrules", "Local")
_YEARS_SEARCHED = 5
_ALL_HOURS = (1 << 24) - 1
# The five years after this date hold a 29 February, and no zone has ended its rules before it.
_REFERENCE = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed expression in its zone. For `@every` the delay is in `every`, and the fields are
    empty."""

    expression: str
    zone: str
    minutes: Bits
    hours: Bits
    days: Bits
    months: Bits
    weekdays: Bits
    every: timedelta | None = None

    def next(self, after: datetime) -> datetime | None:
        """The first time later than `after`, in UTC. None when there is none within five years.

        Raises ValueError when `after` has no zone. Cost: some tens of steps; at worst one step per
        day of five years.
        """
        if after.tzinfo is None:
            raise ValueError("a time without a zone")
        moment = (after.astimezone(UTC) - _EPOCH) // timedelta(seconds=1)
        if self.every is not None:
            return _EPOCH + timedelta(seconds=moment) + self.every
        found = _Search(self, moment + 1).run()
        return None if found is None else _EPOCH + timedelta(seconds=found)

    def fires(self, after: datetime, until: datetime, limit: int) -> Iterator[datetime]:
        """Times later than `after` and not later than `until`, in order, at most `limit`."""
        moment: datetime | None = after
        for _ in range(limit):
            moment = self.next(moment) if moment is not None else None
            if moment is None or moment > until:
                return
            yield moment

    def day_matches(self, day: int, weekday: int) -> bool:
        """Whether a day matches the two day fields. `weekday` is 0 for Sunday. When both fields
        restrict the day, one of them must match; otherwise both."""
        by_day, by_weekday = self.days.has(day), self.weekdays.has(weekday)
        if self.days.star or self.weekdays.star:
            return by_day and by_weekday
        return by_day or by_weekday

    def matches(self, local: datetime) -> bool:
        """Whether a local minute matches the fields. Clock changes are not considered."""
        return (
            self.minutes.has(local.minute)
            and self.hours.has(local.hour)
            and self.months.has(local.month)
            and self.day_matches(local.day, local.isoweekday() % 7)
        )


@functools.lru_cache(maxsize=4096)
def parse(expression: str, zone: str) -> Schedule:
    """The schedule of five fields, of a descriptor such as `@daily`, or of `@every 90m`. `zone` is
    an IANA name; "" means UTC.

    Raises CronInvalid, with the code E_TIME_ZONE for the zone and E_CRON for the expression.
    """
    zone = zone or "UTC"
    _zone(zone)
    text = expression.strip()
    interval = None
    if text.startswith("@"):
        interval = delay(text)
        if interval is None and text not in _DESCRIPTORS:
            raise CronInvalid(
                f"there is no descriptor {text!r}", hint="known: " + ", ".join(sorted(_DESCRIPTORS))
            )
    parts = split(_DESCRIPTORS.get(text, text)) if interval is None else [","] * len(FIELDS)
    if len(parts) != len(FIELDS):
        wanted = "minute, hour, day of month, month, day of week"
        raise CronInvalid(
            f"five fields are needed and {len(parts)} were found in {text!r}",
            hint=f"the fields are {wanted}" + ("; there are no seconds" if len(parts) > 5 else ""),
        )
    minutes, hours, days, months, weekdays = (
        read(part, field) for part, field in zip(parts, FIELDS, strict=True)
    )
    return Schedule(expression, zone, minutes, hours, days, months, weekdays, interval)


def resolve_hash(expression: str, seed: str) -> str:
    """The expression with a number or range, chosen by a hash of `seed`, in place of each `H`.
    Raises CronInvalid for a wrong `H`."""
    return hashes.resolve(expression, seed)


def never_fires(schedule: Schedule) -> bool:
    """Whether no date matches, for example 30 February, or a field allows nothing."""
    return schedule.next(_REFERENCE) is None


def in_transition(schedule: Schedule, year: int) -> bool:
    """Whether a clock change of that year makes this schedule lose, double or shift a run.

    False for a schedule of every hour when the clock changes by whole hours: its runs keep their
    distance of one hour.
    """
    if schedule.every is not None:
        return False
    for moment, before, after in _offset_changes(schedule.zone, year):
        whole = (after - before) % 3600 == 0
        if whole and schedule.hours.set == _ALL_HOURS:
            continue
        low, high = sorted((moment + before, moment + after))
        if any(schedule.matches(_wall(second)) for second in range(low, high, 60)):
            return True
        if not whole and _shifts_runs(schedule, moment, before, after):
            return True
    return False


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86400


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    if _ZONE.fullmatch(name) and not name.startswith(_NO_ZONES):
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
            pass
    known = zoneinfo.available_timezones()
    folded = {zone.lower(): zone for zone in known}
    close = nearest(name.lower(), folded)
    if close is None:
        cities = {zone.rsplit("/")[-1].lower(): zone for zone in sorted(known)}
        folded, close = cities, nearest(name.lower(), cities, cutoff=0.8)
    hint = question(folded[close]) if close else "an IANA name, e.g. Europe/Berlin"
    raise CronInvalid(f"there is no time zone {name!r}", code="E_TIME_ZONE", hint=hint)


def _wall(seconds: int) -> datetime:
    """The local time that is `seconds` after the epoch when no day has a clock change."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)


def _offset(zone: tzinfo, moment: int) -> int:
    offset = (_EPOCH + timedelta(seconds=moment)).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(seconds=1)


@functools.lru_cache(maxsize=1024)
def _offset_changes(name: str, year: int) -> tuple[tuple[int, int, int], ...]:
    """Every change of a zone's offset in a year: its moment, the offset before and the offset
    after, in seconds.

    Compares the offsets every ten days and then searches by halves: no zone changes its offset and
    changes it back within ten days.
    """
    zone = _zone(name)
    found = []
    start = (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
    marks = [start + day * _DAY for day in (*range(0, 366, 10), 366)]
    offsets = [_offset(zone, mark) for mark in marks]
    for index in range(len(marks) - 1):
        before, after = offsets[index], offsets[index + 1]
        if before == after:
            continue
        low, high = marks[index], marks[index + 1]
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _offset(zone, middle) == after else (middle, high)
        found.append((high, before, after))
    return tuple(found)


def _shifts_runs(schedule: Schedule, moment: int, before: int, after: int) -> bool:
    """Whether upstream's times around a clock change differ from the times that the fields name.
    Upstream steps by whole hours, so a change of half an hour shifts runs near it too."""
    low, high = moment + before - _DAY, moment + after + _DAY
    wanted = [wall for s in range(low - low % 60, high, 60) if schedule.matches(wall := _wall(s))]
    zone = _zone(schedule.zone)
    fired = schedule.fires(
        _EPOCH + timedelta(seconds=moment - _DAY - 1),
        _EPOCH + timedelta(seconds=moment + _DAY - 1),
        len(wanted) + 1,
    )
    return [time.astimezone(zone).replace(tzinfo=None) for time in fired] != wanted


class _Search:
    """One search for the next time. `moment` is in Unix seconds; `local` is its local time."""

    def __init__(self, schedule: Schedule, moment: int) -> None:
        self.schedule = schedule
        self.zone = _zone(schedule.zone)
        self.set(moment)
        self.reset = False
        """Upstream's `added`: after a field has moved, all smaller fields are at their start."""

    def set(self, moment: int) -> None:
        self.moment = moment
        self.local = datetime.fromtimestamp(moment, self.zone)

    def set_local(self, year: int, month: int, day: int, time: int) -> None:
        """Moves to a local time as Go's `time.Date` reads it. For a local time that does not exist
        or exists twice, Go looks up the offset, then again with the first result, and uses the
        second offset. A day after the end of its month counts into the next month. `time` is in
        seconds of the day."""
        wall = ((datetime(year, month, 1, tzinfo=UTC) - _EPOCH).days + day - 1) * _DAY + time
        self.set(wall - _offset(self.zone, wall - _offset(self.zone, wall)))

    def run(self) -> int | None:
        schedule = self.schedule
        if 0 in (schedule.minutes.set, schedule.hours.set, schedule.months.set):
            return None
        if not (schedule.days.set or schedule.weekdays.set):
            return None
        last = self.local.year + _YEARS_SEARCHED
        while self.local.year <= last:
            if self.month() and self.day() and self.hour() and self.minute() and self.second():
                return self.moment
        return None

    # Each method below moves its field until the field matches. False means that the field has
    # wrapped around, so the larger fields must be checked again.

    def month(self) -> bool:
        while not self.schedule.months.has(self.local.month):
            year, month = self.local.year, self.local.month
            if not self.reset:
                self.reset = True
                self.set_local(year, month, 1, 0)
            year, month = self.local.year, self.local.month
            following = (year + 1, 1) if month == 12 else (year, month + 1)
            self.set_local(*following, self.local.day, self._time())
            if self.local.month == 1:
                return False
        return True

    def day(self) -> bool:
        while not self.schedule.day_matches(self.local.day, self.local.isoweekday() % 7):
            if not self.reset:
                self.reset = True
                self.set_local(self.local.year, self.local.month, self.local.day, 0)
            before = self.moment
            self.set_local(self.local.year, self.local.month, self.local.day + 1, self._time())
            # Midnight may not exist: move near it by whole hours, as upstream does.
            if (hour := self.local.hour) != 0:
                self.set(self.moment + (24 - hour if hour > 12 else -hour) * 3600)
            if self.moment <= before:
                # A day that does not exist (Apia, 30 December 2011): upstream would loop for ever.
                self.set(before + _DAY)
            if self.local.day == 1:
                return False
        return True

    def hour(self) -> bool:
        allowed = self.schedule.hours.set
        while not allowed >> (hour := self.local.hour) & 1:
            if not self.reset:
                self.reset = True
                now = self.local
                self.set_local(now.year, now.month, now.day, now.hour * 3600)
                hour = self.local.hour
            self.ahead(_steps(allowed, hour, 24) or 1, 3600)
            if self.local.hour == 0:
                return False
        return True

    def minute(self) -> bool:
        allowed = self.schedule.minutes.set
        while not allowed >> (minute := self.local.minute) & 1:
            if not self.reset:
                self.reset = True
                self.set(self.moment - self.moment % 60)
            self.ahead(_steps(allowed, minute, 60), 60)
            if self.local.minute == 0:
                return False
        return True

    def ahead(self, steps: int, seconds: int) -> None:
        """Takes `steps` of upstream's steps at once, each of `seconds`. Takes only one step when a
        clock change lies between, because the clock may then skip the wanted time."""
        start, offset = self.moment, self.local.utcoffset()
        self.set(start + steps * seconds)
        if self.local.utcoffset() != offset:
            self.set(start + seconds)

    def second(self) -> bool:
        """Moves to a full minute, because only full minutes fire."""
        self.reset = self.reset or self.local.second != 0
        while self.local.second != 0:
            self.ahead(60 - self.local.second, 1)
            if self.local.second == 0:
                return False
        return True

    def _time(self) -> int:
        return (self.local.hour * 60 + self.local.minute) * 60 + self.local.second


def _steps(allowed: int, now: int, size: int) -> int:
    """The number of steps from a field's value to the next allowed value, or to the end of the
    field's range."""
    later = allowed >> now
    return (later & -later).bit_length() - 1 if later else size - now
