"""Notifications by POST: CloudEvents, signed, tried again with growing pauses, beside the run.

A target that refuses, hangs, redirects or answers nonsense changes no result: what cannot be
delivered in time is dropped and counted.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from reconciler import DISTRIBUTION, __version__
from reconciler.errors import UsageMistake
from reconciler.secrets import strip_userinfo

__all__ = ["Notifier", "Target"]

_SECONDS = 5.0
_TRIES = 6
_FIRST_PAUSE = 1.0
_MOST_WAITING = 1000
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Target:
    """One operator's URL. Raises UsageMistake for one that is not http(s) or holds a password."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            fine = False
        if not fine or parts.username is not None or any(c in self.url for c in "\r\n \t"):
            raise UsageMistake(
                f"--notify {strip_userinfo(self.url)!r} is not a URL to post to",
                hint="https://host/path, without user and password; --notify-secret FILE signs",
            )


@dataclass(slots=True)
class _Delivery:
    target: Target
    id: str
    body: bytes
    tries: int = 0
    due: float = field(default=0.0)


class Notifier:
    """Takes events and delivers them in a thread of its own, to every target in turn. The same id
    is delivered at most once to a target. `counted` hears success, retried or dropped."""

    def __init__(
        self,
        targets: tuple[Target, ...],
        secret: bytes,
        counted: Callable[[str], None],
        *,
        pause: float = _FIRST_PAUSE,
        seconds: float = _SECONDS,
    ) -> None:
        self._targets = targets
        self._secret = secret
        self._counted = counted
        self._pause = pause
        self._seconds = seconds
        self._taken: dict[tuple[str, str], None] = {}
        self._waiting: queue.Queue[_Delivery | None] = queue.Queue()
        self._left = 0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="notify", daemon=True)
        self._thread.start()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Never blocks and never raises."""
        body = json.dumps(event, sort_keys=True).encode()
        for target in self._targets:
            taken = (target.url, str(event["id"]))
            if taken in self._taken:
                continue
            self._taken[taken] = None
            while len(self._taken) > _MOST_REMEMBERED:
                del self._taken[next(iter(self._taken))]
            if self._waiting.qsize() >= _MOST_WAITING:
                self._counted("dropped")
                continue
            with self._changed:
                self._left += 1
            self._waiting.put(_Delivery(target, str(event["id"]), body))

    def close(self, patience: float) -> None:
        """Waits at most `patience` seconds for what is on its way; the rest is dropped."""
        with self._changed:
            self._changed.wait_for(lambda: self._left == 0, patience)
        self._ended.set()
        self._waiting.put(None)
        self._thread.join(0.2)

    def _deliver(self) -> None:
        later: list[_Delivery] = []
        while not self._ended.is_set():
            letter = self._next(later)
            if letter is None:
                continue
            letter.tries += 1
            fine = self._post(letter)
            if not fine and letter.tries < _TRIES:
                self._counted("retried")
                letter.due = time.monotonic() + self._pause * 2 ** (letter.tries - 1)
                later.append(letter)
                continue
            self._counted("success" if fine else "dropped")
            with self._changed:
                self._left -= 1
                self._changed.notify_all()

    def _next(self, later: list[_Delivery]) -> _Delivery | None:
        """The next letter that is due; new ones do not wait behind those of a dead target."""
        later.sort(key=lambda letter: letter.due)
        now = time.monotonic()
        if later and later[0].due <= now:
            return later.pop(0)
        try:
            return self._waiting.get(timeout=later[0].due - now if later else None)
        except queue.Empty:
            return None

    def _post(self, letter: _Delivery) -> bool:
        parts = urlsplit(letter.target.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        made: http.client.HTTPConnection
        try:
            if kind is not None:
                context = ssl.create_default_context()
                made = kind(
                    parts.hostname or "", parts.port, timeout=self._seconds, context=context
                )
            else:
                made = http.client.HTTPConnection(
                    parts.hostname or "", parts.port, timeout=self._seconds
                )
        except (OSError, ValueError):
            return False
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            made.request("POST", path, letter.body, self._headers(letter))
            # A redirect is a refusal: another host has no business with what we say.
            return 200 <= made.getresponse().status < 300
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            made.close()

    def _headers(self, letter: _Delivery) -> dict[str, str]:
        headers = {
            "Content-Type": "application/cloudevents+json",
            "User-Agent": f"{DISTRIBUTION}/{__version__}",
            "Idempotency-Key": letter.id,
        }
        if self._secret:
            digest = hmac.new(self._secret, letter.body, hashlib.sha256).hexdigest()
            headers["X-Reconciler-Signature-256"] = f"sha256={digest}"
        return headers
