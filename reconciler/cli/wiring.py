"""Builds the adapters that a command needs; nowhere else does."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import kinds
from reconciler.cli import reporting
from reconciler.cli.common import Common
from reconciler.errors import ExitCode, UsageMistake

if TYPE_CHECKING:
    from reconciler.adapters.git import Fetched
    from reconciler.apps.app import Selection
    from reconciler.cli import clusters
    from reconciler.engine.report import Report
    from reconciler.engine.targets import Targets
    from reconciler.ports import Clock, ClusterWriter, LeaseClient, Tree, Workers

__all__ = [
    "Cluster",
    "Progress",
    "base_tree",
    "cluster",
    "lease_client",
    "needed",
    "newest",
    "now",
    "repo_root",
    "selection",
    "show",
    "style",
    "tree",
]

_MARK = Path("environments") / "layers.yaml"


def repo_root(common: Common) -> Path:
    """The folder that holds `environments/`: the one given, or the nearest one above."""
    start = Path(common.repo)
    if not start.is_dir():
        raise UsageMistake(f"--repo {common.repo} is not a folder")
    if common.repo != ".":
        return start
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / _MARK).is_file():
            return folder
    return start


def tree(common: Common, *, writes: bool = False) -> Tree:
    """What the command reads: the work tree to look, a commit to write."""
    from reconciler.adapters import git

    if _is_remote(common.repo):
        return _fetched(common)
    root = repo_root(common)
    if common.revision is not None:
        if common.worktree:
            raise UsageMistake("--revision and --worktree exclude each other")
        return git.open_commit(root, common.revision)
    if not (root / _MARK.parent).is_dir() and not git.is_repository(root):
        raise UsageMistake(
            f"{root.resolve()} holds no config: there is no {_MARK}",
            hint="--repo PATH names a config repo",
        )
    if (writes and not common.worktree) or not (root / _MARK.parent).is_dir():
        return git.open_commit(root, "HEAD")
    return git.open_worktree(root)


_REMOTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:(:|//)|^[^/]+@[^/]+:|^-")


def _is_remote(repo: str) -> bool:
    """Whether --repo is meant as a URL; which URLs are spoken to is the adapter's to say."""
    return _REMOTE.match(repo) is not None


def _fetched(common: Common) -> Tree:
    from reconciler.adapters import git

    found = _fetch(common)
    return git.open_commit(found.repo, found.commit)


def newest(common: Common) -> tuple[str, str]:
    """Where the newest commit of what the options name is: the repository, and its full id. A
    remote is asked for its tip first, and fetched from only when that is new."""
    from reconciler.adapters import git

    if _is_remote(common.repo):
        found = _fetch(common)
        return str(found.repo), found.commit
    root = repo_root(common)
    return str(root), git.resolve(root, common.revision or "HEAD")


