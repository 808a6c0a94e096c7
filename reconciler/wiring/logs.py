"""Log lines on standard error: one JSON object per line, or text for people.

No name or message can begin a line of its own: JSON is written in ASCII, and in text, line breaks
and control characters are written as escapes.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from reconciler.secrets import printable

__all__ = ["Logs", "Stream", "without_elapsed"]

_LONGEST = 8000
_ELAPSED = re.compile(r" ?\(\d+ s(?: of \d+ s)?\)")


def without_elapsed(text: str) -> str:
    """A progress message without the seconds that have gone by: a message that differs only in
    these says nothing new."""
    return _ELAPSED.sub("", text)


class Stream(Protocol):
    """The part of a text stream that a log needs."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class Logs:
    """Implements `observers.Log` and `ports.Reporter`; safe for threads. `form` is json or text.
    `beat` is called with every progress message."""

    def __init__(
        self,
        stream: Stream,
        form: str,
        now: Callable[[], datetime],
        run: str,
        redact: Callable[[str], str],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._json = form == "json"
        self._now = now
        self._run = run
        self._redact = redact
        self._beat = beat
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}

    def event(self, level: str, message: str, **fields: str) -> None:
        row = {
            "ts": f"{self._now():%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": level,
            "msg": self._redact(message)[:_LONGEST],
            "runID": self._run,
            **{name: self._redact(text)[:_LONGEST] for name, text in fields.items() if text},
        }
        self._write(json.dumps(row) if self._json else _text(row))

    def progress(self, subject: str, text: str) -> None:
        self._beat()
        message = without_elapsed(text)
        if self._last.get(subject) != message:
            self._last[subject] = message
            self.event("info", text, app=subject)

    def _write(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                return  # the reader has closed the stream


_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DIGITS = 12


def _text(row: dict[str, str]) -> str:
    """One line for people; a commit has its first twelve digits, and JSON has all of them."""
    parts = [row["ts"], f"{row['level']:<7}", row["msg"]]
    for name, value in row.items():
        if name not in ("ts", "level", "msg", "runID"):
            short = value[:_DIGITS] if _COMMIT.fullmatch(value) else value
            parts.append(f"{name}={short}")
    return printable(" ".join(parts)).replace("\n", "\\n").replace("\t", "\\t")
