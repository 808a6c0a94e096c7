"""What a caller asks of a run beside the tree and the selection."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.memo import Memo
from reconciler.plan.change import NO_APPROVALS, Approvals
from reconciler.ports import SEQUENTIAL, Workers

__all__ = ["RunOptions"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`approvals` are what a person allowed. `plans`: go on beyond object policy. `foresees`: tell
    the next times of schedules. `full`: nothing counts as unchanged without asking the server.
    `memo` is what a loop remembers from pass to pass."""

    approvals: Approvals = NO_APPROVALS
    plans: bool = True
    foresees: bool = True
    full: bool = False
    workers: Workers = SEQUENTIAL
    memo: Memo | None = None