def _fetch(common: Common) -> Fetched:
    """A branch or tag of a remote, kept in the user's cache. Credentials come from the environment
    (RECONCILER_GIT_USER and _TOKEN, or the files RECONCILER_GIT_SSH_KEY and _KNOWN_HOSTS), never
    from a URL."""
    from reconciler.adapters import git

    if common.worktree:
        raise UsageMistake("a remote has no work tree", hint="leave --worktree out")
    folder = os.environ.get("RECONCILER_CACHE_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_cache_dir("ml-reconciler")
    token = os.environ.get("RECONCILER_GIT_TOKEN", "")
    reporting.redactor().learn(token)
    user = os.environ.get("RECONCILER_GIT_USER", "git")
    key, hosts = (_file_of(f"RECONCILER_GIT_{name}") for name in ("SSH_KEY", "KNOWN_HOSTS"))
    given = git.Credentials(user=user, password=token, ssh_key=key, known_hosts=hosts)
    return git.fetch(
        common.repo,
        common.revision or "main",
        folder,
        credentials=given if token or key or hosts else None,
    )


def _file_of(variable: str) -> Path | None:
    """The file that a variable names; ssh would pass over one that is not there and say less."""
    named = os.environ.get(variable)
    if not named:
        return None
    if not Path(named).is_file():
        raise UsageMistake(f"{variable}: there is no file {named}")
    return Path(named)


def base_tree(common: Common, revision: str) -> Tree:
    from reconciler.adapters import git

    if _is_remote(common.repo):
        return _fetched(replace(common, revision=revision))
    return git.open_commit(repo_root(common), revision)


def selection(common: Common) -> Selection:
    """What the selecting options say. Raises UsageMistake for an --app that is no id."""
    from reconciler.apps.app import Selection

    environments, groups, models = common.environments, common.groups, common.models
    if common.app:
        parts = common.app.split("/")
        if len(parts) != 3 or not all(parts):
            raise UsageMistake(
                f"--app {common.app} is not an application",
                hint="write it as ENVIRONMENT/GROUP/MODEL, e.g. prod/hz-a/mnist",
            )
        environments = (*environments, parts[0])
        groups = (*groups, f"{parts[0]}/{parts[1]}")
        models = (*models, parts[2])
    return Selection(frozenset(environments), frozenset(groups), frozenset(models))


def now(common: Common) -> datetime:
    from reconciler.adapters.clock import SystemClock

    return common.now or SystemClock().now()


# -- clusters --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster or several, with the clock that waits run on and as many calls at once as they
    stand. `client` is the only one or the first."""

    targets: Targets[ClusterWriter]
    clock: Clock
    workers: Workers

    @property
    def client(self) -> ClusterWriter:
        return self.targets.clients[0]


@contextmanager
def cluster(
    common: Common, *, allows: str = "reads", sleep: Callable[[float], None] | None = None
) -> Iterator[Cluster | None]:
    """The clusters that the options name; None when they name none. `allows` is what may be sent to
    a real one at most: `reads`, `dry-runs` or `writes`. `sleep` is how requests wait before they
    are sent again."""
    named = {
        "--embedded": common.embedded is not None,
        "--kubeconfig": common.kubeconfig is not None,
        "--clusters": common.clusters is not None,
        "--in-cluster": common.in_cluster,
    }
    given = [option for option, is_given in named.items() if is_given]
    if len(given) > 1:
        raise UsageMistake(f"{' and '.join(given)} exclude each other")
    if common.context and common.kubeconfig is None:
        raise UsageMistake("--context needs --kubeconfig: the environment's is not read")
    if not given:
        yield None
        return
    if common.embedded is None:
        with _real(common, allows, sleep) as found:
            yield found
        return
    from reconciler.adapters.masked import MaskedCluster
    from reconciler.engine.targets import Targets
    from reconciler.ports import ALONE
    from reconciler.simulation.world import World

    folder = Path(common.embedded).resolve().parent
    if not folder.is_dir():
        raise UsageMistake(f"--embedded {common.embedded}: there is no folder {folder}")
    world = World(common.embedded, start=now(common), kinds=kinds.known())
    try:
        # Time went by since the file was last used: what was under way has gone on.
        if world.clock.now() < now(common):
            world.run_until(now(common))
        masked = MaskedCluster(world.cluster, reporting.redactor())
        yield Cluster(Targets((masked,), everywhere=True), world.clock, ALONE)
    finally:
        world.close()


@contextmanager
def _real(common: Common, allows: str, sleep: Callable[[float], None] | None) -> Iterator[Cluster]:
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.kubernetes.cluster import KubernetesCluster
    from reconciler.adapters.kubernetes.transport import Allows, Transport
    from reconciler.adapters.masked import MaskedCluster
    from reconciler.adapters.workers import Threads
    from reconciler.cli import clusters
    from reconciler.engine.targets import Targets

    clock = SystemClock()
    limit = {"reads": Allows.READS, "dry-runs": Allows.DRY_RUNS, "writes": Allows.WRITES}[allows]
    found = clusters.places(common)
    redactor = reporting.redactor()

    def made(place: clusters.Place) -> MaskedCluster:
        access = replace(place.access, allows=limit)
        transport = Transport(access, sleep or clock.sleep, redactor.learn)
        name = place.name or common.context or transport.host
        return MaskedCluster(KubernetesCluster(transport, name), redactor)

    clients = _Made(found, made)
    named = {place.name: index for index, place in enumerate(found)}
    one = not found[0].name
    targets: Targets[ClusterWriter] = Targets(
        clients, named, everywhere=one, whole=common.clusters is not None
    )
    try:
        if one:
            _ = clients[0]  # what is wrong with the way there is said first of all
        yield Cluster(targets, clock, Threads(found[0].access.connections))
    finally:
        clients.close()


class _Made(Sequence[Any]):
    """Clients made when they are first asked for: to speak to a cluster may start a program."""

    def __init__(self, places: list[clusters.Place], make: Callable[[clusters.Place], Any]) -> None:
        self._places = places
        self._make = make
        self._made: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if index not in self._made:
            self._made[index] = self._make(self._places[index])
        return self._made[index]

    def close(self) -> None:
        for client in self._made.values():
            client.close()


@contextmanager
def lease_client(common: Common) -> Iterator[LeaseClient]:
    """A second client of the first cluster for leases and events, used beside the main one."""
    if common.embedded is not None:
        from reconciler.simulation.clock import RememberedClock
        from reconciler.simulation.cluster import EmbeddedCluster

        beside = EmbeddedCluster(common.embedded, kinds=kinds.known())
        beside.server.clock = RememberedClock(lambda: beside.server.recall("now"))
        try:
            yield beside
        finally:
            beside.close()
        return
    from reconciler.adapters.direct import DirectClient
    from reconciler.adapters.kubernetes.transport import Allows, Transport
    from reconciler.cli import clusters

    home = clusters.places(common)[0].access
    access = replace(home, allows=Allows.WRITES, connect=2.0, read=3.0)

    def pause(seconds: float) -> None:
        # Short waits: a lease that must wait long is asked for again by its own rules.
        time.sleep(min(seconds, 1.0))

    direct = DirectClient(Transport(access, pause, reporting.redactor().learn))
    try:
        yield direct
    finally:
        direct.close()


def needed(found: Cluster | None) -> Cluster:
    """The cluster of a command that cannot do without."""
    if found is None:
        raise UsageMistake(
            "no cluster is named",
            hint="--kubeconfig FILE or --clusters PATH names a real one, --in-cluster the one that "
            "this runs in; --embedded FILE keeps an embedded one there",
        )
    return found


# -- output ----------------------------------------------------------------------------------------


class Progress:
    """A line a step on standard error, once a run takes longer than a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._last = ""

    def progress(self, subject: str, text: str) -> None:
        from reconciler.secrets import printable

        line = f"{subject}   {text}"
        if line != self._last and self._clock() - self._start > 1.0:
            click.echo(printable(reporting.redactor().redact(line)), err=True)
            self._last = line


def show(
    common: Common, report: Report, source: Tree | None = None, base: Tree | None = None
) -> ExitCode:
    """Prints a report in the format asked for; the command's exit code."""
    return reporting.show(common, report, source, base)


def style(common: Common) -> Any:
    """Colours and glyphs for standard output."""
    return reporting.style(common)
