"""Opens the config: a work tree, a commit, or a branch of a remote."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.errors import SourceError, UsageMistake
from reconciler.secrets import printable
from reconciler.wiring import redaction
from reconciler.wiring.common import CommonOptions

if TYPE_CHECKING:
    from reconciler.adapters.git import WorkTree
    from reconciler.adapters.git.remote import FetchResult
    from reconciler.ports import Tree

__all__ = ["base_tree", "describe", "last_seen", "newest", "repo_root", "tree"]

_MARK = Path("environments") / "layers.yaml"


def repo_root(common: CommonOptions) -> Path:
    """The folder that holds `environments/`: that of --repo, or the nearest parent folder."""
    start = Path(common.repo)
    if not start.is_dir():
        raise UsageMistake(f"--repo {common.repo} is not a folder")
    if common.repo != ".":
        return start
    start_path = start.resolve()
    for folder in (start_path, *start_path.parents):
        if (folder / _MARK).is_file():
            return folder
    return start


def tree(common: CommonOptions, *, writes: bool = False) -> Tree:
    """The tree that the command reads: the work tree, or a commit for a command that writes. Raises
    UsageMistake and SourceError."""
    from reconciler.adapters import git

    _check_revision(common.revision)
    if _is_remote(common.repo):
        return _fetch_tree(common)
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


def _check_revision(revision: str | None) -> None:
    if revision is not None and not revision.strip():
        raise UsageMistake(
            "--revision is empty",
            hint="name a branch, a tag or a commit, or leave --revision out; is the variable that "
            "it comes from set?",
        )


def describe(common: CommonOptions, read: Tree) -> str:
    """Which tree a command reads, for the first line of its report: the work tree with the number
    of its uncommitted files, or a commit. For HEAD it also says how many files of the work tree
    are not read. "" for a tree of another kind."""
    from reconciler.adapters import git

    if isinstance(read, git.WorkTree):
        return f"work tree ({_count_uncommitted(read)})"
    if not isinstance(read, git.CommitTree):
        return ""
    if common.revision is not None or _is_remote(common.repo):
        return f"{printable(common.revision or 'main')} {read.label}"
    try:
        rest = git.open_worktree(repo_root(common)).uncommitted()
    except SourceError:  # a bare repository, or a work tree that cannot be read
        rest = ()
    if not rest:
        return f"HEAD {read.label}"
    files = f"{len(rest)} uncommitted file{'' if len(rest) == 1 else 's'}"
    return f"HEAD {read.label}; {files} of the work tree not read (commit, or pass --worktree)"


def standing_on(read: Tree) -> str:
    """The commit whose files a tree has: its own, or HEAD's for a work tree without uncommitted
    files; "" for one that has some, and outside of Git. Cost for a work tree: one listing."""
    from reconciler.adapters import git

    if not isinstance(read, git.WorkTree):
        return read.commit
    return "" if read.uncommitted() else read.head


def _count_uncommitted(read: WorkTree) -> str:
    if read.place is None:
        return "not in Git"
    count = len(read.uncommitted())
    if not count and read.head:
        return f"as HEAD {read.head[:7]}"
    return f"{count} uncommitted file{'' if count == 1 else 's'}"


_REMOTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:(:|//)|^[^/]+@[^/]+:|^-")


def _is_remote(repo: str) -> bool:
    """Whether --repo looks like a URL. The adapter decides which URLs it accepts."""
    return _REMOTE.match(repo) is not None


def _fetch_tree(common: CommonOptions) -> Tree:
    from reconciler.adapters import git

    found = _fetch(common)
    return git.open_commit(found.repo, found.commit)


def last_seen(common: CommonOptions) -> Tree | None:
    """The commit of the remote that an earlier run fetched last; None without one. For a run while
    the remote does not answer."""
    from reconciler.adapters import git
    from reconciler.adapters.git import remote

    if not _is_remote(common.repo):
        return None
    found = remote.last_seen(common.repo, common.revision or "main", _cache_folder())
    return git.open_commit(found.repo, found.commit) if found is not None else None


def newest(common: CommonOptions) -> tuple[str, str]:
    """The repository and the full id of the newest commit of the followed branch. A remote is
    fetched from only when its tip is new."""
    from reconciler.adapters import git

    _check_revision(common.revision)
    if _is_remote(common.repo):
        found = _fetch(common)
        return str(found.repo), found.commit
    root = repo_root(common)
    return str(root), git.resolve(root, common.revision or "HEAD")


def _fetch(common: CommonOptions) -> FetchResult:
    """Fetches a branch or tag of a remote into the user's cache. Credentials come from the
    environment (RECONCILER_GIT_USER and RECONCILER_GIT_TOKEN, or the files RECONCILER_GIT_SSH_KEY
    and RECONCILER_GIT_KNOWN_HOSTS), never from a URL. RECONCILER_GIT_CA_FILE names certificates to
    trust for https instead of the system's."""
    from reconciler.adapters.git import remote

    if common.worktree:
        raise UsageMistake("a remote has no work tree", hint="leave --worktree out")
    token = os.environ.get("RECONCILER_GIT_TOKEN", "")
    redaction.redactor().learn(token)
    user = os.environ.get("RECONCILER_GIT_USER", "git")
    names = ("SSH_KEY", "KNOWN_HOSTS", "CA_FILE")
    key, hosts, authorities = (_file_from(f"RECONCILER_GIT_{name}") for name in names)
    given = remote.Credentials(
        user=user, password=token, ssh_key=key, known_hosts=hosts, authorities=authorities
    )
    return remote.fetch(
        common.repo,
        common.revision or "main",
        _cache_folder(),
        credentials=given if token or key or hosts or authorities else None,
    )


def _cache_folder() -> str:
    folder = os.environ.get("RECONCILER_CACHE_DIR")
    if folder:
        return folder
    import platformdirs

    return platformdirs.user_cache_dir("ml-reconciler")


def _file_from(variable: str) -> Path | None:
    """The file that a variable names. Raises UsageMistake when it does not exist: ssh would ignore
    the mistake."""
    named = os.environ.get(variable)
    if not named:
        return None
    if not Path(named).is_file():
        raise UsageMistake(f"{variable}: there is no file {named}")
    return Path(named)


def base_tree(common: CommonOptions, revision: str) -> Tree:
    """The tree of the revision that `--base` names."""
    from reconciler.adapters import git

    if _is_remote(common.repo):
        return _fetch_tree(replace(common, revision=revision))
    return git.open_commit(repo_root(common), revision)
