"""When a run has to end: signals and the deadline.

The first signal lets nothing new begin: a write under way ends, the leases are given back. The
second one ends the process at once. So does a minute's worth of patience that is nine seconds long:
who asked us to end kills us after ten or thirty.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "Shutdown"]

_PATIENCE = 9.0
_SLICE = 2.0


class Interrupted(BaseException):
    """A signal came while nothing but reading was under way."""


class Shutdown:
    """`monotonic` is the clock of the deadline. Signals are taken by `installed`."""

    def __init__(self, monotonic: Callable[[], float], deadline: float | None = None) -> None:
        self._monotonic = monotonic
        self._deadline = deadline
        self._began = monotonic()
        self._signal = ""
        self._reading = 0
        self._wake = threading.Event()

    def begin(self) -> None:
        """A pass begins: its deadline counts from here."""
        self._began = self._monotonic()

    def why(self) -> str:
        """Why nothing may begin any more; "" while it may."""
        if self._signal:
            return f"ended by {self._signal}"
        if self._deadline is not None and self._monotonic() - self._began > self._deadline:
            return f"the deadline of {self._deadline:g} s is over"
        return ""

    @property
    def signalled(self) -> bool:
        return bool(self._signal)

    def wake(self) -> None:
        """Ends a pause early."""
        self._wake.set()

    def sleep(self, seconds: float) -> None:
        """Returns early when a signal comes. For waits within a run: a wake-up is no reason."""
        until = self._monotonic() + seconds
        while not self._signal and (left := until - self._monotonic()) > 0:
            threading.Event().wait(min(left, 0.2))

    def pause(self, seconds: float, beat: Callable[[], None]) -> None:
        """Between two passes: until the time is up, somebody wakes us, or a signal comes."""
        until = self._monotonic() + seconds
        while not self._signal and (left := until - self._monotonic()) > 0:
            beat()
            if self._wake.wait(min(left, _SLICE)):
                break
        if not self._signal:
            self._wake.clear()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is in here may be broken off at any point."""
        if self._signal:
            raise Interrupted
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Takes SIGTERM and SIGINT, in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, self._taken)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _taken(self, number: int, _frame: FrameType | None) -> None:
        if self._signal:
            os._exit(128 + number)
        self._signal = signal.Signals(number).name
        self._wake.set()
        # A request may hang. What it may still do is why the leases are not given back then.
        last = threading.Timer(_PATIENCE, os._exit, (128 + number,))
        last.daemon = True
        last.start()
        if self._reading:
            raise Interrupted
