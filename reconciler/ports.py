"""The small protocols through which the engine reaches the outside world; reads and writes are
separate protocols.

Adapters and the simulation implement the protocols, and `wiring` builds the implementations. No
library's exception leaves an implementation: a failed read raises `ClusterUnreadable`, and a failed
write returns a `Refused` or `Unknown` outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from reconciler.diagnostics import Diagnostic
from reconciler.errors import ReconcilerError
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Outcome

__all__ = [
    "SEQUENTIAL",
    "Background",
    "Blob",
    "Clock",
    "ClusterReader",
    "ClusterUnreadable",
    "ClusterWriter",
    "Discovery",
    "KindServed",
    "LeaseClient",
    "Listing",
    "Proposals",
    "Reporter",
    "SequentialWorkers",
    "Tree",
    "Workers",
]


class ClusterUnreadable(ReconcilerError):
    """A read failed: the objects count as unread, never as absent. `forbidden`: this user has no
    right to read them."""

    code = "E_CLUSTER"

    def __init__(self, message: str, *, hint: str = "", forbidden: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a tree: its content id (Git's blob id) and size in bytes."""

    path: str
    blob_id: str
    size: int


class Tree(Protocol):
    """One revision of the config repo, read without a check-out.

    `commit` is the full commit id, "" for a tree that is not in Git; `label` is the name for people
    (`4f2c1ab`, `worktree@4f2c1ab`). Every method raises SourceError when the files cannot be read.
    """

    @property
    def commit(self) -> str: ...
    @property
    def label(self) -> str: ...
    def blobs(self) -> Mapping[str, Blob]:
        """Every usable file of the config folders by its path from the config root, sorted. Reads
        no content, so that a size can be checked before the file is read."""
        ...

    def faults(self) -> tuple[Diagnostic, ...]:
        """The errors of entries that cannot be used and are left out of `blobs`: links, odd names,
        files that are too large. The place of each is the entry's path, and all below that path is
        unknown. A related place names another path that the mistake concerns."""
        ...

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, bytes) of each file, in the order of `paths`."""
        ...

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:
        """The ids among `commits` (full ids) that are not in this revision's history; a work tree
        has that of its HEAD. Empty for a tree that is not in Git."""
        ...


class Proposals(Protocol):
    """Where an edit of the config repo goes: the working tree, or a commit on a branch."""

    def write(self, edits: Mapping[str, bytes], message: str) -> str:
        """Writes the files (path → new content); returns a name of the result for people, for
        example the branch."""
        ...


@dataclass(frozen=True, slots=True)
class KindServed:
    """How the cluster serves one kind."""

    plural: str
    version: str
    namespaced: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the cluster serves. The API groups in `unread_groups` answered with an error: whether
    the cluster serves their kinds is not known. `digest` changes when the served API changes."""

    kinds: Mapping[GroupKind, KindServed]
    unread_groups: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """All matching objects of one kind: always the complete list, never one page of it."""

    kind: GroupKind
    items: tuple[Observed, ...]


class ClusterReader(Protocol):
    """Reads one cluster. `requests` counts the requests sent so far, for reports."""

    @property
    def name(self) -> str: ...
    @property
    def requests(self) -> int: ...
    @property
    def dry_runs(self) -> bool:
        """Whether `dry_run` may be called: False for a client that may only read."""
        ...

    def acting_for(self, user: str) -> Self:
        """The same cluster with `user` impersonated. Raises ValueError for ""."""
        ...

    def identity(self) -> str:
        """The cluster's uid: the uid of its kube-system namespace. Raises ClusterUnreadable."""
        ...

    def discover(self) -> Discovery: ...
    def get(self, key: ObjectKey) -> Observed:
        """The object as a quorum read found it, present or absent. Raises ClusterUnreadable."""
        ...

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        """The objects of a kind; namespace "" means the whole cluster. For a kind that is not
        served the listing is empty when discovery was complete. Raises ClusterUnreadable."""
        ...

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        """The object that server-side apply of `body` would leave. Never writes. `force` takes
        fields over from other managers."""
        ...

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome:
        """Whether a DELETE of the object with this uid would be accepted. Never writes."""
        ...


class ClusterWriter(ClusterReader, Protocol):
    """Reads and writes one cluster. Code that takes a ClusterReader cannot write."""

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        """Server-side apply as this program's field manager. With `metadata.uid` in the body, the
        server refuses instead of making a deleted object anew."""
        ...

    def create(self, body: Mapping[str, Any]) -> Outcome:
        """POST: refused with ALREADY_EXISTS when an object of that name exists."""
        ...

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        """PUT with the body's resourceVersion: a compare-and-swap."""
        ...

    def delete(
        self,
        key: ObjectKey,
        *,
        uid: str,
        resource_version: str = "",
        orphan: bool = False,
    ) -> Outcome:
        """DELETE of exactly the object with this uid (and resourceVersion, unless ""). The server
        deletes its dependents in the background, or keeps them when `orphan`."""
        ...


class Clock(Protocol):
    """The time and pauses, passed in so that tests need not wait."""

    def now(self) -> datetime:
        """The time in UTC, with its zone. Decisions take the time as a parameter."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, also while the machine is suspended, and that nobody can set.
        Durations and leases are measured with these."""
        ...

    def sleep(self, seconds: float) -> None: ...


_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Workers(Protocol):
    """Makes several calls at once; meant for calls that mostly wait, such as requests."""

    def map(self, call: Callable[[_In], _Out], items: Iterable[_In]) -> tuple[_Out, ...]:
        """The results in the order of `items`. `map` is eager: every call has ended when `map`
        returns. When calls fail, `map` waits for the calls that have begun and then raises the
        exception of the first failed item in the order of `items`; calls that have not begun may
        never begin."""
        ...


class SequentialWorkers:
    """`Workers` that make one call at a time."""

    def map(self, call: Callable[[_In], _Out], items: Iterable[_In]) -> tuple[_Out, ...]:
        return tuple(map(call, items))


#: The default of callers that pass no Workers.
SEQUENTIAL = SequentialWorkers()


class LeaseClient(Protocol):
    """The three requests that a lease needs. Each returns or times out within the margin of the
    lease (`apply.lease.Timing`). Every ClusterWriter is a LeaseClient."""

    def get(self, key: ObjectKey) -> Observed: ...
    def create(self, body: Mapping[str, Any]) -> Outcome: ...
    def replace(self, body: Mapping[str, Any]) -> Outcome: ...


class Background(Protocol):
    """Repeated work beside the main thread, for example the renewal of leases."""

    def start(self, name: str, step: Callable[[], float]) -> Callable[[], None]:
        """Calls `step` repeatedly and pauses after each call for the seconds that `step` returned.
        The returned function ends this, and waits briefly for a step that is running."""
        ...


class Reporter(Protocol):
    """Receives progress messages about a subject, for example a unit."""

    def progress(self, subject: str, text: str) -> None: ...
