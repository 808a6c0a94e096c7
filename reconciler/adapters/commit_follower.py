"""Follows a branch, of a remote or of a repository on this machine."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.adapters import git
from reconciler.ports import Tree

__all__ = ["CommitFollower"]


class CommitFollower:
    """Implements `loop.Follower`. `find` returns the newest commit as (repository, commit); for a
    remote it runs `git ls-remote`, and fetches only a new commit. While the commit is the same,
    `latest` returns the same Tree, and no file is listed or read again."""

    def __init__(self, find: Callable[[], tuple[str, str]]) -> None:
        self._find = find
        self._tree: Tree | None = None

    def latest(self) -> Tree:
        repo, commit = self._find()
        if self._tree is None or self._tree.commit != commit:
            self._tree = git.open_commit(repo, commit)
        return self._tree
