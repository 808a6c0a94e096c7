"""Requests to an API server: the `kubernetes` package's credentials and connections, raw bytes.

Nothing else of that package is used: its models and calls are slow, and it retries by rules of its
own. Here one policy holds: what was refused for now (429) is sent again after the time that the
server names, a read that got no answer is sent again, a write that got none never is. And one gate:
a client that was made to look cannot send anything that writes, whatever asks it to.
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
#: How long one request may wait in all because the server asks for it.
_PATIENCE_SECONDS = 60.0
_UNREADY = frozenset({502, 503, 504})
#: Requests a second, and at once, where the server does not share itself out (`Transport.pace`).
_RATE, _BURST = 50.0, 300
_WARNING = re.compile(r'\s*\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"')


class Allows(IntEnum):
    """What may leave the process; each includes those before it."""

    READS = 0
    DRY_RUNS = 1
    WRITES = 2


@dataclass(frozen=True, slots=True)
class Access:
    """Which cluster, as whom, to do what at most. No `kubeconfig` means the service account of the
    pod that this runs in. No `context` means the file's current one. Times in seconds, per attempt.
    At most `connections` requests are under way at once.

    Proxies come from the kubeconfig alone; the environment's are not asked, as they could lead the
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
    """Sent, or perhaps sent, and nothing came back: a write may have happened."""


class NotAllowed(Exception):
    """A defect of this program: a client that may only look was to write. Nothing was sent."""


class Transport:
    """Connections to one API server, kept open; safe to use from several threads. `requests` counts
    every request that was sent, and `learn` is told every token that is used, so that no text shows
    it.

    Raises UsageMistake when the kubeconfig cannot be used.
    """

    def __init__(
        self,
        access: Access,
        sleep: Callable[[float], None],
        learn: Callable[[str], None] = lambda _token: None,
    ) -> None:
        self.access = access
        self._learn = learn
        self.requests = 0
        self._sleep = sleep
        self._lock = threading.Lock()
        self._pace: _Pace | None = None
        self._configuration = _configuration(access)
        self._configuration.connection_pool_maxsize = access.connections
        self._pool = _pool(self._configuration)
        self.host: str = str(self._configuration.host).rstrip("/")

    def close(self) -> None:
        self._pool.clear()

    def pace(self, *, shared_out: bool) -> None:
        """Whether the server has Priority and Fairness (the group flowcontrol.apiserver.k8s.io is
        served): then it says itself when it is too much, else requests are kept to a rate."""
        self._pace = None if shared_out else self._pace or _Pace(_RATE, _BURST, self._sleep)

    def request(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> HttpAnswer:
        """One request, with the waiting and repeating that is safe for it. Raises NoAnswer, and
        NotAllowed for what this client may not send."""
        query = list(query)
        self._gate(method, path, query, body)
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
                # A token may have been renewed on disk since it was read: look once.
                renewed = True
                self._configuration = _configuration(self.access)
                continue
            pause = self._pause(method, answer, tries)
            if pause is None or waited + pause > _PATIENCE_SECONDS:
                return answer
            waited += pause
            self._sleep(pause)

    def _gate(
        self, method: str, path: str, query: list[tuple[str, str]], body: bytes | None
    ) -> None:
        """Nothing that writes leaves a client that may not: the promise of every plan, kept in the
        one place that all requests go through."""
        if method == "GET" or self.access.allows is Allows.WRITES:
            return
        # Beside a body of options, a DELETE's query is not read by the server.
        said = dict(query).get("dryRun") == "All"
        if method == "DELETE":
            said = orjson.loads(body or b"{}").get("dryRun") == ["All"]
        if not said or self.access.allows is Allows.READS:
            raise NotAllowed(f"{method} {path} from a client that allows {self.access.allows.name}")

    def _pause(self, method: str, answer: HttpAnswer, tries: int) -> float | None:
        """Seconds to wait before the same request again; None when the answer stands."""
        if answer.status == 429:
            return answer.retry_after if answer.retry_after is not None else 1.0
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
                timeout=urllib3.Timeout(connect=self.access.connect, read=self.access.read),
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as cause:
            raise NoAnswer(f"no answer from {self.host}: {_plain(cause)}") from cause
        return HttpAnswer(
            response.status,
            response.data,
            tuple(_warnings(response.headers)),
            _seconds(response.headers.get("Retry-After")),
            response.headers.get("ETag", ""),
        )


class _Pace:
    """A bucket of `burst` requests that fills by `rate` a second."""

    def __init__(self, rate: float, burst: int, sleep: Callable[[float], None]) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._sleep = sleep
        self._left = float(burst)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
            self._at = now
            owed = -self._left / self._rate
        if owed > 0:
            self._sleep(owed)


def _plain(cause: Exception) -> str:
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

    # Given, although empty: otherwise the environment's proxies would be taken.
    made = Configuration(proxy="", no_proxy="")
    made.retries = False
    made.keep_alive = True
    try:
        if not access.kubeconfig:
            load_incluster_config(client_configuration=made)
        elif not Path(access.kubeconfig).is_file():
            raise UsageMistake(f"--kubeconfig {access.kubeconfig} is not a file")
        else:
            load_kube_config(
                config_file=access.kubeconfig,
                context=access.context or None,
                client_configuration=made,
                persist_config=False,
            )
    except (ConfigException, yaml.YAMLError) as cause:
        where = access.kubeconfig or "the pod's service account"
        # A YAML error would quote the line, and with it perhaps a token.
        why = "it is not YAML" if isinstance(cause, yaml.YAMLError) else str(cause).rstrip(".")
        raise UsageMistake(f"{where} does not lead to a cluster: {why}") from None
    return made


def _pool(configuration: Configuration) -> Any:
    from kubernetes.client.rest import RESTClientObject

    return RESTClientObject(configuration).pool_manager
