"""Where the config is read from: a work tree, a commit, or a branch of a remote."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import UsageMistake
from reconciler.wiring import redaction
from reconciler.wiring.common import CommonOptions

if TYPE_CHECKING:
    from reconciler.adapters.git.remote import FetchResult
    from reconciler.ports import Tree

__all__ = ["base_tree", "newest", "repo_root", "tree"]

_MARK = Path("environments") / "layers.yaml"


def repo_root(common: CommonOptions) -> Path:
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


def tree(common: CommonOptions, *, writes: bool = False) -> Tree:
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


def _fetched(common: CommonOptions) -> Tree:
    from reconciler.adapters import git

    found = _fetch(common)
    return git.open_commit(found.repo, found.commit)


def newest(common: CommonOptions) -> tuple[str, str]:
    """Where the newest commit of what the options name is: the repository, and its full id. A
    remote is asked for its tip first, and fetched from only when that is new."""
    from reconciler.adapters import git

    if _is_remote(common.repo):
        found = _fetch(common)
        return str(found.repo), found.commit
    root = repo_root(common)
    return str(root), git.resolve(root, common.revision or "HEAD")


def _fetch(common: CommonOptions) -> FetchResult:
    """A branch or tag of a remote, kept in the user's cache. Credentials come from the environment
    (RECONCILER_GIT_USER and _TOKEN, or the files RECONCILER_GIT_SSH_KEY and _KNOWN_HOSTS), never
    from a URL."""
    from reconciler.adapters.git import remote

    if common.worktree:
        raise UsageMistake("a remote has no work tree", hint="leave --worktree out")
    folder = os.environ.get("RECONCILER_CACHE_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_cache_dir("ml-reconciler")
    token = os.environ.get("RECONCILER_GIT_TOKEN", "")
    redaction.redactor().learn(token)
    user = os.environ.get("RECONCILER_GIT_USER", "git")
    key, hosts = (_file_of(f"RECONCILER_GIT_{name}") for name in ("SSH_KEY", "KNOWN_HOSTS"))
    given = remote.Credentials(user=user, password=token, ssh_key=key, known_hosts=hosts)
    return remote.fetch(
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


def base_tree(common: CommonOptions, revision: str) -> Tree:
    from reconciler.adapters import git

    if _is_remote(common.repo):
        return _fetched(replace(common, revision=revision))
    return git.open_commit(repo_root(common), revision)
