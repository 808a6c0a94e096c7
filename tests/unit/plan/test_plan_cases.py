"""Comparison, order, ownership and the plan of one object, as data: tests/cases/plan/*.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import kinds
from reconciler.objects.draft import Draft, seal, show_path
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import absent_object, live_object, unread_object
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown, Verb
from reconciler.plan import build, compare, conflicts, order
from reconciler.plan.build import Prediction, UnitDecision
from reconciler.plan.change import Action, Change
from reconciler.plan.inventory import PART_OF, Inventory, Member, live_digest, part_of
from reconciler.plan.snapshot import Snapshot
from reconciler.unit import UnitId
from tests.support import loaded, small

FOLDER = Path(__file__).parents[2] / "cases" / "plan"
UNIT = UnitId("prod", "one", "web")
GROUPS = {key.kind: key.group for key in kinds.known() if key.kind not in ("Ingress", "Event")}


def cases(name):
    found: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return [pytest.param(case, id=title) for title, case in found.items()]


# -- compare -----------------------------------------------------------------------------------------


def _told(change):
    sign = "+" if change.added else "-" if change.removed else ""
    return [f"{sign}{show_path(change.path)}", change.before, change.after]


@pytest.mark.parametrize("case", cases("compare"))
def test_two_bodies_are_compared_field_by_field(case):
    found = compare.compare_bodies(case["before"], case["after"])
    assert [_told(change) for change in found] == case["changes"]


@pytest.mark.parametrize("case", cases("compare"))
def test_the_comparison_of_a_body_with_itself_is_empty(case):
    for side in (case["before"], case["after"]):
        assert compare.compare_bodies(side, side) == ()


# -- order -------------------------------------------------------------------------------------------


def _change(text):
    action, _, named = text.partition(" ")
    kind, _, name = named.partition("/")
    key = ObjectKey(GROUPS.get(kind, "example.com"), kind, "ns", name)
    return Change(key, "v1", Action(action), kinds.find(key.group_kind).wave)


@pytest.mark.parametrize("case", cases("order"))
def test_changes_are_ordered_into_waves(case):
    changes = [_change(text) for text in case["changes"]]
    for given in (changes, changes[::-1]):
        waves = order.order_waves(given, retreats=case.get("retreats", False))
        assert [[f"{c.action} {c.key}" for c in wave] for wave in waves] == case["waves"]


# -- who owns it -------------------------------------------------------------------------------------


def _live(case):
    rows = [
        {"manager": name, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
        for name in case["managers"]
    ]
    rows += [
        {"manager": name, "operation": "Update", "subresource": "status", "fieldsV1": {}}
        for name in case.get("status", ())
    ]
    metadata = {
        "name": "a",
        "namespace": "ns",
        "uid": "u",
        "managedFields": rows,
        "labels": case.get("labels", {}),
        "annotations": case.get("annotations", {}),
    }
    if "owner" in case:
        metadata["ownerReferences"] = [case["owner"]]
    return live_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})


@pytest.mark.parametrize("case", cases("conflicts"))
def test_an_object_is_adopted_only_when_nobody_else_claims_it(case):
    adopts = case.get("adopts", False)
    assert conflicts.why_foreign(_live(case), UNIT, adopts=adopts) == case["why"]


# -- one object --------------------------------------------------------------------------------------

KEY = ObjectKey("", "ConfigMap", "ml-one", "a")
BODY: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "ml-one"},
    "data": {"a": "b"},
}


def _seen(kind):
    if kind == "absent":
        return absent_object(KEY)
    if kind == "unread":
        return unread_object(KEY, "403 Forbidden")
    manager = kind if kind in ("kubectl", "helm") else "reconciler"
    metadata: dict[str, Any] = {
        **BODY["metadata"],
        "uid": "u1" if kind in ("ours", "terminating") else "u2",
        "managedFields": [
            {"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
        ],
    }
    if kind == "another":
        metadata["ownerReferences"] = [{"kind": "Cron", "name": "c", "controller": True}]
        metadata["managedFields"][0]["manager"] = "cron-controller"
    if kind == "terminating":
        metadata["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    return live_object({**BODY, "metadata": metadata})


def _answer(case):
    if case["answer"] == "done":
        return Done(Verb.UPDATED, {**BODY, **case.get("after", {})})
    if case["answer"] == "unknown":
        return Unknown("the server said no")
    return Refused(
        RefusalCause(case["answer"]),
        409,
        "the server said no",
        tuple(case.get("fields", ())),
        tuple(case.get("managers", ())),
    )


def _planned(case):
    app = loaded(small()).app(UNIT)
    assert app is not None
    live = _seen(case["live"])
    draft = Draft(KEY, "v1", BODY, "a test")
    is_recorded = case["live"] in ("ours", "terminating", "another")
    members = (Member(KEY, "v1", "u1", "older", live_digest(live)),) if is_recorded else ()
    snapshot = Snapshot(
        objects={KEY: live} if live.is_present else {},
        inventories={UNIT: Inventory(UNIT, members)},
        unread_kinds={GroupKind("", "ConfigMap"): live.why} if live.why else {},
    )
    checked = build.check_noop(draft, snapshot.inventories[UNIT], snapshot)
    assert not checked.unchanged
    answers = {KEY: Prediction(seal(draft), _answer(case))}
    creates = frozenset(case.get("creates", ()))
    return build.build_plan(app, [checked], answers, snapshot, UnitDecision(), creates)


@pytest.mark.parametrize("case", cases("build"))
def test_one_object_is_planned_by_what_is_seen_recorded_and_answered(case):
    changes = list(_planned(case).changes())
    if case["change"] is None:
        assert changes == []
        return
    (change,) = changes
    assert [change.action, change.standing] == case["change"]
    if "reason" in case:
        assert change.reasons[0].text == case["reason"]
    conflict = change.conflict
    found = None if conflict is None else [list(conflict.managers), list(conflict.fields)]
    assert found == case.get("conflict")
    assert change.unverified == case.get("unverified", "")


def test_what_is_recorded_and_seen_as_it_was_costs_nothing():
    draft = Draft(KEY, "v1", BODY, "a test")
    labels = {PART_OF: part_of(UNIT)}
    body = {**BODY, "metadata": {**BODY["metadata"], "uid": "u1", "labels": labels}}
    live = live_object(body)
    content = seal(draft).digest
    member = Member(KEY, "v1", "u1", content, live_digest(live))
    recorded = Inventory(UNIT, (member,), served="s")
    snapshot = Snapshot(objects={KEY: live}, inventories={UNIT: recorded}, served="s")
    assert build.check_noop(draft, recorded, snapshot).unchanged
    for other in (
        Member(KEY, "v1", "u2", content, member.live),
        Member(KEY, "v1", "u1", "x", member.live),
        Member(KEY, "v1", "u1", content, "x"),
    ):
        changed = Inventory(UNIT, (other,), served="s")
        assert not build.check_noop(draft, changed, snapshot).unchanged
    assert not build.check_noop(draft, Inventory(UNIT, (member,), served="t"), snapshot).unchanged
    assert not build.check_noop(draft, None, snapshot).unchanged


@pytest.mark.parametrize(
    ("live", "told"),
    [("ours", "the definition of"), ("absent", "the cluster does not serve")],
)
def test_a_kind_whose_definition_vanished_is_told_apart_from_one_never_installed(live, told):
    case = {"live": live, "change": None}
    app = loaded(small()).app(UNIT)
    assert app is not None
    draft = Draft(KEY, "v1", BODY, "a test")
    members = (Member(KEY, "v1", "u1", "older", "x"),) if case["live"] == "ours" else ()
    snapshot = Snapshot(inventories={UNIT: Inventory(UNIT, members)})
    checked = build.check_noop(draft, snapshot.inventories[UNIT], snapshot)
    refused = Refused(RefusalCause.NOT_SERVED, 404, "not served")
    answers = {KEY: Prediction(seal(draft), refused)}
    (change,) = build.build_plan(app, [checked], answers, snapshot, UnitDecision()).changes()
    assert change.standing == "held"
    assert told in change.reasons[0].text


def test_an_object_of_a_namespace_that_is_being_deleted_waits():
    app = loaded(small()).app(UNIT)
    assert app is not None
    draft = Draft(KEY, "v1", BODY, "a test")
    snapshot = Snapshot(inventories={UNIT: Inventory(UNIT, ())})
    checked = build.check_noop(draft, snapshot.inventories[UNIT], snapshot)
    refused = Refused(RefusalCause.TERMINATING, 403, "being terminated")
    answers = {KEY: Prediction(seal(draft), refused)}
    plan = build.build_plan(app, [checked], answers, snapshot, UnitDecision())
    (change,) = plan.changes()
    assert (change.standing, change.awaited, plan.is_held) == ("held", True, False)
    assert "waits until the namespace ml-one" in change.reasons[0].text
