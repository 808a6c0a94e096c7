"""`H` in a cron expression: a number that a hash chooses, so that many schedules do not start at
the same time.

The grammar is Jenkins' (`H`, `H/15`, `H(0-29)`, `H(0-29)/10`). Argo refuses `H`, so the program
resolves it when it draws a schedule. The hash is SHA-256 of a seed, the same in every release.
"""

from __future__ import annotations

import functools
import hashlib
import re

from reconciler.lifecycle.cron.fields import DAY, FIELDS, CronInvalid, Field, split, value

__all__ = ["resolve"]

_HASHED = re.compile(r"H(?:\((?P<low>[^()-]*)-(?P<high>[^()-]*)\))?(?:/(?P<step>[0-9]{1,9}))?")
# Every month has these days. A hash must not choose a day that some months lack.
_COMMON_DAYS = 28


@functools.lru_cache(maxsize=4096)
def resolve(expression: str, seed: str) -> str:
    """The expression with a number or a range in place of each `H`; unchanged without an `H`.

    Each field hashes `seed` with the field's index (0 to 4). An expression that has not five fields
    is returned unchanged: the parser reports that mistake. Raises CronInvalid for an `H` whose
    range or step is wrong.
    """
    parts = split(expression)
    if len(parts) != len(FIELDS) or "H" not in expression:
        return expression
    found = [
        ",".join(_element(text, field, seed, index) for text in part.split(","))
        for index, (part, field) in enumerate(zip(parts, FIELDS, strict=True))
    ]
    return expression if found == parts else " ".join(found)


def _digest(seed: str, index: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}{index}".encode()).digest(), "big")


def _element(text: str, field: Field, seed: str, index: int) -> str:
    if text[:1] != "H":
        return text
    match = _HASHED.fullmatch(text)
    if match is None:
        raise CronInvalid(
            f"{field.name}: {text!r} is not a hashed value",
            hint="write H, H/15, H(0-29) or H(0-29)/10",
        )
    low, high = field.lowest, _COMMON_DAYS if field is DAY else field.highest
    if match["low"] is not None:
        low, high = (value(match[end], field, text) for end in ("low", "high"))
    if low < field.lowest or high > field.highest or low > high:
        raise CronInvalid(
            f"{field.name}: the range of {text!r} is outside {field.lowest} to {field.highest} "
            "or runs backwards",
            hint=f"allowed is {field.range}",
        )
    digest = _digest(seed, index)
    size = high - low + 1
    if match["step"] is None:
        return str(low + digest % size)
    step = int(match["step"])
    if not 0 < step <= size:
        raise CronInvalid(
            f"{field.name}: the step of {text!r} is {step}", hint=f"a step here is 1 to {size}"
        )
    return f"{low + digest % step}-{high}/{step}"
