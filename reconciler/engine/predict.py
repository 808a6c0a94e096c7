"""The stages that ask the cluster: predict and plan.

An object that the no-op rule proves unchanged costs no request. The server's dry-run predicts every
other object, several at once. For a client that may only read, this program's own merge predicts
them. When the run itself creates the namespace or the kind, the server is asked later, in the
object's wave.
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
    """One object that could differ, and its unit."""

    unit: Unit
    item: NoopCheck
    creates: frozenset[str]
    """What this run creates first: `Namespace NAME`, and `Kind.group` of definitions."""


@dataclass(slots=True)
class _Predictor:
    """Predicts objects. Without a reader, the prediction is the desired body."""

    reader: ClusterReader | None
    snapshot: Snapshot
    seal: Callable[[Draft], Manifest] = seal
    approved: frozenset[str] = frozenset()
    """Hashes of fields that a person approved to take from their owners."""
    fields: dict[UnitId, dict[tuple[str, str], tuple[tuple[str | int, ...], ...]]] = field(
        default_factory=dict
    )
    """Unit → (kind, name) → the fields that an autoscaler of the unit owns."""

    def ask(self, question: _Question) -> Prediction:
        item, draft = question.item, self._own_draft(question)
        manifest = self.seal(draft)
        if draft is not item.draft:
            # The recorded digest is that of the draft in Git, also when shared fields are left out.
            manifest = replace(manifest, digest=item.digest)
        if self.reader is None:
            return Prediction(manifest, Done(Verb.UPDATED, manifest.body))
        if item.live.presence is Presence.UNREAD:
            # The decision was made without this object, so a read that succeeds now does not help.
            return Prediction(manifest, Unknown(item.live.why))
        early = self._refuse_early(draft, question.creates)
        if early is not None and not item.live.is_present:
            return Prediction(manifest, early)
        reader = self.reader
        if question.unit.apply_as:
            reader = reader.acting_for(question.unit.apply_as)
        if not reader.dry_runs:
            return self._merge(item, manifest)
        return self._ask_server(item, manifest, reader)

    def _own_draft(self, question: _Question) -> Draft:
        draft, live = question.item.draft, question.item.live
        draft = marks.keep_finalizers(draft, live) if live.is_present else draft
        draft = marks.leave_replicas(draft, live)
        scaled = self.fields.get(question.unit.id, {}).get((draft.key.kind, draft.key.name), ())
        paths = (*marks.list_shared_fields(draft), *scaled)
        return marks.drop_foreign_fields(draft, live, paths) if paths else draft

    def _refuse_early(self, draft: Draft, creates: frozenset[str]) -> Refused | None:
        """The server's refusal when the kind or the namespace does not exist before this run; None
        otherwise. Answered here, because the server waits 0.1 s for the namespace to appear."""
        kind = draft.key.group_kind
        if not self.snapshot.serves(kind):
            return Refused(RefusalCause.NOT_SERVED, 404, f"{kind} is not served yet")
        if f"Namespace {draft.key.namespace}" in creates:
            text = f"the namespace {draft.key.namespace} is not there yet"
            return Refused(RefusalCause.NAMESPACE_MISSING, 404, text)
        return None

    def _ask_server(self, item: NoopCheck, manifest: Manifest, reader: ClusterReader) -> Prediction:
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
            replacement = _predict_replace(item, manifest, outcome, reader)
            if replacement is not None:
                return replacement
        found = None
        if not item.live.is_present and not _is_creation(outcome):
            found = self._read_unlabelled(item.draft.key)
        return Prediction(manifest, outcome, took, found)

    def _merge(self, item: NoopCheck, manifest: Manifest) -> Prediction:
        """The prediction for a client that may only read: this program's own merge, and one GET of
        an object that was not in the listing."""
        found = None if item.live.is_present else self._read_unlabelled(item.draft.key)
        live = found or item.live
        if live.presence is Presence.UNREAD:
            return Prediction(manifest, Unknown(live.why), found=found)
        body = merge_prediction.predict_body(manifest.body, live)
        verb = Verb.UPDATED if live.is_present else Verb.CREATED
        return Prediction(manifest, Done(verb, body), found=found)

    def _read_unlabelled(self, key: ObjectKey) -> Observed | None:
        """The object when it exists without this program's labels; None when it is absent."""
        assert self.reader is not None
        try:
            seen = self.reader.get(key)
        except ClusterUnreadable as error:
            return unread_object(key, error.message)
        return seen if seen.is_present else None


def _is_creation(outcome: Outcome) -> bool:
    if isinstance(outcome, Done):
        return outcome.verb is Verb.CREATED
    return isinstance(outcome, Refused) and outcome.refusal in (
        RefusalCause.NAMESPACE_MISSING,
        RefusalCause.NOT_SERVED,
        RefusalCause.INVALID,
    )


