"""Ends a run early: signals and the deadline.

After the first signal nothing new begins: a running write ends, and the leases are given back. A
second signal ends the process at once. So do nine seconds after the first signal, because process
managers kill a process ten or thirty seconds after they ask it to end.
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
    """A signal came while the run was only reading."""


class Shutdown:
    """The end of a run. `monotonic` is the clock of the deadline, which is in seconds after
    `begin`. `catch_signals` sets the signal handlers."""

    def __init__(self, monotonic: Callable[[], float], deadline: float | None = None) -> None:
        self._monotonic = monotonic
        self._deadline = deadline
        self._began = monotonic()
        self._signal = ""
        self._reading = 0
        self._wake = threading.Event()

    def begin(self) -> None:
        """Begins a pass: the deadline counts from now."""
        self._began = self._monotonic()

    def why(self) -> str:
        """Why nothing more may begin; "" while it may."""
        if self._signal:
            return f"ended by {self._signal}"
        if self._deadline is not None and self._monotonic() - self._began > self._deadline:
            return f"the deadline of {self._deadline:g} s has passed"
        return ""

    def left(self) -> float:
        """The seconds until the deadline; infinite without one."""
        if self._deadline is None:
            return float("inf")
        return max(0.0, self._began + self._deadline - self._monotonic())

    @property
    def signalled(self) -> bool:
        """Whether a signal came."""
        return bool(self._signal)

    @property
    def by_keyboard(self) -> bool:
        """Whether the signal was Ctrl-C."""
        return self._signal == signal.SIGINT.name

    def wake(self) -> None:
        """Ends a pause early."""
        self._wake.set()

    def sleep(self, seconds: float) -> None:
        """Waits within a pass; returns early when a signal comes or the deadline passes, but not at
        `wake`."""
        until = self._monotonic() + min(seconds, self.left())
        while not self._signal and (remaining := until - self._monotonic()) > 0:
            threading.Event().wait(min(remaining, 0.2))

    def pause(self, seconds: float, beat: Callable[[], None]) -> None:
        """Waits between two passes, until the time is up, `wake` is called, or a signal comes.
        Calls `beat` again and again meanwhile. No deadline runs until the next `begin`."""
        self._began = float("inf")
        until = self._monotonic() + seconds
        while not self._signal and (remaining := until - self._monotonic()) > 0:
            beat()
            if self._wake.wait(min(remaining, _SLICE)):
                break
        if not self._signal:
            self._wake.clear()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Code in the block may be interrupted at any point. Raises Interrupted."""
        if self._signal:
            raise Interrupted
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Handles SIGTERM and SIGINT in the block, when called in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, self._handle_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._signal:
            os._exit(128 + number)
        self._signal = signal.Signals(number).name
        self._wake.set()
        # A request may hang. The leases are then not given back, because it may still write.
        timer = threading.Timer(_PATIENCE, os._exit, (128 + number,))
        timer.daemon = True
        timer.start()
        if self._reading:
            raise Interrupted
