"""The revision that a loop follows: a branch of a remote, or of a repository on this machine."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.adapters import git
from reconciler.ports import Tree

__all__ = ["CommitFollower"]


class CommitFollower:
    """Fulfils `loop.Follower`. `find` says where the newest commit is, as (repository, commit):
    for a remote that is an ls-remote first and a fetch only of something new. While the commit
    stays, so does the Tree, and nothing is listed or read again."""

    def __init__(self, find: Callable[[], tuple[str, str]]) -> None:
        self._find = find
        self._tree: Tree | None = None

    def latest(self) -> Tree:
        repo, commit = self._find()
        if self._tree is None or self._tree.commit != commit:
            self._tree = git.open_commit(repo, commit)
        return self._tree
