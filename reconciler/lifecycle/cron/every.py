"""`@every 90m`: a fixed delay, read as Go's `time.ParseDuration` reads it.

Argo accepts `@every`. The config refuses it, because its times drift with every restart of the
controller; but a live object may hold one.
"""

from __future__ import annotations

import re
from datetime import timedelta

from reconciler.lifecycle.cron.fields import CronInvalid

__all__ = ["delay"]

_PREFIX = "@every "
_PART = re.compile(r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>[^0-9.]*)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # the micro sign
    "μs": 10**3,  # the Greek letter
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGEST = 2**63 - 1


def delay(text: str) -> timedelta | None:
    """The delay in whole seconds, at least one. None for a text that does not begin with `@every`.

    Raises CronInvalid for a duration that Go cannot read.
    """
    if not text.startswith(_PREFIX):
        return None
    from fractions import Fraction  # here: an `@every` is rare

    given = text.removeprefix(_PREFIX)
    unsigned = given[1:] if given[:1] in ("+", "-") else given
    total = Fraction(0)
    rest = "" if unsigned == "0" else unsigned
    while rest:
        match = _PART.match(rest)
        if match is None:
            raise _wrong(given, "it is not a duration")
        if match["unit"] not in _NANOSECONDS:
            reason = f"{match['unit']!r} is no unit" if match["unit"] else "a unit is missing"
            raise _wrong(given, reason)
        total += Fraction(match["number"]) * _NANOSECONDS[match["unit"]]
        rest = rest[match.end() :]
    if not unsigned:
        raise _wrong(given, "it is not a duration")
    if total > _LONGEST:
        raise _wrong(given, "it is longer than 292 years")
    if given.startswith("-"):
        total = -total
    return timedelta(seconds=max(1, total // 10**9))


def _wrong(text: str, reason: str) -> CronInvalid:
    return CronInvalid(f"@every {text!r}: {reason}", hint="e.g. @every 90m, with h, m or s")
