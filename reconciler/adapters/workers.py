"""Makes requests in several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Threads"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Threads:
    """Implements `ports.Workers` with at most `count` calls at once."""

    def __init__(self, count: int) -> None:
        self._count = count

    def map(self, call: Callable[[_In], _Out], items: Iterable[_In]) -> tuple[_Out, ...]:
        """As `ports.Workers.map`. Uses a new pool, so that a call may itself use `map`."""
        todo = tuple(items)
        if len(todo) < 2 or self._count < 2:
            return tuple(map(call, todo))
        with ThreadPoolExecutor(min(self._count, len(todo))) as pool:
            return tuple(pool.map(call, todo))
