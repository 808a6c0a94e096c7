"""Decides which recorded objects are deleted, and which are kept although Git no longer has them.

Only units whose files were read in full come here, so an empty or partly failed render deletes
nothing. The guard `engine.guards.prune` limits how much one run may delete.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping

from reconciler import kinds
from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import PruneClass
from reconciler.objects.observed import Observed, Presence
from reconciler.plan import conflicts, marks
from reconciler.plan.change import Action, Change, Expected, Standing
from reconciler.plan.inventory import PART_OF, Member, part_of
from reconciler.plan.live_content import content_digest
from reconciler.plan.snapshot import Snapshot
from reconciler.unit import UnitId

__all__ = ["plan_deletions"]


def plan_deletions(
    unit: UnitId,
    members: Iterable[Member],
    desired: frozenset[ObjectKey],
    live: Mapping[ObjectKey, Observed],
    snapshot: Snapshot,
) -> tuple[list[Change], list[Member]]:
    """The deletes of recorded objects that are no longer desired, and the members that stay
    recorded.

    An absent object leaves the inventory without a request, and so does one that now belongs to
    another unit or tool. An unread object stays, and its delete is unjudged.
    """
    changes: list[Change] = []
    still_recorded: list[Member] = []
    for member in sorted(members):
        if member.key in desired:
            continue
        seen = live[member.key]
        if seen.presence is Presence.ABSENT:
            continue
        owners = [owner for owner in (unit, snapshot.handed.get(unit)) if owner is not None]
        change = _plan_delete(member, seen, owners)
        if change is None or _was_taken(unit, member.key, seen, snapshot):
            continue
        changes.append(change)
        still_recorded.append(member)
    return changes, still_recorded


def _was_taken(unit: UnitId, key: ObjectKey, seen: Observed, snapshot: Snapshot) -> bool:
    """Whether another unit has taken the object over: that unit's inventory lists the object, and
    the object's label names that unit."""
    label = ((seen.body or {}).get("metadata") or {}).get("labels", {}).get(PART_OF)
    owner = snapshot.owner_of(key, but=(unit, snapshot.handed.get(unit)))
    return owner is not None and label == part_of(owner)


def _plan_delete(member: Member, seen: Observed, owners: Collection[UnitId]) -> Change | None:
    facts = kinds.find(member.key.group_kind)
    change = functools.partial(
        Change, key=member.key, api_version=member.api_version, wave=facts.wave
    )
    gone = Reason("no longer in Git")
    if seen.presence is Presence.UNREAD:
        why = (Reason(f"not judged: {seen.why}"),)
        return change(action=Action.DELETE, standing=Standing.UNJUDGED, reasons=why)
    if member.uid and seen.uid != member.uid:
        return None  # somebody deleted and recreated the object: it is no longer this program's
    if not conflicts.is_ours(seen) and not conflicts.has_lost_owner(seen, owners):
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
