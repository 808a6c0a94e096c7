"""Counts and lists of names as text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["count", "listed"]


def listed(names: Sequence[object], most: int = 6) -> str:
    """The first `most` names, and the number of the other names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def count(number: int, what: str) -> str:
    """`1 app`, `2 apps`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
