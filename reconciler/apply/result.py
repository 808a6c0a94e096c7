"""The result of applying one unit's plan, and the answers that the protocol is sent. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from reconciler.apply.effect import WaitResult
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Outcome, Verb
from reconciler.plan.change import Action, Change
from reconciler.unit import UnitId

__all__ = ["ApplyResult", "ApplyStatus", "EffectAnswer"]

EffectAnswer: TypeAlias = Outcome | Observed | WaitResult


class ApplyStatus(StrEnum):
    DONE = "done"
    NOTHING = "nothing"
    INCOMPLETE = "incomplete"  # applied, but something is not ready or not gone yet
    FAILED = "failed"  # a write was refused or its outcome is unknown
    LOST = "lost"  # another run wrote first: a compare-and-swap failed
    STOPPED = "stopped"  # a signal, a deadline or a lost lease ended the run early


@dataclass(slots=True)
class ApplyResult:
    """The result of one unit's plan. `done` are the writes that succeeded; `problems` are (object
    or None for the whole unit, text); `unchanged` counts the objects that needed no write."""

    unit: UnitId
    status: ApplyStatus = ApplyStatus.NOTHING
    done: list[tuple[Change, Verb]] = field(default_factory=list)
    problems: list[tuple[ObjectKey | None, str]] = field(default_factory=list)
    unchanged: int = 0

    def count(self, verb: Verb) -> int:
        return sum(1 for _, seen in self.done if seen is verb)

    def list_done(self) -> list[tuple[str, str]]:
        """(object, what was done) of every write. An object that was deleted and made anew is
        `replaced`, not `created`."""
        return [
            (c.key.full(), "replaced" if c.action is Action.REPLACE else verb.value)
            for c, verb in self.done
        ]
