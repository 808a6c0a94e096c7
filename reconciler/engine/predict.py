"""The stages that ask the cluster: predict and plan.

What the no-op rule proves unchanged costs nothing. Of the rest the server is asked, all at once:
its dry-run is the prediction. Where it may not be asked (a client that only reads) the prediction
is our own merge; where it cannot be yet (the run itself makes the namespace or the kind) it is
asked in the object's wave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from reconciler import kinds
from reconciler.apps.app import Fleet, Selection, Unit
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.memo import Memo
from reconciler.engine.run_options import RunOptions
from reconciler.objects.draft import Draft, Manifest, seal
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.kind import PruneClass
from reconciler.objects.observed import Observed, Presence, unread_object
from reconciler.objects.outcome import Done, Outcome, RefusalCause, Refused, Unknown, Verb
from reconciler.plan import build, conflicts, marks, merge_prediction
from reconciler.plan.build import NoopCheck, Prediction
from reconciler.plan.change import AppPlan
from reconciler.plan.snapshot import Snapshot
from reconciler.ports import ClusterReader, ClusterUnreadable
from reconciler.unit import UnitId

__all__ = ["plan_units", "unit_order"]


@dataclass(frozen=True, slots=True)
class _Question:
    """One object that could differ, and for whom it would be written."""

    unit: Unit
    item: NoopCheck
    made_here: frozenset[str]
    """What this run makes before it: `Namespace NAME`, and `Kind.group` of definitions."""


@dataclass(slots=True)
class _Predictor:
    """Offline the desired body predicts itself."""

    reader: ClusterReader | None
    snapshot: Snapshot
    seal: Callable[[Draft], Manifest] = seal
    approved: frozenset[str] = frozenset()
    """Hashes of fields that a person allows us to take from their owners."""
    fields: dict[UnitId, dict[tuple[str, str], tuple[tuple[str | int, ...], ...]]] = field(
        default_factory=dict
    )
    """Unit → (kind, name) → the fields that an autoscaler of the unit owns."""

    def ask(self, question: _Question) -> Prediction:
        item, draft = question.item, self._ours_of(question)
        manifest = self.seal(draft)
        if draft is not item.draft:
            # What was left to others is no other content: it is recorded as it stands in Git.
            manifest = replace(manifest, digest=item.digest)
        if self.reader is None:
            return Prediction(manifest, Done(Verb.UPDATED, manifest.body))
        if item.live.presence is Presence.UNREAD:
            # What was decided could not rest on it: one lucky read now would hide that.
            return Prediction(manifest, Unknown(item.live.why))
        early = self._not_yet(draft, question.made_here)
        if early is not None and not item.live.is_present:
            return Prediction(manifest, early)
        reader = self.reader
        if question.unit.apply_as:
            reader = reader.acting_for(question.unit.apply_as)
        if not reader.dry_runs:
            return self._merged(item, manifest)
        return self._predicted(item, manifest, reader)

    def _ours_of(self, question: _Question) -> Draft:
        draft, live = question.item.draft, question.item.live
        draft = marks.keep_finalizers(draft, live) if live.is_present else draft
        scaled = self.fields.get(question.unit.id, {}).get((draft.key.kind, draft.key.name), ())
        paths = (*marks.list_shared_fields(draft), *scaled)
        return marks.drop_foreign_fields(draft, live, paths) if paths else draft

    def _not_yet(self, draft: Draft, made_here: frozenset[str]) -> Refused | None:
        """What the server would answer for as long as this run has not begun; asking it costs a
        tenth of a second each, for it waits for the namespace to appear."""
        kind = draft.key.group_kind
        if not self.snapshot.serves(kind):
            return Refused(RefusalCause.NOT_SERVED, 404, f"{kind} is not served yet")
        if f"Namespace {draft.key.namespace}" in made_here:
            text = f"the namespace {draft.key.namespace} is not there yet"
            return Refused(RefusalCause.NAMESPACE_MISSING, 404, text)
        return None

    def _predicted(self, item: NoopCheck, manifest: Manifest, reader: ClusterReader) -> Prediction:
        outcome = reader.dry_run(manifest.body)
        took: tuple[str, ...] = ()
        if isinstance(outcome, Refused) and outcome.refusal is RefusalCause.FIELD_CONFLICT:
            managers = tuple(sorted(set(outcome.managers)))
            adopts = bool(marks.adopted_uid(item.draft)) and item.member is None
            approval = conflicts.approval_of(item.draft.key, conflicts.read_conflict(outcome))
            allowed = adopts or approval in self.approved
            if managers and (allowed or not conflicts.list_untakeable(managers)):
                took = managers
                outcome = reader.dry_run(manifest.body, force=True)
        if isinstance(outcome, Refused) and outcome.refusal is RefusalCause.IMMUTABLE:
            made_anew = _made_anew(item, manifest, outcome, reader)
            if made_anew is not None:
                return made_anew
        found = None
        if not item.live.is_present and not _made(outcome):
            found = self._look(item.draft.key)
        return Prediction(manifest, outcome, took, found)

    def _merged(self, item: NoopCheck, manifest: Manifest) -> Prediction:
        """Without the right to ask: our own merge, and one read of what was not in the listing."""
        found = None if item.live.is_present else self._look(item.draft.key)
        live = found or item.live
        if live.presence is Presence.UNREAD:
            return Prediction(manifest, Unknown(live.why), found=found)
        body = merge_prediction.predict_body(manifest.body, live)
        verb = Verb.UPDATED if live.is_present else Verb.CREATED
        return Prediction(manifest, Done(verb, body), found=found)

    def _look(self, key: ObjectKey) -> Observed | None:
        """The object that the labelled list did not show: it exists without being ours."""
        assert self.reader is not None
        try:
            seen = self.reader.get(key)
        except ClusterUnreadable as error:
            return unread_object(key, error.message)
        return seen if seen.is_present else None


def _made(outcome: Outcome) -> bool:
    if isinstance(outcome, Done):
        return outcome.verb is Verb.CREATED
    return isinstance(outcome, Refused) and outcome.refusal in (
        RefusalCause.NAMESPACE_MISSING,
        RefusalCause.NOT_SERVED,
        RefusalCause.INVALID,
    )


def _made_anew(
    item: NoopCheck, manifest: Manifest, refused: Refused, reader: ClusterReader
) -> Prediction | None:
    """A replace where Git allows it, the object holds no state, it may be deleted, and the server
    would take the new one (asked under another name, as this one is still taken). None where Git
    does not allow it."""
    stateful = kinds.find(item.draft.key.group_kind).prune is PruneClass.STATEFUL
    if stateful or not item.live.is_present or not marks.may_replace(item.draft):
        return None
    if kinds.is_active_run(item.live):
        names = ", ".join(refused.fields) or "a field"
        why = f"{names} cannot be changed in place, and the {item.draft.key.kind} has not finished"
        return Prediction(manifest, refused, held=why)
    gone = reader.dry_run_delete(item.draft.key, uid=item.live.uid)
    if not isinstance(gone, Done):
        return Prediction(manifest, gone)
    metadata = manifest.body["metadata"]
    name = f"{metadata['name'][:40]}-{manifest.digest[:8]}"
    probe = reader.dry_run({**manifest.body, "metadata": {**metadata, "name": name}})
    if not isinstance(probe, Done):
        return Prediction(manifest, probe)
    body = dict(probe.body or {})
    body["metadata"] = {**body.get("metadata", {}), "name": metadata["name"]}
    return Prediction(manifest, Done(Verb.UPDATED, body), replaces=refused.fields or ("a field",))


# -- all units -------------------------------------------------------------------------------------


def plan_units(
    fleet: Fleet,
    units: Iterable[UnitDrafts],
    snapshot: Snapshot,
    reader: ClusterReader | None,
    options: RunOptions,
    *,
    selection: Selection | None,
    place: int = 0,
) -> tuple[AppPlan, ...]:
    """The plan of every unit of one client, those of the selection that are gone from Git included.
    Guards come later. Without a selection (something that all depend on could not be read) nobody
    counts as removed."""
    units = tuple(item for item in units if item.unit.id not in snapshot.damaged)
    if reader is not None and not snapshot.offline:
        snapshot = _confirmed(snapshot, units, reader)
    memo = options.memo or Memo()
    predictor = _Predictor(reader, snapshot, memo.seal, options.approvals.conflicts)
    judged: list[list[NoopCheck]] = []
    made: list[frozenset[str]] = []
    spaces: set[str] = set()
    for item in units:
        recorded, _ = build.find_recorded(item.unit, snapshot)
        mine = [build.check_noop(draft, recorded, snapshot, memo.digest) for draft in item.drafts]
        spaces |= {f"Namespace {j.draft.key.name}" for j in mine if _is_new_namespace(j)}
        made.append(frozenset(spaces) | _defined(item.drafts))
        judged.append(mine)
        scaled = marks.list_scaled_fields(item.drafts)
        if scaled:
            predictor.fields[item.unit.id] = scaled
    questions = [
        _Question(item.unit, one, here)
        for item, mine, here in zip(units, judged, made, strict=True)
        for one in mine
        if not one.unchanged
    ]
    answers: dict[tuple[UnitId, ObjectKey], Prediction] = {}
    replies = options.workers.map(predictor.ask, questions)
    for question, answer in zip(questions, replies, strict=True):
        answers[question.unit.id, question.item.draft.key] = answer
    plans = [
        build.build_plan(
            item.unit,
            mine,
            {j.draft.key: answers[item.unit.id, j.draft.key] for j in mine if not j.unchanged},
            snapshot,
            item.decided,
            here,
            place,
        )
        for item, mine, here in zip(units, judged, made, strict=True)
    ]
    if selection is not None and (snapshot.base or not snapshot.offline):
        plans += _removed(fleet, snapshot, selection, place)
    return tuple(sorted(plans, key=unit_order))


def _is_new_namespace(item: NoopCheck) -> bool:
    return item.draft.key.group_kind == GroupKind("", "Namespace") and (
        item.live.presence is Presence.ABSENT
    )


def _defined(drafts: Iterable[Draft]) -> set[str]:
    """The kinds that a unit's definitions will make, as `Kind.group`."""
    out = set()
    for draft in drafts:
        if draft.key.kind == "CustomResourceDefinition":
            body = seal(draft).body.get("spec") or {}
            kind = (body.get("names") or {}).get("kind")
            out.add(str(GroupKind(str(body.get("group", "")), str(kind))))
    return out


