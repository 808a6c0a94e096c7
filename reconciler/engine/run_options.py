"""How a run looks at things; what no command-line option changes is not here."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.engine.memo import Memo
from reconciler.ports import ALONE, Workers

__all__ = ["How"]


@dataclass(frozen=True, slots=True)
class How:
    """`approved` is what a person allowed: hashes of prunes, applied commits that may be left
    behind, versions of this program that may draw differently. `plans`: go on beyond object policy.
    `foresees`: tell the next times of schedules. `full`: nothing counts as unchanged without asking
    the server. `memo` is what a loop remembers from pass to pass."""

    approved: frozenset[str] = frozenset()
    plans: bool = True
    foresees: bool = True
    full: bool = False
    workers: Workers = ALONE
    memo: Memo | None = None
