"""Builds the adapters that a command needs; nowhere else does."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.options import Common
from reconciler.errors import ExitCode, UsageMistake

if TYPE_CHECKING:
    from reconciler.adapters.git import Fetched
    from reconciler.apps.app import Selection
    from reconciler.engine.report import Report
    from reconciler.output.format import Options
    from reconciler.ports import Clock, ClusterWriter, LeaseClient, Tree

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
    """A branch or tag of a remote, kept in the user's cache. Credentials come from the
    environment (RECONCILER_GIT_USER, RECONCILER_GIT_TOKEN), never from a URL."""
    from reconciler.adapters import git

    if common.worktree:
        raise UsageMistake("a remote has no work tree", hint="leave --worktree out")
    folder = os.environ.get("RECONCILER_CACHE_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_cache_dir("ml-reconciler")
    token = os.environ.get("RECONCILER_GIT_TOKEN", "")
    user = os.environ.get("RECONCILER_GIT_USER", "git" if token else "")
    return git.fetch(
        common.repo,
        common.revision or "main",
        folder,
        credentials=git.Credentials(user=user, password=token) if token else None,
    )


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
    """A cluster with the clock that its waits run on."""

    client: ClusterWriter
    clock: Clock


@contextmanager
def cluster(
    common: Common, sleep: Callable[[float], None] | None = None
) -> Iterator[Cluster | None]:
    """The cluster that the options name; None when they name none. `sleep` is how requests wait
    before they are sent again."""
    if common.context and common.kubeconfig is None:
        raise UsageMistake("--context needs --kubeconfig: the environment's is not read")
    if common.kubeconfig is not None:
        if common.embedded is not None:
            raise UsageMistake("--embedded and --kubeconfig exclude each other")
        with _real(common, common.kubeconfig, sleep) as found:
            yield found
        return
    if common.embedded is None:
        yield None
        return
    from reconciler.simulation.world import World

    folder = Path(common.embedded).resolve().parent
    if not folder.is_dir():
        raise UsageMistake(f"--embedded {common.embedded}: there is no folder {folder}")
    world = World(common.embedded, start=now(common))
    try:
        # Time went by since the file was last used: what was under way has gone on.
        if world.clock.now() < now(common):
            world.run_until(now(common))
        yield Cluster(world.cluster, world.clock)
    finally:
        world.close()


@contextmanager
def _real(
    common: Common, kubeconfig: str, sleep: Callable[[float], None] | None
) -> Iterator[Cluster]:
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.kubernetes.cluster import KubernetesCluster
    from reconciler.adapters.kubernetes.transport import Access, Transport

    if not kubeconfig:
        raise UsageMistake("--kubeconfig names no file")
    clock = SystemClock()
    transport = Transport(Access(kubeconfig, common.context), sleep or clock.sleep)
    client = KubernetesCluster(transport, common.context or transport.host)
    try:
        yield Cluster(client, clock)
    finally:
        client.close()


@contextmanager
def lease_client(common: Common) -> Iterator[LeaseClient]:
    """A second client of the same cluster for leases and events, used beside the first one."""
    if common.embedded is not None:
        from reconciler.simulation.clock import RememberedClock
        from reconciler.simulation.cluster import EmbeddedCluster

        beside = EmbeddedCluster(common.embedded)
        beside.server.clock = RememberedClock(lambda: beside.server.recall("now"))
        try:
            yield beside
        finally:
            beside.close()
        return
    from reconciler.adapters.direct import DirectClient
    from reconciler.adapters.kubernetes.transport import Access, Transport

    access = Access(common.kubeconfig or "", common.context, connect=2.0, read=3.0)
    # Short waits of its own: a lease that must wait long is asked for again by its own rules.
    direct = DirectClient(Transport(access, lambda seconds: time.sleep(min(seconds, 1.0))))
    try:
        yield direct
    finally:
        direct.close()


def needed(found: Cluster | None) -> Cluster:
    """The cluster of a command that cannot do without."""
    if found is None:
        raise UsageMistake(
            "no cluster is named",
            hint="--kubeconfig FILE names a real one; --embedded FILE keeps an embedded one there",
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
            click.echo(printable(line), err=True)
            self._last = line


def show(common: Common, report: Report, source: Tree | None = None) -> ExitCode:
    """Prints a report in the format asked for; the command's exit code."""
    from reconciler.output import format as formats

    text = formats.format_named(common.output).render(report, _options(common, source))
    click.echo(text, nl=False)
    return report.exit_code


def _options(common: Common, source: Tree | None) -> Options:
    from reconciler.output.format import Options

    return Options(style(common), _lines(source), common.show_all)


def style(common: Common) -> Any:
    """Colours only on a terminal and never with NO_COLOR; ASCII where the output cannot do more."""
    from reconciler.output.text import Style

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
    return Style(colour=colour, ascii_only=common.ascii_only or "utf" not in encoding)


def _lines(source: Tree | None) -> Callable[[str, int], str | None]:
    """Lines of the config's own files, each file read once and only when it is shown."""
    held: dict[str, list[str]] = {}

    def line(file: str, number: int) -> str | None:
        if source is None:
            return None
        if file not in held:
            held[file] = []
            if file in source.blobs():
                ((_, data),) = source.read((file,))
                held[file] = data.decode("utf-8", "replace").splitlines()
        lines = held[file]
        return lines[number - 1] if 0 < number <= len(lines) else None

    return line
