"""Makes one unit's plan from its desired, recorded, live and predicted objects. Pure.

Two steps, because the server is asked between them. `check_noop` finds the drafts that cannot
differ from the live objects; these are not sealed and need no request. `build_plan` makes the plan
from the server's answers about the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import reconciler
from reconciler import kinds
from reconciler.apps.app import Unit
from reconciler.lifecycle.decision import Decision, Fires, Reason, RolloutVerdict, Weights
from reconciler.objects.draft import Draft, Manifest, digest, walk
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import PruneClass
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.outcome import CLUSTER_SCOPED, Done, Outcome, RefusalCause, Refused, Unknown
from reconciler.plan import compare, conflicts, marks, order, prune
from reconciler.plan.change import (
    Action,
    AppPlan,
    Change,
    Expected,
    FieldChange,
    Standing,
    StateSwap,
)
from reconciler.plan.inventory import Inventory, Member, live_digest
from reconciler.plan.live_content import content_digest
from reconciler.plan.snapshot import Snapshot
from reconciler.unit import UnitId

__all__ = [
    "NoopCheck",
    "Prediction",
    "UnitDecision",
    "build_plan",
    "check_noop",
    "find_recorded",
    "plan_removed",
]

#: The label on every object of one served version.
_VERSION = f"{reconciler.API_DOMAIN}/version"
_MODEL = f"{reconciler.API_DOMAIN}/model"


@dataclass(frozen=True, slots=True)
class NoopCheck:
    """A draft, and whether it is unchanged: equal to its recorded and its live object."""

    draft: Draft
    digest: str
    live: Observed
    member: Member | None
    unchanged: bool
    ended: bool = False
    """It counts as unchanged because it ran to its end and its time to live removed it."""


@dataclass(frozen=True, slots=True)
class UnitDecision:
    """The decisions of `lifecycle` for a unit, as its plan shows and records them."""

    decision: Decision[Weights] | None = None
    schedules: tuple[Fires, ...] = ()
    swap: StateSwap | None = None
    retained: Mapping[ObjectKey, Reason] = field(default_factory=dict)
    """Recorded objects that Git no longer wants and that must not be deleted yet."""
    awaits: frozenset[ObjectKey] = frozenset()
    """The objects that must be ready before the route is made."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The server's answer to the dry-run of one manifest. `took` names the managers whose fields a
    second, forced dry-run took over. `found` is the live object when a LIST by labels did not show
    it and a GET did."""

    manifest: Manifest
    outcome: Outcome
    took: tuple[str, ...] = ()
    found: Observed | None = None
    replaces: tuple[str, ...] = ()
    """The fields that cannot be changed in place; only when Git allows to replace the object."""
    held: str = ""
    """Why a rule of this program holds the change although Git allows it; "" when none does."""


def find_recorded(unit: Unit, snapshot: Snapshot) -> tuple[Inventory | None, Inventory | None]:
    """The unit's inventory joined with the members handed over to it, and the inventory of the unit
    that it was renamed from. Each is None when there is none."""
    own = snapshot.inventories.get(unit.id)
    source = snapshot.inventories.get(handed) if (handed := snapshot.handed.get(unit.id)) else None
    if source is None:
        return own, None
    return (own or Inventory(unit.id, ())).union(source.members), source


def check_noop(
    draft: Draft,
    recorded: Inventory | None,
    snapshot: Snapshot,
    digest: Callable[[Draft], str] = digest,
) -> NoopCheck:
    """Applies the no-op rule: a draft is unchanged when its manifest digest, the live object's uid
    and the live digest are as recorded, and the cluster serves what it served then."""
    content = digest(draft)
    live = snapshot.lookup(draft.key)
    member = recorded.find(draft.key) if recorded is not None else None
    unchanged = (
        member is not None
        and recorded is not None
        and not snapshot.full
        and recorded.served == snapshot.served
        and live.is_present
        and member.manifest == content
        and member.uid == live.uid
        and member.live == live_digest(live)
        and not live.is_terminating
    )
    ended = (
        member is not None
        and bool(member.uid)
        and member.manifest == content
        and live.presence is Presence.ABSENT
        and not snapshot.offline
        and marks.ends_by_itself(draft)
    )
    return NoopCheck(draft, content, live, member, unchanged or ended, ended)


def build_plan(
    unit: Unit,
    checks: Iterable[NoopCheck],
    predictions: Mapping[ObjectKey, Prediction],
    snapshot: Snapshot,
    decided: UnitDecision,
    creates: frozenset[str] = frozenset(),
) -> AppPlan:
    """The plan of one unit. `creates` names what this same run creates first: namespaces as
    `Namespace NAME`, and the kinds that this unit defines as `Kind.group`."""
    checks = tuple(checks)
    recorded, source = find_recorded(unit, snapshot)
    changes, members = _plan_drawn(checks, predictions, unit, snapshot, creates)
    desired = frozenset(m.key for m in members)
    desired |= {c.key for c in changes}
    if recorded is not None:
        seen_of = {m.key: snapshot.lookup(m.key) for m in recorded.members}
        deletes, kept = prune.plan_deletions(unit.id, recorded.members, desired, seen_of, snapshot)
        changes += [_explain_delete(c, seen_of[c.key], decided, changes) for c in deletes]
        members += kept
    return AppPlan(
        unit.id,
        unit.environment,
        unit.group,
        unit.namespace,
        unit.cluster,
        order.order_waves(changes, retreats=_is_retreating(decided)),
        tuple(sorted(members)),
        recorded,
        decided.decision,
        decided.schedules,
        decided.swap,
        source=source,
        apply_as=unit.apply_as,
        ended=frozenset(item.draft.key for item in checks if item.ended),
        suspended=unit.is_suspended,
        served=snapshot.served,
        place=snapshot.place,
        awaits=decided.awaits,
        stems={item.draft.key: item.draft.stem for item in checks if item.draft.stem},
    )


def _plan_drawn(
    checks: Iterable[NoopCheck],
    predictions: Mapping[ObjectKey, Prediction],
    unit: Unit,
    snapshot: Snapshot,
    creates: frozenset[str],
) -> tuple[list[Change], list[Member]]:
    """The changes of the drawn objects, and the members that the inventory then has of them."""
    changes: list[Change] = []
    members: list[Member] = []
    for item in checks:
        live_object = item.live
        if item.unchanged:
            assert item.member is not None
            members.append(item.member)
            continue
        prediction = predictions[item.draft.key]
        change = _plan_change(item, prediction, unit, snapshot, creates)
        if change is not None:
            changes.append(change)
            live_object = prediction.found or live_object
        exists = live_object.is_present and not snapshot.offline
        uid = live_object.uid if exists else ""
        live = live_digest(live_object) if exists else ""
        if change is not None and change.standing is Standing.HELD and item.member is None:
            continue  # somebody else's object, and this program will not own it
        if change is not None and change.action is Action.KEEP:
            members += [item.member] if item.member is not None else []
            continue
        members.append(Member(item.draft.key, item.draft.api_version, uid, item.digest, live))
    return changes, members


def _explain_delete(
    change: Change, live: Observed, decided: UnitDecision, changes: Iterable[Change]
) -> Change:
    """A delete of a version's object with its real reason: the version takes no traffic any more,
    or the version's object now has another name. An object that must not be deleted yet is kept.
    Any other change as it is."""
    if change.action is Action.DELETE and change.key in decided.retained:
        why = decided.retained[change.key]
        return replace(change, action=Action.KEEP, standing=Standing.HELD, reasons=(why,))
    labels = ((live.body or {}).get("metadata") or {}).get("labels") or {}
    version = labels.get(_VERSION)
    if change.action is not Action.DELETE or version is None or decided.decision is None:
        return change
    outcome = decided.decision.outcome
    served = next((s for s in outcome.shares if s.version.value == version), None)
    if served is None:
        first = outcome.shares[0].version.origin if outcome.shares else None
        return replace(change, reasons=(Reason(f"{version} takes no traffic any more", first),))
    for other in changes:
        body = other.desired.body if other.desired is not None else {}
        kept = (body.get("metadata") or {}).get("labels") or {}
        if other.key.kind == change.key.kind and kept.get(_VERSION) == version:
            why = Reason(f"{other.key.name} takes its place", served.version.origin)
            return replace(change, reasons=(why,))
    return change


def _is_retreating(decided: UnitDecision) -> bool:
    """Whether traffic leaves a version that may be broken: then the route is changed first."""
    decision = decided.decision
    return decision is not None and (
        decision.outcome.sheds or decision.verdict in (RolloutVerdict.ABORTING, RolloutVerdict.HELD)
    )


def plan_removed(unit_id: UnitId, snapshot: Snapshot) -> AppPlan:
    """The plan of a unit whose file is gone from a readable tree: deletes everything recorded."""
    recorded = snapshot.inventories[unit_id]
    live_object = {m.key: snapshot.lookup(m.key) for m in recorded.members}
    deletes, kept = prune.plan_deletions(
        unit_id, recorded.members, frozenset(), live_object, snapshot
    )
    return AppPlan(
        unit_id,
        unit_id.environment,
        unit_id.group,
        "",
        "",
        order.order_waves(deletes),
        tuple(sorted(kept)),
        recorded,
        removed=True,
        apply_as=recorded.apply_as,
        tracks=unit_id in snapshot.states,
        served=snapshot.served,
        place=snapshot.place,
    )


# -- one object ------------------------------------------------------------------------------------


def _plan_change(
    item: NoopCheck, prediction: Prediction, unit: Unit, snapshot: Snapshot, creates: frozenset[str]
) -> Change | None:
    draft = item.draft
    live = prediction.found or item.live
    change = Change(
        draft.key,
        draft.api_version,
        Action.UPDATE if live.is_present else Action.CREATE,
        kinds.find(draft.key.group_kind).wave,
        desired=prediction.manifest,
        expects=_expect(live),
        takes_over=prediction.took,
        drifts=not snapshot.offline and _is_applied(item),
    )
    if live.presence is Presence.UNREAD and not snapshot.offline:
        return _with_standing(change, Standing.UNJUDGED, f"not judged: {live.why}")
    if live.is_present and not snapshot.offline and not _is_known(item.member, live):
        why = _explain_foreign(draft, live, unit, snapshot)
        if why:
            return _with_standing(change, Standing.HELD, why)
        if not conflicts.is_ours(live):
            adopted = _ADOPTED_BY_GIT if marks.adopted_uid(draft) else _ADOPTED
            change = replace(change, takes_over=prediction.took or ("kubectl",), reasons=adopted)
    elif live.is_present and not snapshot.offline and _lost_owner(live, unit, snapshot):
        change = replace(change, reasons=_TAKEN_AGAIN)
    if live.is_terminating:
        change = replace(change, awaited=True)
        return _with_standing(change, Standing.HELD, "is being deleted; made again once it is gone")
    if marks.is_left_alone(live):
        kept = replace(change, action=Action.KEEP, desired=None)
        return _with_standing(
            kept, Standing.HELD, f"left alone: {marks.RECONCILE} is disabled on it"
        )
    if prediction.held:
        return _with_standing(change, Standing.HELD, prediction.held)
    match prediction.outcome:
        case Done(_, body):
            return _compare_prediction(
                change, live, body or prediction.manifest.body, prediction.replaces
            )
        case Refused():
            is_lost = item.member is not None and bool(item.member.uid)
            return _handle_refusal(change, prediction.outcome, creates, is_lost=is_lost)
        case Unknown(message):
            return _with_standing(change, Standing.UNJUDGED, f"not judged: {message}")


def _explain_foreign(draft: Draft, live: Observed, unit: Unit, snapshot: Snapshot) -> str:
    """Why an object that exists and is not recorded is held; "" when it may be written."""
    owner = snapshot.owner_of(draft.key)
    if owner not in ("", unit.id, snapshot.handed.get(unit.id)):
        return f"it belongs to {owner}; to hand it over write `moved: {{from: {owner}}}`"
    allowed = marks.adopted_uid(draft)
    if allowed and allowed != live.uid:
        return (
            f"exists and is not the one to adopt: {marks.ADOPT} names {allowed}, it is {live.uid}"
        )
    why = conflicts.why_foreign(live, unit.id, adopts=bool(allowed))
    if not why:
        return ""
    hint = (
        ""
        if allowed or conflicts.is_anothers(live, unit.id)
        else f"; {marks.ADOPT}: {live.uid} would"
    )
    return f"exists, and this program did not make it: {why}{f'{hint} adopt it' if hint else ''}"


def _is_known(member: Member | None, live: Observed) -> bool:
    """Whether the live object is the recorded one, by uid. An object of the same name with another
    uid may belong to anybody."""
    return member is not None and member.uid == live.uid


def _lost_owner(live: Observed, unit: Unit, snapshot: Snapshot) -> bool:
    handed = snapshot.handed.get(unit.id)
    return conflicts.has_lost_owner(live, [unit.id] if handed is None else [unit.id, handed])


_TAKEN_AGAIN = (Reason("its managedFields name no owner any more: ownership is taken again"),)
_ADOPTED = (Reason("exists, made by kubectl: adopted"),)
_ADOPTED_BY_GIT = (Reason("exists, and Git says to adopt it"),)


def _expect(live: Observed) -> Expected:
    if not live.is_present:
        return Expected()
    return Expected(live.uid, live.resource_version, content_digest(live))


def _compare_prediction(
    change: Change, live: Observed, body: Mapping[str, object], replaces: tuple[str, ...]
) -> Change | None:
    if replaces:
        why = Reason(f"{', '.join(replaces)} cannot be changed in place: deleted and made anew")
        fields = compare.compare_bodies(live.body or {}, body, change.desired)
        return replace(change, action=Action.REPLACE, fields=fields, reasons=(why,))
    if change.action is Action.CREATE:
        return replace(change, reasons=change.reasons or (_explain_create(change),))
    fields = compare.compare_bodies(live.body or {}, body, change.desired)
    released = tuple(
        Reason(f"{path} is no longer in Git and stays: {', '.join(names)} manages it")
        for path, names in conflicts.list_released(live, body)
    )
    if not fields and not change.takes_over and not released and not change.reasons:
        return None
    reasons = change.reasons or _explain_update(change, fields)
    return replace(change, fields=fields, reasons=reasons + released)


def _is_applied(item: NoopCheck) -> bool:
    """Whether the draft is what was applied last, to the byte."""
    member = item.member
    return member is not None and bool(member.uid) and member.manifest == item.digest


def _explain_create(change: Change) -> Reason:
    """Why an object is made, at the line that it comes from: that of its name, else the first one
    of its content, in a file of its own model where there is one. A line of its labels or of its
    namespace would say nothing, since many objects have the same ones."""
    assert change.desired is not None
    labels = (change.desired.body.get("metadata") or {}).get("labels") or {}
    model = str(labels.get(_MODEL))
    lines = [
        (
            (path[0] == "metadata") + (not _COMMON.isdisjoint(path)),
            model not in origin.site.file.removesuffix(".yaml").split("/"),
            origin,
        )
        for (path, _), origin in zip(walk(change.desired.body), change.desired.origins, strict=True)
        if origin is not None
    ]
    name = change.desired.origin_at(("metadata", "name"))
    first = name or min(lines, key=lambda line: line[:2], default=(0, True, None))[2]
    if change.drifts:
        return Reason("drift: applied, and gone from the cluster since", first)
    return Reason("new in Git", first)


_COMMON = frozenset(("labels", "annotations"))


def _explain_drift(change: Change) -> Reason:
    who = f" by {', '.join(change.takes_over)}" if change.takes_over else ""
    return Reason(f"drift: changed in the cluster{who} since it was applied")


def _explain_update(change: Change, fields: tuple[FieldChange, ...]) -> tuple[Reason, ...]:
    if change.drifts and (fields or change.takes_over):
        return (_explain_drift(change),)
    unmanaged = [f for f in fields if f.origin is None and f.removed]
    if unmanaged and len(unmanaged) == len(fields):
        return (Reason("no longer in Git"),)
    return ()


def _handle_refusal(
    change: Change, refused: Refused, creates: frozenset[str], *, is_lost: bool = False
) -> Change:
    """The change with what the server's refusal means for it. `is_lost`: the object existed."""
    match refused.refusal:
        case RefusalCause.TOO_MANY | RefusalCause.EXPIRED | RefusalCause.UNAUTHORIZED:
            # The answer says nothing about the object: the next run may get another.
            return _with_standing(change, Standing.UNJUDGED, f"not judged: {refused.message}")
        case RefusalCause.NAMESPACE_MISSING if f"Namespace {change.key.namespace}" in creates:
            return _mark_unverified(
                change, f"Namespace {change.key.namespace}", "its namespace is made"
            )
        case RefusalCause.NOT_SERVED if str(change.key.group_kind) in creates:
            return _mark_unverified(change, str(change.key.group_kind), "its kind is defined")
        case RefusalCause.NAMESPACE_MISSING:
            text = f"the namespace {change.key.namespace} does not exist"
        case RefusalCause.TERMINATING:
            change = replace(change, awaited=True)
            text = (
                f"waits until the namespace {change.key.namespace}, which is being deleted, is gone"
            )
        case RefusalCause.NOT_SERVED if is_lost:
            kind = change.key.group_kind
            text = f"the definition of {kind} is gone, and every {kind.kind} with it: install what "
            text += "provides it, and the object is made again"
        case RefusalCause.NOT_SERVED:
            text = f"the cluster does not serve {change.key.group_kind}: install what provides it"
        case RefusalCause.FIELD_CONFLICT:
            return replace(change, conflict=conflicts.read_conflict(refused))
        case RefusalCause.IMMUTABLE:
            text = f"{', '.join(refused.fields) or refused.message} cannot be changed in place; "
            if kinds.find(change.key.group_kind).prune is PruneClass.STATEFUL:
                text += (
                    "it holds data and is never made anew: undo the change, or take another name"
                )
            else:
                text += f"with {marks.REPLACE}: enabled it would be deleted and made anew"
        case RefusalCause.INVALID if refused.message.endswith(CLUSTER_SCOPED):
            kind = change.key.group_kind
            text = f"{refused.message}; the group may allow it: clusterScoped: [{kind}]"
        case _:
            text = f"the server refuses it: {refused.message}"
    return _with_standing(change, Standing.HELD, text)


def _mark_unverified(change: Change, awaits: str, why: str) -> Change:
    reasons = (_explain_create(change), Reason(f"not verified yet: {why} by this run"))
    return replace(change, reasons=reasons, unverified=awaits)


def _with_standing(change: Change, standing: Standing, why: str) -> Change:
    return replace(change, standing=standing, reasons=(*change.reasons, Reason(why)))
