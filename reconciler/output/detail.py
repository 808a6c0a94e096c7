"""The differences inside one field, as deepdiff finds them. Only values that differ are compared,
and only up to a size, since deepdiff takes milliseconds even for small values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

__all__ = ["lines"]

_LARGEST = 20_000
_MOST_LINES = 20


def lines(before: Any, after: Any) -> Iterator[str]:
    """One line per difference, sorted, with paths relative to the field; at most 20 of them.

    Values that have more than 20,000 bytes of JSON together give one line with their size."""
    size = len(orjson.dumps([before, after], default=str))
    if size > _LARGEST:
        yield f"changed ({size} bytes, too large to compare in detail)"
        return
    from deepdiff import DeepDiff

    found = DeepDiff(before, after, verbose_level=2, threshold_to_diff_deeper=0)
    rows = []
    for kind, changes in found.items():
        if not isinstance(changes, dict):
            rows += [f"{_path(path)} {kind.replace('_', ' ')}" for path in changes]
            continue
        for path, change in changes.items():
            rows.append(f"{_path(path)}   {_describe(kind, change)}")
    rows.sort()
    yield from rows[:_MOST_LINES]
    if len(rows) > _MOST_LINES:
        yield f"and {len(rows) - _MOST_LINES} more"


def _path(path: str) -> str:
    return path.removeprefix("root").replace("['", ".").replace("']", "").lstrip(".") or "."


def _describe(kind: str, change: Any) -> str:
    if kind.endswith("_added"):
        return f"+ {_short(change)}"
    if kind.endswith("_removed"):
        return f"- {_short(change)}"
    if isinstance(change, dict) and "old_value" in change:
        return f"{_short(change['old_value'])} -> {_short(change['new_value'])}"
    return kind.replace("_", " ")


def _short(datum: Any) -> str:
    text = orjson.dumps(datum, default=str).decode()
    return text if len(text) <= 60 else text[:57] + "…"
