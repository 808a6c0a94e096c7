"""The five fields of a cron expression, read as robfig/cron v3.0.1's standard parser reads them.

Source of every rule: `parser.go` of that version (normalizeFields, getField, getRange). The
messages here say which field is wrong, what was found and what is allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.errors import ReconcilerError

__all__ = [
    "DAY",
    "FIELDS",
    "HOUR",
    "MINUTE",
    "MONTH",
    "WEEKDAY",
    "Bits",
    "CronInvalid",
    "Field",
    "read",
    "split",
    "value",
]


class CronInvalid(ReconcilerError):
    """An expression or a zone that Argo's controller would refuse. `code` is E_CRON or
    E_TIME_ZONE, `hint` is the way out."""

    code = "E_CRON"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, its bounds, and the names that stand for its numbers (`jan` for 1)."""

    name: str
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        if not self.names:
            return f"{self.lowest} to {self.highest}"
        first, last = self.names[0].upper(), self.names[-1].upper()
        return f"{self.lowest} to {self.highest}, or {first} to {last}"


MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = Field("month", 1, 12, _MONTHS)
WEEKDAY = Field("day of week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)

# What Go's strings.Fields splits at; Python's str.split also takes \x1c to \x1f.
_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
# Upstream reads 64-bit numbers, so a longer number is refused.
_NUMBER = re.compile(r"[+-]?0*[0-9]{1,19}", re.ASCII)
_MOST = 2**63 - 1


class Bits(NamedTuple):
    """The allowed values of one field as a bit set. `star`: the field restricts nothing, which
    decides whether the two day fields are joined by AND or by OR."""

    set: int
    star: bool

    def has(self, number: int) -> bool:
        return bool(self.set >> number & 1)


def split(expression: str) -> list[str]:
    return [part for part in _SPACE.split(expression) if part]


def read(text: str, field: Field) -> Bits:
    """The allowed values of a field's text, a list of ranges with commas. Empty elements are
    skipped as upstream does, so a text of only commas allows nothing. Raises CronInvalid."""
    allowed, star = 0, False
    for element in text.split(","):
        if element:
            bits = _element(element, field)
            allowed |= bits.set
            star |= bits.star
    return Bits(allowed, star)


def _element(text: str, field: Field) -> Bits:
    base, *steps = text.split("/")
    low, *highs = base.split("-")
    if len(steps) > 1:
        raise _wrong(field, f"{text!r} has more than one '/'")
    star = low in ("*", "?")
    if star:
        # Upstream ignores a hyphen after the star and all text up to the slash.
        first, last = field.lowest, field.highest
    else:
        if len(highs) > 1:
            raise _wrong(field, f"{text!r} has more than one '-'")
        first = value(low, field, text)
        last = value(highs[0], field, text) if highs else first
    step = 1
    if steps:
        step = _integer(steps[0], field, f"the step of {text!r}")
        if not highs:
            last = field.highest
        star = star and step <= 1
    _check_bounds(first, last, field, text)
    if step == 0:
        raise _wrong(field, f"the step of {text!r} is 0", "a step is 1 or more")
    return Bits(sum(1 << number for number in range(first, last + 1, step)), star)


def value(text: str, field: Field, within: str) -> int:
    """The number that `text` stands for, a number or a name of the field. Bounds are not checked.
    `within` is the whole element, for the message. Raises CronInvalid."""
    lowered = text.lower()
    if lowered in field.names:
        return field.names.index(lowered) + field.lowest
    return _integer(text, field, repr(text) if text == within else f"{text!r} in {within!r}")


def _integer(text: str, field: Field, label: str) -> int:
    if _NUMBER.fullmatch(text) is None or abs(int(text)) > _MOST:
        names = " or a name" if field.names else ""
        raise _wrong(field, f"{label} is not a number{names}", _hint(text, field))
    if (number := int(text)) < 0:
        raise _wrong(field, f"{label} is negative")
    return number


def _check_bounds(first: int, last: int, field: Field, text: str) -> None:
    context = "" if text in (str(first), str(last)) else f" in {text!r}"
    if first < field.lowest:
        raise _wrong(field, f"{first}{context} is below {field.lowest}", _bounds_hint(first, field))
    if last > field.highest:
        raise _wrong(field, f"{last}{context} is above {field.highest}", _bounds_hint(last, field))
    if first > last:
        hint = f"write two ranges: {first}-{field.highest},{field.lowest}-{last}"
        raise _wrong(field, f"the range {text!r} runs backwards", hint)


def _wrong(field: Field, reason: str, hint: str = "") -> CronInvalid:
    return CronInvalid(f"{field.name}: {reason}", hint=hint or f"allowed is {field.range}")


def _bounds_hint(number: int, field: Field) -> str:
    if field is WEEKDAY and number == 7:
        return "Sunday is 0 or SUN"
    return f"allowed is {field.range}"


def _hint(text: str, field: Field) -> str:
    if re.fullmatch(r"[Hh]\b.*", text):
        return "H is capital, alone or as H/15, H(0-29), H(0-29)/10"
    if text == "":
        return f"a number is missing; allowed is {field.range}"
    if re.fullmatch(r"L|[0-9]*[LW]|LW|[0-9A-Za-z]+#[0-9]+", text):
        return "Argo's cron has no L, W or #"
    return f"allowed is {field.range}"
