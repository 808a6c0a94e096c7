"""Sends requests to an API server, with the credentials and connections of the `kubernetes`
package.

Nothing else of that package is used: its models and calls are slow, and it has its own rules for
retries. Here, a request that is refused for now (429, or 503 with Retry-After) is sent again after
the time that the server names, and a read without an answer is sent again; a write without an
answer is never sent again. The run's deadline bounds all of these waits.
A client that may only read refuses to send a write, whatever code asks for it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import orjson

from reconciler import DISTRIBUTION, __version__
from reconciler.errors import UsageMistake

if TYPE_CHECKING:
    from kubernetes.client.configuration import Configuration

__all__ = ["Access", "Allows", "HttpAnswer", "NoAnswer", "NotAllowed", "Transport"]

_READ_TRIES = 3
_PAUSE_SECONDS = 0.5
#: The most seconds that one request waits in all because the server asks for pauses.
_PATIENCE_SECONDS = 60.0
_UNREADY = frozenset({502, 503, 504})
#: Requests per second, and at once, for a server without Priority and Fairness (`Transport.pace`).
_RATE, _BURST = 50.0, 300
_WARNING = re.compile(r'\s*\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"')


class Allows(IntEnum):
    """The requests that a client may send; each value includes those before it."""

    READS = 0
    DRY_RUNS = 1
    WRITES = 2


@dataclass(frozen=True, slots=True)
class Access:
    """The access to one cluster, and the requests that are allowed. Without `kubeconfig`, the
    service account of the program's pod is used; without `context`, the file's current context.
    `connect` and `read` are time-outs in seconds per attempt. At most `connections` requests are
    sent at once.

    Proxies are taken only from the kubeconfig, because the environment's proxies could send the
    cluster's credentials elsewhere.
    """

    kubeconfig: str = ""
    context: str = ""
    allows: Allows = Allows.READS
    connect: float = 5.0
    read: float = 60.0
    connections: int = 8


class HttpAnswer(NamedTuple):
    status: int
    data: bytes
    warnings: tuple[str, ...] = ()
    retry_after: float | None = None
    etag: str = ""


class NoAnswer(Exception):
    """A request was sent, or perhaps sent, and had no answer: a write may have been carried out."""


class NotAllowed(Exception):
    """A defect of this program: a client was asked for a request that it may not send. Nothing was
    sent."""


class Transport:
    """Open connections to one API server; safe for threads. `requests` counts every request that
    was sent. `learn` is called with every token that is used, so that the token is redacted. `left`
    returns the seconds until the run's deadline, which bounds every wait.

    Raises UsageMistake when the kubeconfig cannot be used.
    """

    def __init__(
        self,
        access: Access,
        sleep: Callable[[float], None],
        learn: Callable[[str], None] = lambda _token: None,
        left: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self.access = access
        self._learn = learn
        self.requests = 0
        self._sleep = sleep
        self._left = left
        #: Namespace → until when no request to it waits for a throttling server again.
        self._tired: dict[str, float] = {}
        self._lock = threading.Lock()
        self._pace: _Pace | None = None
        self._configuration = _configuration(access)
        self._configuration.connection_pool_maxsize = access.connections
        self._pool = _pool(self._configuration)
        self.host: str = str(self._configuration.host).rstrip("/")

    def close(self) -> None:
        self._pool.clear()

    def pace(self, *, shared_out: bool) -> None:
        """Sets the rate limit. `shared_out`: the server has Priority and Fairness (it serves the
        group flowcontrol.apiserver.k8s.io) and limits requests itself; without that, this client
        limits its own rate."""
        self._pace = None if shared_out else self._pace or _Pace(_RATE, _BURST, self._sleep)

    def request(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> HttpAnswer:
        """Sends one request, with the waits and retries that are safe for it. Raises NoAnswer, and
        NotAllowed for a request that this client may not send."""
        query = list(query)
        self._check_allowed(method, path, query, body)
        text = urlencode(query)
        url = f"{self.host}{path}?{text}" if text else f"{self.host}{path}"
        waited, tries, renewed = 0.0, 0, False
        while True:
            tries += 1
            try:
                answer = self._once(method, url, body, headers)
            except NoAnswer:
                if method != "GET" or tries >= _READ_TRIES:
                    raise
                self._sleep(_PAUSE_SECONDS * tries)
                continue
            if answer.status == 401 and not renewed:
                # The token may have been renewed on disk since it was read: read it once again.
                renewed = True
                self._configuration = _configuration(self.access)
                continue
            pause = self._pause(method, answer, tries)
            if pause is None:
                self._tired.pop(_namespace(path), None)
                return answer
            if waited + pause > self._patience(path):
                self._tired[_namespace(path)] = time.monotonic() + _PATIENCE_SECONDS
                return answer
            waited += pause
            self._sleep(pause)

    def _check_allowed(
        self, method: str, path: str, query: list[tuple[str, str]], body: bytes | None
    ) -> None:
        """Raises NotAllowed for a request that this client may not send. All requests pass here, so
        a plan cannot write."""
        if method == "GET" or self.access.allows is Allows.WRITES:
            return
        is_dry_run = dict(query).get("dryRun") == "All"
        # The server ignores the query of a DELETE that has options in its body.
        if method == "DELETE":
            is_dry_run = orjson.loads(body or b"{}").get("dryRun") == ["All"]
        if not is_dry_run or self.access.allows is Allows.READS:
            raise NotAllowed(f"{method} {path} from a client that allows {self.access.allows.name}")

    def _patience(self, path: str) -> float:
        """The most seconds that a request waits in all. After a request that waited in vain, others
        to its namespace do not wait: one throttled group must not hold up the others. For the same
        reason one request takes no more than a quarter of the time that is left."""
        if time.monotonic() < self._tired.get(_namespace(path), 0.0):
            return 0.0
        return min(_PATIENCE_SECONDS, self._left() / 4)

    def _pause(self, method: str, answer: HttpAnswer, tries: int) -> float | None:
        """The seconds to wait before the request is sent again; None when it is not."""
        if answer.status == 429:
            return answer.retry_after if answer.retry_after is not None else 1.0
        if answer.status == 503 and answer.retry_after is not None and method != "GET":
            return (
                answer.retry_after
            )  # the server says that it did not do it, and when to ask again
        if method == "GET" and answer.status in _UNREADY and tries < _READ_TRIES:
            return answer.retry_after if answer.retry_after is not None else _PAUSE_SECONDS * tries
        return None

    def _once(
        self, method: str, url: str, body: bytes | None, headers: tuple[tuple[str, str], ...]
    ) -> HttpAnswer:
        import urllib3

        sent = {
            "User-Agent": f"{DISTRIBUTION}/{__version__}",
            "Accept": "application/json",
            **dict(headers),
        }
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            self._learn(token.strip().rpartition(" ")[2])
            sent["Authorization"] = token.strip()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        if self._pace is not None:
            self._pace.wait()
        with self._lock:
            self.requests += 1
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers=sent,
                timeout=urllib3.Timeout(
                    connect=self.access.connect,
                    read=min(self.access.read, max(1.0, self._left())),
                ),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as cause:
            raise NoAnswer(f"no answer from {self.host}: {_error_text(cause)}") from cause
        return HttpAnswer(
            response.status,
            response.data,
            tuple(_warnings(response.headers)),
            _seconds(response.headers.get("Retry-After")),
            response.headers.get("ETag", ""),
        )


_NAMESPACE = re.compile(r"/namespaces/([^/]+)/")


def _namespace(path: str) -> str:
    """The namespace that a path leads into; "" for other paths."""
    found = _NAMESPACE.search(path)
    return found[1] if found is not None else ""


class _Pace:
    """A rate limit: a bucket of `burst` requests that refills by `rate` per second."""

    def __init__(self, rate: float, burst: int, sleep: Callable[[float], None]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._sleep = sleep
        self._available = float(burst)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._available = min(self._burst, self._available + (now - self._at) * self._rate) - 1
            self._at = now
            owed = -self._available / self._rate
        if owed > 0:
            self._sleep(owed)


def _error_text(cause: Exception) -> str:
    """The cause without urllib3's object representations."""
    return re.sub(r"<[^<>]*object at 0x[0-9a-f]+>:? ?", "", str(cause)) or type(cause).__name__