def unit_order(plan: AppPlan) -> tuple[int, UnitId]:
    """Foundations come first and, where they go, last: nothing outlives its namespace."""
    if not plan.unit.is_foundation:
        return 1, plan.unit
    return (2 if plan.empties else 0), plan.unit


def _confirmed(snapshot: Snapshot, units: Iterable[UnitDrafts], reader: ClusterReader) -> Snapshot:
    """The snapshot with a read of each recorded object that is neither wanted nor in a listing:
    one that lost its label is still there, and to forget it would orphan it."""
    wanted = {draft.key for item in units for draft in item.drafts}
    found: dict[ObjectKey, Observed] = {}
    for unit in sorted(snapshot.asked):
        for member in snapshot.inventories[unit].members:
            if member.key in wanted or not member.uid:
                continue
            if snapshot.lookup(member.key).presence is Presence.ABSENT:
                try:
                    found[member.key] = reader.get(member.key)
                except ClusterUnreadable as error:
                    found[member.key] = unread_object(member.key, error.message)
    return replace(snapshot, objects={**snapshot.objects, **found}) if found else snapshot


def _removed(
    fleet: Fleet, snapshot: Snapshot, selection: Selection, place: int
) -> Iterator[AppPlan]:
    """Units with an inventory whose file is gone from a tree that was read in full."""
    if "E_LAYERS" in {code for codes in fleet.blocked.values() for code in codes}:
        return
    handed = set(snapshot.handed.values())
    for unit in sorted(snapshot.inventories):
        if unit in fleet.known or unit in handed:
            continue
        if selection.takes(*unit):
            yield build.plan_removed(unit, snapshot, place)
