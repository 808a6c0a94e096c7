"""What is deleted, what is kept all the same, and the guards over how much.

Never on an empty or partly failed render: only units whose files were read in full come here.
Limits (a group's recorded objects together): more than 10 objects, or more than 20 % once 20 are
recorded, wait for an approval of exactly that set. Emptying a group needs its tombstone.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import reconciler
from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import PruneClass, facts_of
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.ownership import owned_by
from reconciler.plan.change import Action, AppPlan, Change, Expected, Refusal, Standing
from reconciler.plan.inventory import Member, live_digest

__all__ = ["Limits", "approval_of", "deletions", "guard"]


@dataclass(frozen=True, slots=True)
class Limits:
    objects: int = 10
    percent: int = 20
    percent_from: int = 20


def deletions(
    members: Iterable[Member], desired: frozenset[ObjectKey], live: Mapping[ObjectKey, Observed]
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
        if change is None:
            continue
        changes.append(change)
        stay.append(member)
    return changes, stay


def _delete(member: Member, seen: Observed) -> Change | None:
    facts = facts_of(member.key.group_kind)
    change = functools.partial(
        Change, key=member.key, api_version=member.api_version, wave=facts.wave
    )
    gone = Reason("no longer in Git")
    if seen.presence is Presence.UNREAD:
        why = (Reason(f"not judged: {seen.why}"),)
        return change(action=Action.DELETE, standing=Standing.UNJUDGED, reasons=why)
    if member.uid and seen.uid != member.uid:
        return None  # deleted and made anew by someone else: not ours
    managers = owned_by((seen.body or {}).get("metadata", {}).get("managedFields") or ())
    if reconciler.FIELD_MANAGER not in managers:
        return None
    expects = Expected(seen.uid, seen.resource_version, live_digest(seen))
    if facts.prune is PruneClass.STATEFUL:
        kept = Reason(f"no longer in Git, kept: a {member.key.kind} holds state, delete it by hand")
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
    plans: Iterable[AppPlan],
    *,
    groups_absent: frozenset[str],
    approved: frozenset[str] = frozenset(),
    limits: Limits | None = None,
) -> dict[str, Refusal]:
    """Per group (`environment/group`) the refusal of its deletes, if a guard says no."""
    limits = limits or Limits()
    by_group: dict[str, list[AppPlan]] = {}
    for plan in plans:
        by_group.setdefault(f"{plan.environment}/{plan.group}", []).append(plan)
    out: dict[str, Refusal] = {}
    for group, members in sorted(by_group.items()):
        refusal = _judge(group, members, group in groups_absent, approved, limits)
        if refusal is not None:
            out[group] = refusal
    return out


def _judge(
    group: str,
    plans: list[AppPlan],
    tombstone: bool,
    approved: frozenset[str],
    limits: Limits,
) -> Refusal | None:
    deletes = [
        c
        for plan in plans
        for c in plan.changes()
        if c.action is Action.DELETE and c.standing is Standing.GO
    ]
    if not deletes:
        return None
    recorded = sum(len(plan.recorded.members) for plan in plans if plan.recorded is not None)
    approval = approval_of(deletes)
    nothing_left = all(not plan.members or plan.removed for plan in plans)
    if nothing_left and not tombstone:
        return Refusal(
            "E_PRUNE_EMPTY",
            f"empties {group}: all of its {recorded} recorded objects would go",
            f"if meant: set `group.state: absent` in environments/{group}/group.yaml",
        )
    way_out = f"if meant: --approve-prune {approval}"
    protected = [c for c in deletes if facts_of(c.key.group_kind).prune is PruneClass.PROTECTED]
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
