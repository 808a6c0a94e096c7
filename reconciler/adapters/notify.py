"""Notifications by POST: signed CloudEvents, sent in the background, with retries after growing
pauses.

A target that refuses, hangs, redirects or answers with nonsense does not change the result of a
run. A notification that cannot be delivered in time is dropped and counted.
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
    """A URL of --notify. Raises UsageMistake unless it is http(s) and without user and password."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        try:
            is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or parts.username is not None or any(c in self.url for c in "\r\n \t"):
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
    """Delivers events to every target, in its own thread. An event's id is delivered at most once
    per target. `counted` is called with `success`, `retried` or `dropped`."""

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
        self._accepted: dict[tuple[str, str], None] = {}
        self._waiting: queue.Queue[_Delivery | None] = queue.Queue()
        self._remaining = 0
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="notify", daemon=True)
        self._thread.start()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Accepts an event for delivery. Never blocks and never raises."""
        body = json.dumps(event, sort_keys=True).encode()
        for target in self._targets:
            accepted = (target.url, str(event["id"]))
            if accepted in self._accepted:
                continue
            self._accepted[accepted] = None
            while len(self._accepted) > _MOST_REMEMBERED:
                del self._accepted[next(iter(self._accepted))]
            if self._waiting.qsize() >= _MOST_WAITING:
                self._counted("dropped")
                continue
            with self._changed:
                self._remaining += 1
            self._waiting.put(_Delivery(target, str(event["id"]), body))

    def close(self, patience: float) -> None:
        """Waits at most `patience` seconds for deliveries; drops the rest."""
        with self._changed:
            self._changed.wait_for(lambda: self._remaining == 0, patience)
        self._ended.set()
        self._waiting.put(None)
        self._thread.join(0.2)

    def _deliver(self) -> None:
        later: list[_Delivery] = []
        while not self._ended.is_set():
            delivery = self._next(later)
            if delivery is None:
                continue
            delivery.tries += 1
            is_delivered = self._post(delivery)
            if not is_delivered and delivery.tries < _TRIES:
                self._counted("retried")
                delivery.due = time.monotonic() + self._pause * 2 ** (delivery.tries - 1)
                later.append(delivery)
                continue
            self._counted("success" if is_delivered else "dropped")
            with self._changed:
                self._remaining -= 1
                self._changed.notify_all()

    def _next(self, later: list[_Delivery]) -> _Delivery | None:
        """The next delivery that is due. New ones do not wait for those of a dead target."""
        later.sort(key=lambda delivery: delivery.due)
        now = time.monotonic()
        if later and later[0].due <= now:
            return later.pop(0)
        try:
            return self._waiting.get(timeout=later[0].due - now if later else None)
        except queue.Empty:
            return None

    def _post(self, delivery: _Delivery) -> bool:
        parts = urlsplit(delivery.target.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else None
        connection: http.client.HTTPConnection
        try:
            if kind is not None:
                context = ssl.create_default_context()
                connection = kind(
                    parts.hostname or "", parts.port, timeout=self._seconds, context=context
                )
            else:
                connection = http.client.HTTPConnection(
                    parts.hostname or "", parts.port, timeout=self._seconds
                )
        except (OSError, ValueError):
            return False
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            connection.request("POST", path, delivery.body, self._headers(delivery))
            # A redirect counts as a refusal: the event must not go to another host.
            return 200 <= connection.getresponse().status < 300
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def _headers(self, delivery: _Delivery) -> dict[str, str]:
        headers = {
            "Content-Type": "application/cloudevents+json",
            "User-Agent": f"{DISTRIBUTION}/{__version__}",
            "Idempotency-Key": delivery.id,
        }
        if self._secret:
            digest = hmac.new(self._secret, delivery.body, hashlib.sha256).hexdigest()
            headers["X-Reconciler-Signature-256"] = f"sha256={digest}"
        return headers
