"""The options of a run, beside the tree and the selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.engine.memo import Memo
from reconciler.plan.change import NO_APPROVALS, Approvals
from reconciler.ports import SEQUENTIAL, Workers

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`approvals`: what a person approved. `plans`: go on to the plan; without it the run ends
    after object policy. `foresees`: compute the next times of schedules. `full`: no object counts
    as unchanged without asking the server. `memo`: what a loop keeps from pass to pass.
    `stands_on`: the commit whose files a tree without a commit has; "" when it has other files. It
    is asked only where an answer matters."""

    approvals: Approvals = NO_APPROVALS
    plans: bool = True
    foresees: bool = True
    full: bool = False
    workers: Workers = SEQUENTIAL
    memo: Memo | None = None
    stands_on: Callable[[], str] = str
