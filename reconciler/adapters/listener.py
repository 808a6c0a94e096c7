"""The loop's HTTP server: health and metrics for the cluster, a webhook for the Git host.

Callers are not trusted: the size, the time and the number of requests are limited, nothing of a
request is logged or kept, and a webhook call without the secret triggers nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from reconciler.errors import UsageMistake

__all__ = ["Listener", "Webhook", "health_routes", "serve"]

_BODY_LIMIT = 1 << 20
_SECONDS = 10.0
_AT_ONCE = 16

#: (status, content type, text).
Answer = tuple[int, str, str]
#: Takes headers, whose names are in lower case, and the body.
Handler = Callable[[Mapping[str, str], bytes], Answer]


class Webhook:
    """Checks a call's secret and triggers a pass. GitHub signs the body (X-Hub-Signature-256),
    GitLab sends the secret itself (X-Gitlab-Token); both are compared in constant time. `counted`
    is called with `accepted` or `refused`. Raises UsageMistake for an empty secret."""

    def __init__(
        self,
        secret: bytes,
        trigger: Callable[[], None],
        counted: Callable[[str], None] = lambda _result: None,
    ) -> None:
        if not secret:
            raise UsageMistake("a webhook needs a secret")
        self._secret = secret
        self._trigger = trigger
        self._counted = counted

    def __call__(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if not self._is_authentic(headers, body):
            self._counted("refused")
            return HTTPStatus.UNAUTHORIZED, "text/plain", "no valid signature\n"
        self._counted("accepted")
        self._trigger()
        return HTTPStatus.ACCEPTED, "text/plain", "accepted\n"

    def _is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        signed = headers.get("x-hub-signature-256", "").encode("utf-8", "replace")
        if signed:
            digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            return hmac.compare_digest(f"sha256={digest}".encode(), signed)
        token = headers.get("x-gitlab-token", "").encode("utf-8", "replace")
        return bool(token) and hmac.compare_digest(self._secret, token)


def health_routes(
    alive: Callable[[], str], ready: Callable[[], str], metrics: Callable[[], str]
) -> dict[tuple[str, str], Handler]:
    """The routes for health and metrics. `alive` and `ready` return what is wrong, or "". `alive`
    checks only the progress of the main loop: an outage of Git or of the cluster must not restart
    every pod."""

    def probe(ask: Callable[[], str]) -> Handler:
        def answer(_headers: Mapping[str, str], _body: bytes) -> Answer:
            why = ask()
            status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
            return status, "text/plain", f"{why or 'ok'}\n"

        return answer

    def exposed(_headers: Mapping[str, str], _body: bytes) -> Answer:
        return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", metrics()

    return {
        ("GET", "/healthz"): probe(alive),
        ("GET", "/readyz"): probe(ready),
        ("GET", "/metrics"): exposed,
    }


class Listener(ThreadingHTTPServer):
    """Serves one address. At most 16 requests are handled at once; further ones are refused."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: str, routes: Mapping[tuple[str, str], Handler]) -> None:
        host, port = _split(address)
        self.routes = dict(routes)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Request)
        except (OSError, OverflowError) as cause:
            raise UsageMistake(f"{address} cannot be listened on: {cause}") from cause

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Stops listening."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores callers that close the connection."""


def serve(address: str, routes: Mapping[tuple[str, str], Handler]) -> Listener:
    """Listens in a new thread until `close`. Raises UsageMistake."""
    listener = Listener(address, routes)
    threading.Thread(
        target=listener.serve_forever, args=(0.2,), name=f"listen-{listener.port}", daemon=True
    ).start()
    return listener


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageMistake(
            f"{address!r} is not an address to listen on", hint="ADDRESS:PORT, e.g. 0.0.0.0:8080"
        )
    return host.strip("[]"), int(port)


class _Request(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server_version = "reconciler"
    sys_version = ""
    server: Listener

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        self.close_connection = True
        handler = self.server.routes.get((method, self.path.partition("?")[0]))
        if handler is None:
            self._send((HTTPStatus.NOT_FOUND, "text/plain", "not found\n"))
            return
        length = self._length()
        if length is None:
            self._send((HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", "too large\n"))
            return
        body = self.rfile.read(length) if length else b""
        if len(body) != length:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(handler(headers, body))

    def _length(self) -> int | None:
        """The body's size by its header; None when it is too large or not a number."""
        text = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not (text.isascii() and text.isdigit()):
            return None
        return int(text) if len(text) < 10 and int(text) <= _BODY_LIMIT else None

    def _send(self, answer: Answer) -> None:
        status, kind, text = answer
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the request line is chosen by the caller."""
