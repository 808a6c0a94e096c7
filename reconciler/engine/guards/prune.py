"""The guard of deletes: how many objects of a group one run may delete.

Of all recorded objects of a group, a delete of more than 10, or of more than 20 % once 20 are
recorded, needs an approval of exactly that set. Deleting all of a group needs its tombstone.
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
    """The most objects, and the most per cent of a group's objects, that a run deletes without an
    approval. The per cent count from `percent_from` recorded objects on."""

    objects: int = 10
    percent: int = 20
    percent_from: int = 20


def approval_of(changes: Iterable[Change]) -> str:
    """The hash that approves exactly this set of deletes, by name and uid."""
    rows = sorted(f"{c.key.full()} {c.expects.uid}" for c in changes)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The refusal of a group's deletes; each of the group's units gets its own `Refusal`."""

    code: str
    text: str
    way_out: str
    approval: str = ""


#: The client's index and the group: a group that moved is judged on both clusters.
_Group: TypeAlias = tuple[int, str]


def guard(
    absent: frozenset[str],
    approved: frozenset[str] = frozenset(),
    recorded: Mapping[int, Mapping[UnitId, Inventory]] | None = None,
    limits: Limits | None = None,
) -> Guard:
    """The guard of a run. `absent` are groups with a tombstone (`group.state: absent`); `approved`
    holds hashes of approved sets of deletes. `recorded` has all inventories of each client, also of
    units without a plan: a selection must not make a group look smaller than it is."""
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
            verdict = _judge_group(key[1], apps, others.get(key, 0), absent, approved, limits)
            if verdict is not None:
                found[key] = verdict
        judged_apart = found.keys() | {key for key in by_group if key[1] in absent}
        found |= _judge_removed_apps(plan.apps, judged_apart, approved, limits)
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


def _judge_removed_apps(
    apps: Iterable[AppPlan],
    judged_apart: Collection[_Group],
    approved: frozenset[str],
    limits: Limits,
) -> dict[_Group, _Verdict]:
    """The refusals of deletes of removed apps, counted over all groups: a commit that removes apps
    from many groups may stay below the limit in each. `apart` are groups that are refused already,
    or have a tombstone."""
    gone = [a for a in apps if a.removed and (a.place, a.unit.group_id) not in judged_apart]
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


def _judge_group(
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
    """Whether Git wants any object of the unit: objects that are deleted, or kept although they are
    gone from Git, do not count."""
    gone = {c.key for c in plan.changes() if c.action in (Action.DELETE, Action.KEEP)}
    return any(m.key not in gone for m in plan.members) or any(
        c.action not in (Action.DELETE, Action.KEEP) for c in plan.changes()
    )