def _predict_replace(
    item: NoopCheck, manifest: Manifest, refused: Refused, reader: ClusterReader
) -> Prediction | None:
    """The prediction of a replace; None when Git does not allow it or the object holds state. The
    server must accept the delete, and the new object: that dry-run uses another name, because the
    old object still has this one."""
    stateful = kinds.find(item.draft.key.group_kind).prune is PruneClass.STATEFUL
    if stateful or not item.live.is_present or not marks.may_replace(item.draft):
        return None
    if kinds.is_active_run(item.live):
        names = ", ".join(refused.fields) or "a field"
        why = f"{names} cannot be changed in place, and the {item.draft.key.kind} has not finished"
        return Prediction(manifest, refused, held=why)
    deleted = reader.dry_run_delete(item.draft.key, uid=item.live.uid)
    if not isinstance(deleted, Done):
        return Prediction(manifest, deleted)
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
) -> tuple[AppPlan, ...]:
    """The plan of every unit of one client, before guards. Selected units that are gone from Git
    are planned for removal; without a selection no unit counts as removed, as when a file that all
    units depend on could not be read."""
    units = tuple(item for item in units if item.unit.id not in snapshot.damaged)
    if reader is not None and not snapshot.offline:
        snapshot = _confirm_absent(snapshot, units, reader)
        snapshot = _find_namespaces(snapshot, units, reader)
    memo = options.memo or Memo()
    predictor = _Predictor(reader, snapshot, memo.seal, options.approvals.conflicts)
    checks: list[list[NoopCheck]] = []
    creates: list[frozenset[str]] = []
    namespaces: set[str] = set()
    for item in units:
        recorded, _ = build.find_recorded(item.unit, snapshot)
        own = [build.check_noop(draft, recorded, snapshot, memo.digest) for draft in item.drafts]
        namespaces |= {f"Namespace {c.draft.key.name}" for c in own if _is_new_namespace(c)}
        creates.append(frozenset(namespaces) | _kinds_defined(item.drafts))
        checks.append(own)
        scaled = marks.list_scaled_fields(item.drafts)
        if scaled:
            predictor.fields[item.unit.id] = scaled
    questions = [
        _Question(item.unit, check, created)
        for item, own, created in zip(units, checks, creates, strict=True)
        for check in own
        if not check.unchanged
    ]
    answers: dict[tuple[UnitId, ObjectKey], Prediction] = {}
    replies = options.workers.map(predictor.ask, questions)
    for question, answer in zip(questions, replies, strict=True):
        answers[question.unit.id, question.item.draft.key] = answer
    plans = [
        build.build_plan(
            item.unit,
            own,
            {c.draft.key: answers[item.unit.id, c.draft.key] for c in own if not c.unchanged},
            snapshot,
            item.decided,
            created,
        )
        for item, own, created in zip(units, checks, creates, strict=True)
    ]
    if selection is not None and (snapshot.base or not snapshot.offline):
        plans += _plan_removed(fleet, snapshot, selection)
    return tuple(sorted(plans, key=unit_order))


def _is_new_namespace(item: NoopCheck) -> bool:
    return item.draft.key.group_kind == GroupKind("", "Namespace") and (
        item.live.presence is Presence.ABSENT
    )


def _kinds_defined(drafts: Iterable[Draft]) -> set[str]:
    """The kinds that a unit's CustomResourceDefinitions define, as `Kind.group`."""
    out = set()
    for draft in drafts:
        if draft.key.kind == "CustomResourceDefinition":
            body = seal(draft).body.get("spec") or {}
            kind = (body.get("names") or {}).get("kind")
            out.add(str(GroupKind(str(body.get("group", "")), str(kind))))
    return out


def unit_order(plan: AppPlan) -> tuple[int, UnitId]:
    """The sort key of plans: foundations come first, and last when they are deleted, because
    objects must not outlive their namespace."""
    if not plan.unit.is_foundation:
        return 1, plan.unit
    return (2 if plan.empties else 0), plan.unit


def _confirm_absent(
    snapshot: Snapshot, units: Iterable[UnitDrafts], reader: ClusterReader
) -> Snapshot:
    """The snapshot with one GET of each recorded object that is neither desired nor in a listing:
    such an object may have lost its label, and forgetting it would orphan it."""
    wanted = {draft.key for item in units for draft in item.drafts}
    found: dict[ObjectKey, Observed] = {}
    for unit in sorted(snapshot.selected):
        for member in snapshot.inventories[unit].members:
            if member.key in wanted or not member.uid:
                continue
            if snapshot.lookup(member.key).presence is Presence.ABSENT:
                try:
                    found[member.key] = reader.get(member.key)
                except ClusterUnreadable as error:
                    found[member.key] = unread_object(member.key, error.message)
    return replace(snapshot, objects={**snapshot.objects, **found}) if found else snapshot


def _find_namespaces(
    snapshot: Snapshot, units: Iterable[UnitDrafts], reader: ClusterReader
) -> Snapshot:
    """The snapshot with one GET of each desired namespace that no listing shows. A namespace that
    another made exists, so the server can judge the objects in it, and says whose they are."""
    found: dict[ObjectKey, Observed] = {}
    for item in units:
        for draft in item.drafts:
            key = draft.key
            is_namespace = key.group_kind == GroupKind("", "Namespace")
            if not is_namespace or snapshot.lookup(key).presence is not Presence.ABSENT:
                continue
            try:
                found[key] = reader.get(key)
            except ClusterUnreadable as error:
                # A planner may read the namespaces of known groups alone. Of a new group's
                # namespace it sees what the dry-run of its creation says.
                if not error.forbidden:
                    found[key] = unread_object(key, error.message)
    return replace(snapshot, objects={**snapshot.objects, **found}) if found else snapshot


def _plan_removed(fleet: Fleet, snapshot: Snapshot, selection: Selection) -> Iterator[AppPlan]:
    """The plans of units with an inventory whose file is gone from a tree that was read in full."""
    if "E_LAYERS" in {code for codes in fleet.blocked.values() for code in codes}:
        return
    handed = set(snapshot.handed.values())
    for unit in sorted(snapshot.inventories):
        if fleet.may_have(unit) or unit in handed:
            continue
        if selection.takes(*unit):
            yield build.plan_removed(unit, snapshot)
