"""Git as the source of config and as the place of proposals; the parts are `git_*.py`.

Reading a work tree or a commit costs a few git processes and never GitPython's import; proposals
on a branch use it for the commit object.
"""

from __future__ import annotations

from reconciler.adapters.git.objects import CommitTree, open_commit
from reconciler.adapters.git.place import is_ancestor, is_repository, resolve
from reconciler.adapters.git.proposals import BranchProposals, WorktreeProposals
from reconciler.adapters.git.remote import Credentials, FetchResult, fetch
from reconciler.adapters.git.worktree import WorkTree, open_worktree

__all__ = [
    "BranchProposals",
    "CommitTree",
    "Credentials",
    "FetchResult",
    "WorkTree",
    "WorktreeProposals",
    "fetch",
    "is_ancestor",
    "is_repository",
    "open_commit",
    "open_worktree",
    "resolve",
]
