"""The guard of deletes: how many objects of a group one run may delete.

Of all recorded objects of a group, a delete of more than 10, or of more than 20 % once 20 are
recorded, needs an approval of exactly that set. So does a delete of any size when an app that is
still in Git draws nothing any more, when a file that the app lists holds no object, and when no app
of the group is left. Deleting all of a group needs its tombstone.

An older generation of an object that its app still has (`AppPlan.is_superseded`) does not count
towards the 10 and the 20 %: KubeDL's objects get a new name with each change of their content, and
an ordinary edit is no loss. An approval names the whole set all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler import kinds
from reconciler.diagnostics import Diagnostic
from reconciler.engine.guards.guard import Guard
from reconciler.objects.kind import PruneClass
from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing
from reconciler.plan.inventory import Inventory
from reconciler.unit import UnitId

__all__ = ["Limits", "approval_of", "guard", "hollow_files"]


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
    hollow: Mapping[UnitId, str] | None = None,
    limits: Limits | None = None,
) -> Guard:
    """The guard of a run. `absent` are groups with a tombstone (`group.state: absent`); `approved`
    holds hashes of approved sets of deletes. `recorded` has all inventories of each client, also of
    units without a plan: a selection must not make a group look smaller than it is. `hollow` maps
    apps to a file that they list and that holds no object."""
    limits = limits or Limits()

    def refuse(plan: Plan) -> Iterator[Refusal]:
        planned = {(app.place, app.unit) for app in plan.apps}
        others: dict[_Group, dict[UnitId, int]] = {}
        for place, inventories in (recorded or {}).items():
            for unit, inventory in inventories.items():
                if (place, unit) not in planned:
                    key = (place, unit.group_id)
                    others.setdefault(key, {})[unit] = len(inventory.members)
        by_group: dict[_Group, list[AppPlan]] = {}
        for app in plan.apps:
            by_group.setdefault((app.place, app.unit.group_id), []).append(app)
        found: dict[_Group, _Verdict] = {}
        for key, apps in sorted(by_group.items()):
            rest = others.get(key, {})
            verdict = _judge_group(key[1], apps, sum(rest.values()), absent, approved, limits)
            if verdict is None and key[1] not in absent:
                verdict = _judge_emptied(key[1], apps, rest, approved, hollow or {})
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


def hollow_files(diagnostics: Iterable[Diagnostic]) -> dict[UnitId, str]:
    """App → a file that it lists and that holds no object, from the mistakes of a tree."""
    return {
        unit: item.site.file
        for item in diagnostics
        if item.code == "W_EMPTY" and item.site is not None
        for unit in item.apps
    }


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
    lost = sum(
        1 for plan in plans for c in plan.changes() if _deletes(c) and not plan.is_superseded(c.key)
    )
    limit = ""
    if lost > limits.objects:
        limit = f"limit {limits.objects}"
    elif recorded >= limits.percent_from and 100 * lost / max(1, recorded) > limits.percent:
        limit = f"limit {limits.percent} %"
    if not limit:
        return None
    replaced = len(deletes) - lost
    more = f"; {replaced} replaced ones do not count" if replaced else ""
    text = f"deletes {lost} of {recorded} objects of {group} ({limit}{more})"
    return _Verdict("E_PRUNE_BUDGET", text, way_out, approval)


def _judge_emptied(
    group: str,
    plans: list[AppPlan],
    others: Mapping[UnitId, int],
    approved: frozenset[str],
    hollow: Mapping[UnitId, str],
) -> _Verdict | None:
    """The refusal of deletes that look like an accident however few they are: a file was cut off,
    or the apps of a group are all gone while the group stays."""
    deletes = [c for plan in plans for c in plan.changes() if _deletes(c)]
    approval = approval_of(deletes)
    if not deletes or approval in approved:
        return None
    apps = [plan for plan in plans if not plan.unit.is_foundation]
    texts = [text for plan in apps if (text := _explain_emptied(plan, hollow))]
    leaving = [plan for plan in apps if any(_deletes(c) for c in plan.changes())]
    stays = any(others[unit] for unit in others if not unit.is_foundation)
    if not texts and leaving and not stays and not any(_desires(plan) for plan in apps):
        names = ", ".join(str(plan.unit) for plan in leaving[:3])
        more = f" and {len(leaving) - 3} more" if len(leaving) > 3 else ""
        texts = [f"deletes every app of {group} while the group stays: {names}{more}"]
    if not texts:
        return None
    way_out = f"if meant: --approve-prune {approval}"
    return _Verdict("E_PRUNE_HOLLOW", "; ".join(texts), way_out, approval)


def _explain_emptied(plan: AppPlan, hollow: Mapping[UnitId, str]) -> str:
    """Why the deletes of an app that is still in Git look like an accident; "" when they do not."""
    count = sum(1 for c in plan.changes() if _deletes(c))
    if plan.removed or not count:
        return ""
    objects = f"{count} object{'' if count == 1 else 's'}"
    if file := hollow.get(plan.unit):
        return f"{file} holds no object, and {plan.unit} would lose {objects}"
    if not _desires(plan):
        return f"{plan.unit} is in Git and draws nothing: it would lose its {objects}"
    return ""


def _desires(plan: AppPlan) -> bool:
    """Whether Git wants any object of the unit: objects that are deleted, or kept although they are
    gone from Git, do not count."""
    gone = {c.key for c in plan.changes() if c.action in (Action.DELETE, Action.KEEP)}
    return any(m.key not in gone for m in plan.members) or any(
        c.action not in (Action.DELETE, Action.KEEP) for c in plan.changes()
    )
