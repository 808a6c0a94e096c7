"""Git as the source of config: a work tree or a commit, for a few git processes.

`remote` fetches from a URL and `proposals` writes edits; only the latter's branches import
GitPython, for the commit object.
"""

from __future__ import annotations

from reconciler.adapters.git.objects import CommitTree, open_commit
from reconciler.adapters.git.place import is_ancestor, is_repository, resolve
from reconciler.adapters.git.worktree import WorkTree, open_worktree

__all__ = [
    "CommitTree",
    "WorkTree",
    "is_ancestor",
    "is_repository",
    "open_commit",
    "open_worktree",
    "resolve",
]
