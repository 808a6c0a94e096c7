"""Git as the source of the config, and as the place for proposals.

Reading a work tree or a commit costs a few git processes and never imports GitPython; only
proposals on a branch use GitPython, to make the commit object.
"""

from __future__ import annotations

from reconciler.adapters.git.objects import CommitTree, open_commit
from reconciler.adapters.git.place import is_ancestor, is_repository, resolve
from reconciler.adapters.git.proposals import BranchProposals, WorktreeProposals
from reconciler.adapters.git.remote import Credentials, FetchLimits, FetchResult, fetch
from reconciler.adapters.git.worktree import WorkTree, open_worktree

__all__ = [
    "BranchProposals",
    "CommitTree",
    "Credentials",
    "FetchLimits",
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
