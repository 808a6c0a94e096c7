"""What is deleted, what is kept all the same, and the guards over how much.

Never on an empty or partly failed render: only units whose files were read in full come here.
Limits (a group's recorded objects together): more than 10 objects, or more than 20 % once 20 are
recorded, wait for an approval of exactly that set. Emptying a group needs its tombstone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from reconciler import kinds
from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import PruneClass
from reconciler.objects.observed import Observed, Presence
from reconciler.plan import conflicts, marks
from reconciler.plan.change import Action, AppPlan, Change, Expected, Refusal, Standing
from reconciler.plan.content import content_digest
from reconciler.plan.inventory import PART_OF, Inventory, Member, part_of
from reconciler.plan.snapshot import Snapshot
from reconciler.unit import UnitId

__all__ = ["Limits", "approval_of", "deletions", "guard"]


@dataclass(frozen=True, slots=True)
class Limits:
    objects: int = 10
    percent: int = 20
    percent_from: int = 20


def deletions(
    unit: UnitId,
    members: Iterable[Member],
    desired: frozenset[ObjectKey],
    live: Mapping[ObjectKey, Observed],
    snapshot: Snapshot,
) -> tuple[list[Change], list[Member]]:
    """The deletes of what is recorded and no longer desired, and the members that stay recorded.

    An absent object, and one that is another's by now, is forgotten without a request; an unread
    one stays and is unjudged.
    """
    changes: list[Change] = []
    stay: list[Member] = []
    for member in sorted(members):
        if member.key in desired:
            continue
        seen = live[member.key]
        if seen.presence is Presence.ABSENT:
            continue
        change = _delete(member, seen)
        if change is None or _was_taken(unit, member.key, seen, snapshot):
            continue
        changes.append(change)
        stay.append(member)
    return changes, stay


def _was_taken(unit: UnitId, key: ObjectKey, seen: Observed, snapshot: Snapshot) -> bool:
    """Whether another unit has taken the object over: it records it, and the object says so."""
    label = ((seen.body or {}).get("metadata") or {}).get("labels", {}).get(PART_OF)
    owner = snapshot.owner_of(key, but=(unit, snapshot.handed.get(unit)))
    return owner is not None and label == part_of(owner)


def _delete(member: Member, seen: Observed) -> Change | None:
    facts = kinds.find(member.key.group_kind)
    change = functools.partial(
        Change, key=member.key, api_version=member.api_version, wave=facts.wave
    )
    gone = Reason("no longer in Git")
    if seen.presence is Presence.UNREAD:
        why = (Reason(f"not judged: {seen.why}"),)
        return change(action=Action.DELETE, standing=Standing.UNJUDGED, reasons=why)
    if member.uid and seen.uid != member.uid:
        return None  # deleted and made anew by someone else: not ours
    if not conflicts.is_ours(seen):
        return None
    expects = Expected(seen.uid, seen.resource_version, content_digest(seen))
    if marks.is_kept(seen):
        kept = Reason(f"no longer in Git, kept: {marks.PRUNE} is disabled on it")
        return change(action=Action.KEEP, standing=Standing.HELD, reasons=(kept,), expects=expects)
    if facts.prune is PruneClass.STATEFUL:
        kept = Reason(f"no longer in Git, kept: a {member.key.kind} holds state, delete it by hand")
        return change(action=Action.KEEP, standing=Standing.HELD, reasons=(kept,), expects=expects)
    if kinds.is_active_run(seen):
        kept = Reason(f"no longer in Git, kept: the {member.key.kind} has not finished")
        return change(action=Action.KEEP, standing=Standing.HELD, reasons=(kept,), expects=expects)
    if seen.is_terminating:
        waits = Reason("is being deleted; a finalizer holds it")
        return change(
            action=Action.KEEP,
            standing=Standing.HELD,
            reasons=(waits,),
            expects=expects,
            awaited=True,
        )
    return change(
        action=Action.DELETE,
        reasons=(gone,),
        expects=expects,
        suspend_first=facts.prune is PruneClass.SCHEDULE,
    )


def approval_of(changes: Iterable[Change]) -> str:
    """The hash that stands for exactly this set of deletes, by name and uid."""
    rows = sorted(f"{c.key.full()} {c.expects.uid}" for c in changes)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]


def guard(
    plans: Collection[AppPlan],
    *,
    groups_absent: frozenset[str],
    approved: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    recorded: Mapping[UnitId, Inventory] | None = None,
) -> dict[str, Refusal]:
    """Per group (`environment/group`) the refusal of its deletes, if a guard says no. `recorded`
    holds the inventories of units without a plan, too: what was not selected still counts."""
    limits = limits or Limits()
    planned = {plan.unit for plan in plans}
    others: dict[str, int] = {}
    for unit, inventory in (recorded or {}).items():
        if unit not in planned:
            group = unit.group_id
            others[group] = others.get(group, 0) + len(inventory.members)
    by_group: dict[str, list[AppPlan]] = {}
    for plan in plans:
        by_group.setdefault(f"{plan.environment}/{plan.group}", []).append(plan)
    out: dict[str, Refusal] = {}
    for group, members in sorted(by_group.items()):
        rest = others.get(group, 0)
        refusal = _judge(group, members, rest, group in groups_absent, approved, limits)
        if refusal is not None:
            out[group] = refusal
    together = _together(plans, groups_absent | out.keys(), approved, limits)
    return {**together, **out}


def _together(
    plans: Iterable[AppPlan],
    apart: frozenset[str] | set[str],
    approved: frozenset[str],
    limits: Limits,
) -> dict[str, Refusal]:
    """A commit that takes apps out of many groups stays below the limit in each of them: what
    apps gone from Git would lose is counted over the whole run, too. `apart` are groups that are
    judged already, or asked to be emptied."""
    gone = [p for p in plans if p.removed and f"{p.environment}/{p.group}" not in apart]
    deletes = {p.unit: [c for c in p.changes() if _deletes(c)] for p in gone}
    every = [change for changes in deletes.values() for change in changes]
    approval = approval_of(every)
    if len(every) <= limits.objects or approval in approved:
        return {}
    apps = sum(1 for changes in deletes.values() if changes)
    refusal = Refusal(
        "E_PRUNE_BUDGET",
        f"deletes {len(every)} objects of {apps} apps gone from Git (limit {limits.objects})",
        f"if meant: --approve-prune {approval}",
        approval,
    )
    return {f"{p.environment}/{p.group}": refusal for p in gone if deletes[p.unit]}


def _deletes(change: Change) -> bool:
    return change.action is Action.DELETE and change.standing is Standing.GO


def _judge(
    group: str,
    plans: list[AppPlan],
    others: int,
    tombstone: bool,
    approved: frozenset[str],
    limits: Limits,
) -> Refusal | None:
    deletes = [c for plan in plans for c in plan.changes() if _deletes(c)]
    if not deletes:
        return None
    recorded = others + sum(
        len(plan.recorded.members) for plan in plans if plan.recorded is not None
    )
    approval = approval_of(deletes)
    nothing_left = not others and all(not _desires(plan) for plan in plans)
    if nothing_left and not tombstone:
        return Refusal(
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
        return Refusal("E_PRUNE_PROTECTED", text, way_out, approval)
    share = 100 * len(deletes) / max(1, recorded)
    if len(deletes) > limits.objects:
        text = f"deletes {len(deletes)} of {recorded} objects of {group} (limit {limits.objects})"
        return Refusal("E_PRUNE_BUDGET", text, way_out, approval)
    if recorded >= limits.percent_from and share > limits.percent:
        text = f"deletes {len(deletes)} of {recorded} objects of {group} (limit {limits.percent} %)"
        return Refusal("E_PRUNE_BUDGET", text, way_out, approval)
    return None


def _desires(plan: AppPlan) -> bool:
    """Whether anything of the unit is wanted: what goes or is kept in spite of Git is not."""
    gone = {c.key for c in plan.changes() if c.action in (Action.DELETE, Action.KEEP)}
    return any(m.key not in gone for m in plan.members) or any(
        c.action not in (Action.DELETE, Action.KEEP) for c in plan.changes()
    )
