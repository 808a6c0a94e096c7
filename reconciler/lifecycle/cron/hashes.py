"""`H` in a cron expression: a slot that a hash chooses, so that equal schedules spread out.

The grammar is Jenkins' (`H`, `H/15`, `H(0-29)`, `H(0-29)/10`); Argo refuses it, so it is resolved
when a schedule is rendered. The hash is SHA-256: a rename moves the slot, a release of ours never.
"""

from __future__ import annotations

import functools
import hashlib
import re

from reconciler.lifecycle.cron.fields import DAY, FIELDS, CronInvalid, Field, split, value

__all__ = ["resolve"]

_HASHED = re.compile(r"H(?:\((?P<low>[^()-]*)-(?P<high>[^()-]*)\))?(?:/(?P<step>[0-9]{1,9}))?")
# The days that every month has: a hash must not choose one that some months skip.
_COMMON_DAYS = 28


@functools.lru_cache(maxsize=4096)
def resolve(expression: str, seed: str) -> str:
    """The expression with a number or a range in the place of each `H`; without any, unchanged.

    Every field hashes `seed` with its own index (0 to 4). An expression of another number of
    fields is returned as it is: the parser names that mistake. Raises CronInvalid for an `H`
    whose range or step is wrong.
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