def _warnings(headers: Any) -> Iterable[str]:
    """The texts of all Warning headers: `299 - "text"`, several in one header or in many."""
    for header in headers.getlist("Warning"):
        for text in _WARNING.findall(header):
            yield re.sub(r"\\(.)", r"\1", text)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None


def _configuration(access: Access) -> Configuration:
    try:
        from kubernetes.client.configuration import Configuration
        from kubernetes.config.config_exception import ConfigException
        from kubernetes.config.incluster_config import load_incluster_config
        from kubernetes.config.kube_config import load_kube_config
    except ModuleNotFoundError as cause:
        if (cause.name or "").partition(".")[0] != "kubernetes":
            raise
        raise UsageMistake(
            "a real cluster needs the `kubernetes` package",
            hint=f"pip install '{DISTRIBUTION}[cluster]'",
        ) from cause
    import yaml

    # Empty, but given: otherwise the environment's proxies would be used.
    configuration = Configuration(proxy="", no_proxy="")
    configuration.retries = False
    configuration.keep_alive = True
    try:
        if not access.kubeconfig:
            load_incluster_config(client_configuration=configuration)
        elif not Path(access.kubeconfig).is_file():
            raise UsageMistake(f"--kubeconfig {access.kubeconfig} is not a file")
        else:
            load_kube_config(
                config_file=access.kubeconfig,
                context=access.context or None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (ConfigException, yaml.YAMLError) as cause:
        where = access.kubeconfig or "the pod's service account"
        # The text of a YAML error would quote the line, which may hold a token.
        why = "it is not YAML" if isinstance(cause, yaml.YAMLError) else str(cause).rstrip(".")
        raise UsageMistake(f"{where} cannot be used to reach a cluster: {why}") from None
    return configuration


def _pool(configuration: Configuration) -> Any:
    from kubernetes.client.rest import RESTClientObject

    return RESTClientObject(configuration).pool_manager
