"""What was asked of the API server, read from its audit log.

The control plane's own requests are left out: kube-apiserver's, the controllers' and this module's.
"""

import itertools
import time
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.controlplane.plane import OWN_USER

_PATIENCE_SECONDS = 30.0
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
#: Created to be answered, and kept nowhere.
_QUESTIONS = "reviews"
#: Requests for these keep a run apart from another, or tell people of it: not its work.
_ASIDE = frozenset({("coordination.k8s.io", "leases"), ("", "events"), ("events.k8s.io", "events")})
_OWN_USERS = frozenset({OWN_USER, "system:apiserver"})
_MARKS = itertools.count(1)


class Entry(NamedTuple):
    """A request. `verb` is RBAC's; `group` and `resource` are empty where a path names none
    (discovery, /version); `user` is the one that acted, the impersonated one if there is one."""

    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    agent: str
    uri: str
    code: int
    dry: bool

    @property
    def mutates(self):
        """Whether it may have changed something: neither a dry run nor a question."""
        return self.verb in _WRITES and not self.dry and not self.resource.endswith(_QUESTIONS)

    @property
    def is_aside(self):
        return (self.group, self.resource) in _ASIDE


class Audit:
    """Reads a plane's log on from a mark; marks are offsets in it and stay good."""

    def __init__(self, plane):
        self._plane = plane
        self._last = 0

    def mark(self):
        """Where the log ends once all requests that were answered are in it."""
        # A line follows its answer closely, but follows it: one more request pushes it out.
        sought = f"/version?mark={next(_MARKS)}".encode()
        self._plane.get(sought.decode())
        end = time.monotonic() + _PATIENCE_SECONDS
        offset = self._last
        while time.monotonic() < end:
            with self._plane.audit_log.open("rb") as log:
                log.seek(offset)
                for line in log:
                    if not line.endswith(b"\n"):
                        break
                    offset += len(line)
                    if b'"' + sought + b'"' in line:
                        self._last = offset
                        return offset
            time.sleep(0.01)
        raise AssertionError("the audit log does not show a request that was answered")

    def since(self, mark):
        """Every request of others than the control plane that was answered after `mark`."""
        last = self.mark()
        with self._plane.audit_log.open("rb") as log:
            log.seek(mark)
            lines = log.read(last - mark).splitlines()
        events = map(orjson.loads, lines)
        return [_entry(e) for e in events if e["user"].get("username") not in _OWN_USERS]


def counted(entries):
    """Requests that are a run's work: Leases and Events are left out."""
    return [entry for entry in entries if not entry.is_aside]


def writes(entries):
    """Requests that may have changed something."""
    return [entry for entry in entries if entry.mutates]


def _entry(event):
    about = event.get("objectRef") or {}
    uri = event["requestURI"]
    dry = "dryRun" in parse_qs(urlsplit(uri).query) or bool(
        (event.get("requestObject") or {}).get("dryRun")
    )
    acting = event.get("impersonatedUser") or event["user"]
    return Entry(
        event["verb"],
        about.get("apiGroup", ""),
        about.get("resource", ""),
        about.get("subresource", ""),
        about.get("namespace", ""),
        about.get("name", ""),
        acting.get("username", ""),
        event.get("userAgent", ""),
        uri,
        (event.get("responseStatus") or {}).get("code", 0),
        dry,
    )
