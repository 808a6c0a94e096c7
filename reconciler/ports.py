"""What the engine needs of the outside world, as small protocols; reading is split from writing.

Adapters and the simulation fulfil them, `cli.wiring` builds them, and no library exception passes
them: a failed read is a raised `ClusterUnreadable` or a `Refused`/`Unknown` outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from reconciler.errors import ReconcilerError
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Outcome

__all__ = [
    "ALONE",
    "Alone",
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
    "Tree",
    "Workers",
]


class ClusterUnreadable(ReconcilerError):
    """A read failed; nothing may be concluded about what was not read."""

    code = "E_CLUSTER"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a tree: its content id (Git's blob id) and size in bytes."""

    path: str
    blob_id: str
    size: int


class Tree(Protocol):
    """One revision of the config repo, read without a check-out.

    `commit` is the full object id, "" for a tree that is not in Git; `label` is how people see it
    (`4f2c1ab`, `worktree@4f2c1ab`). Raises SourceError.
    """

    @property
    def commit(self) -> str: ...
    @property
    def label(self) -> str: ...
    def blobs(self) -> Mapping[str, Blob]:
        """Every file of the config folders by its path from the config root, sorted; sizes
        before content."""
        ...

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The files' bytes, in the order asked for."""
        ...

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:
        """Those of some full commit ids that are not in this revision's history; none for a tree
        that is no commit."""
        ...


class Proposals(Protocol):
    """Where an edit of the config repo goes: the working tree, or a commit on a branch."""

    def write(self, edits: Mapping[str, bytes], message: str) -> str:
        """Writes the files; returns what a person would call the result."""
        ...


@dataclass(frozen=True, slots=True)
class KindServed:
    plural: str
    version: str
    namespaced: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the cluster serves. `unread_groups` answered with an error: conclude nothing there.
    `digest` changes when the served API changes."""

    kinds: Mapping[GroupKind, KindServed]
    unread_groups: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of one kind that match, complete; never a page of them."""

    kind: GroupKind
    items: tuple[Observed, ...]


class ClusterReader(Protocol):
    """Reads of one cluster. `requests` counts what was sent, for reports."""

    @property
    def name(self) -> str: ...
    @property
    def requests(self) -> int: ...
    @property
    def dry_runs(self) -> bool:
        """Whether `dry_run` may be asked: a client that may only read predicts nothing."""
        ...

    def acting_for(self, user: str) -> Self:
        """The same cluster with `user` impersonated. Raises ValueError for ""."""
        ...

    def identity(self) -> str:
        """The cluster's own uid (that of the kube-system namespace)."""
        ...

    def discover(self) -> Discovery: ...
    def get(self, key: ObjectKey) -> Observed:
        """Present or absent by a quorum read. Raises ClusterUnreadable otherwise."""
        ...

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        """Namespace "" lists the whole cluster. A kind that is not served is an empty listing
        when discovery was complete. Raises ClusterUnreadable."""
        ...

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        """What server-side apply would make of this; never writes."""
        ...

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome: ...


class ClusterWriter(ClusterReader, Protocol):
    """Writes. Whoever takes a ClusterReader cannot write."""

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        """Server-side apply under our field manager. `metadata.uid` in the body guards against
        resurrecting a deleted object."""
        ...

    def create(self, body: Mapping[str, Any]) -> Outcome:
        """POST: refused with ALREADY_EXISTS where the name is taken."""
        ...

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        """PUT with the body's resourceVersion: compare-and-swap."""
        ...

    def delete(
        self,
        key: ObjectKey,
        *,
        uid: str,
        resource_version: str = "",
        orphan: bool = False,
    ) -> Outcome:
        """DELETE with preconditions; background propagation unless `orphan`."""
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """The time with its zone (UTC); decisions take it as a parameter."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, at the same rate everywhere; they outlast a suspended
        machine, and nobody sets them. Durations and leases count by these."""
        ...

    def sleep(self, seconds: float) -> None: ...


_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Workers(Protocol):
    """Several calls at once, where what is called waits for others most of the time."""

    def map(self, call: Callable[[_In], _Out], items: Iterable[_In]) -> tuple[_Out, ...]:
        """The results in the order of `items`. It is eager: every call is over when it returns.
        When calls fail, the exception of the first item that failed is raised once all calls that
        had begun are over; calls that had not begun may never begin."""
        ...


class Alone:
    """Fulfils `Workers` one call at a time."""

    def map(self, call: Callable[[_In], _Out], items: Iterable[_In]) -> tuple[_Out, ...]:
        return tuple(map(call, items))


#: For who names no workers.
ALONE = Alone()


class LeaseClient(Protocol):
    """What a lease needs of its cluster: three requests, each answered or given up within the
    margin of a lease. Every ClusterWriter is one."""

    def get(self, key: ObjectKey) -> Observed: ...
    def create(self, body: Mapping[str, Any]) -> Outcome: ...
    def replace(self, body: Mapping[str, Any]) -> Outcome: ...


class Background(Protocol):
    """Work beside the main loop."""

    def start(self, name: str, step: Callable[[], float]) -> Callable[[], None]:
        """Calls `step` again and again, with a pause of as many seconds as it returns; the
        returned function ends that and waits a little for a step under way."""
        ...


class Reporter(Protocol):
    """Progress, passed in; silent by default."""

    def progress(self, subject: str, text: str) -> None: ...
