"""Draws units: makes drafts from typed units and decisions. The stage before policy and plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler.apps.app import Fleet, Foundation, Unit
from reconciler.backends import draw
from reconciler.engine import decide
from reconciler.engine.memo import Memo
from reconciler.lifecycle import schedule
from reconciler.objects.draft import Draft
from reconciler.plan import inventory
from reconciler.plan.build import UnitDecision
from reconciler.plan.snapshot import Snapshot

__all__ = ["UnitDrafts", "draw_units"]


@dataclass(frozen=True, slots=True)
class UnitDrafts:
    """One unit with its decision and its drafts."""

    unit: Unit
    decided: UnitDecision
    drafts: tuple[Draft, ...]


def draw_units(
    fleet: Fleet,
    snapshot: Snapshot,
    now: datetime,
    *,
    foresees: bool = True,
    memo: Memo | None = None,
) -> Iterator[UnitDrafts]:
    """Each unit's drafts, one unit at a time; foundations first. With `foresees`, the decisions
    hold the next times of the unit's schedules, for reports."""
    memo = memo or Memo()
    absent = {f.group_id for f in fleet.foundations if f.spec.state.value == "absent"}
    for unit in fleet.units():
        if isinstance(unit, Foundation) or unit.group_id in absent:
            empty = unit.group_id in absent
            yield UnitDrafts(unit, UnitDecision(), () if empty else memo.fixed(unit))
            continue
        decision, swap = decide.decide(unit, snapshot, now)
        drafts = memo.fixed(unit)
        fires = tuple(schedule.foresee(unit, now)) if foresees else ()
        decided = UnitDecision(decision, fires, swap)
        if decision is not None:
            moving = draw.draw_moving(unit, decision.outcome, snapshot.lookup)
            drafts += inventory.add_membership(moving, unit.id)
            retained = decide.list_retained(unit, decision, snapshot)
            awaits = draw.serving_objects(unit, decision.outcome.awaited)
            decided = replace(decided, retained=retained, awaits=awaits)
        yield UnitDrafts(unit, decided, drafts)
