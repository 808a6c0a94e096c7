"""The guard over deletes: how much of a group one run may take away.

Limits (a group's recorded objects together): more than 10 objects, or more than 20 % once 20 are
recorded, wait for an approval of exactly that set. Emptying a group needs its tombstone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler import kinds
from reconciler.engine.guards.guard import Guard
from reconciler.objects.kind import PruneClass
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing
from reconciler.plan.inventory import Inventory
from reconciler.unit import UnitId

__all__ = ["Limits", "approval_of", "guard"]


@dataclass(frozen=True, slots=True)
class Limits:
    objects: int = 10
    percent: int = 20
    percent_from: int = 20


def approval_of(changes: Iterable[Change]) -> str:
    """The hash that stands for exactly this set of deletes, by name and uid."""
    rows = sorted(f"{c.key.full()} {c.expects.uid}" for c in changes)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is said of a whole group's deletes; each of its units gets a `Refusal` of its own."""

    code: str
    text: str
    way_out: str
    approval: str = ""


#: A group on one cluster: a group that moved is judged on both.
_Group: TypeAlias = tuple[int, str]


def guard(
    absent: frozenset[str],
    approved: frozenset[str] = frozenset(),
    recorded: Mapping[int, Mapping[UnitId, Inventory]] | None = None,
    limits: Limits | None = None,
) -> Guard:
    """The guard for a run. `absent` are groups with a tombstone (`group.state: absent`); `approved`
    holds hashes of sets that a person allowed. `recorded` has the inventories of each client, units
    without a plan included: a selection must not make a group look smaller than it is."""
    limits = limits or Limits()

    def refuse(plan: Plan) -> Iterator[Refusal]:
        planned = {(app.place, app.unit) for app in plan.apps}
        others: dict[_Group, int] = {}
        for place, inventories in (recorded or {}).items():
            for unit, inventory in inventories.items():
                if (place, unit) not in planned:
                    key = (place, unit.group_id)
                    others[key] = others.get(key, 0) + len(inventory.members)
        by_group: dict[_Group, list[AppPlan]] = {}
        for app in plan.apps:
            by_group.setdefault((app.place, app.unit.group_id), []).append(app)
        found: dict[_Group, _Verdict] = {}
        for key, apps in sorted(by_group.items()):
            verdict = _judge(key[1], apps, others.get(key, 0), absent, approved, limits)
            if verdict is not None:
                found[key] = verdict
        apart = found.keys() | {key for key in by_group if key[1] in absent}
        found |= _together(plan.apps, apart, approved, limits)
        for app in plan.apps:
            deletes = frozenset(c.key for c in app.changes() if _deletes(c))
            of_group = found.get((app.place, app.unit.group_id))
            if of_group is not None and deletes:
                yield Refusal(
                    of_group.code,
                    of_group.text,
                    of_group.way_out,
                    app.unit,
                    app.place,
                    deletes,
                    of_group.approval,
                )

    return refuse


def _together(
    apps: Iterable[AppPlan],
    apart: Collection[_Group],
    approved: frozenset[str],
    limits: Limits,
) -> dict[_Group, _Verdict]:
    """A commit that takes apps out of many groups stays below the limit in each of them: what
    apps gone from Git would lose is counted over the whole run, too. `apart` are groups that are
    judged already, or asked to be emptied."""
    gone = [a for a in apps if a.removed and (a.place, a.unit.group_id) not in apart]
    deletes = {(a.place, a.unit): [c for c in a.changes() if _deletes(c)] for a in gone}
    every = [change for changes in deletes.values() for change in changes]
    approval = approval_of(every)
    if len(every) <= limits.objects or approval in approved:
        return {}
    count = sum(1 for changes in deletes.values() if changes)
    verdict = _Verdict(
        "E_PRUNE_BUDGET",
        f"deletes {len(every)} objects of {count} apps gone from Git (limit {limits.objects})",
        f"if meant: --approve-prune {approval}",
        approval,
    )
    return {
        (place, unit.group_id): verdict for (place, unit), changes in deletes.items() if changes
    }


def _deletes(change: Change) -> bool:
    return change.action is Action.DELETE and change.standing is Standing.GO


def _judge(
    group: str,
    plans: list[AppPlan],
    others: int,
    absent: frozenset[str],
    approved: frozenset[str],
    limits: Limits,
) -> _Verdict | None:
    deletes = [c for plan in plans for c in plan.changes() if _deletes(c)]
    if not deletes:
        return None
    recorded = others + sum(
        len(plan.recorded.members) for plan in plans if plan.recorded is not None
    )
    approval = approval_of(deletes)
    nothing_left = not others and all(not _desires(plan) for plan in plans)
    if nothing_left and group not in absent:
        return _Verdict(
            "E_PRUNE_EMPTY",
            f"empties {group}: all of its {recorded} recorded objects would go",
            f"if meant: set `group.state: absent` in environments/{group}/group.yaml",
        )
    way_out = f"if meant: --approve-prune {approval}"
    protected = [c for c in deletes if kinds.find(c.key.group_kind).prune is PruneClass.PROTECTED]
    if approval in approved:
        return None
    if protected:
        text = f"deletes {', '.join(str(c.key) for c in protected)} of {group}, protected"
        return _Verdict("E_PRUNE_PROTECTED", text, way_out, approval)
    share = 100 * len(deletes) / max(1, recorded)
    if len(deletes) > limits.objects:
        text = f"deletes {len(deletes)} of {recorded} objects of {group} (limit {limits.objects})"
        return _Verdict("E_PRUNE_BUDGET", text, way_out, approval)
    if recorded >= limits.percent_from and share > limits.percent:
        text = f"deletes {len(deletes)} of {recorded} objects of {group} (limit {limits.percent} %)"
        return _Verdict("E_PRUNE_BUDGET", text, way_out, approval)
    return None


def _desires(plan: AppPlan) -> bool:
    """Whether anything of the unit is wanted: what goes or is kept in spite of Git is not."""
    gone = {c.key for c in plan.changes() if c.action in (Action.DELETE, Action.KEEP)}
    return any(m.key not in gone for m in plan.members) or any(
        c.action not in (Action.DELETE, Action.KEEP) for c in plan.changes()
    )
