"""The inventory as a value: its body, its name, its union, the digest of what is live."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import live_object
from reconciler.plan import inventory, records
from reconciler.plan.inventory import Inventory, Member, Phase
from reconciler.unit import UnitId
from tests import flow

NAMES = st.text("abcdefghij-", min_size=1, max_size=8)

MEMBERS = st.builds(
    Member,
    st.builds(
        ObjectKey,
        st.sampled_from(["", "apps", "serving.kserve.io"]),
        st.sampled_from(["ConfigMap", "Deployment"]),
        st.sampled_from(["", "ns"]),
        NAMES.filter(lambda text: text != "-"),
    ),
    st.just("v1"),
    st.sampled_from(["", "u-1"]),
    st.sampled_from(["", "m1"]),
    st.sampled_from(["", "g1.x"]),
)


@given(st.lists(MEMBERS, unique_by=lambda m: m.key), st.sampled_from(list(Phase)))
def test_what_is_written_is_read_back(members, phase):
    members = tuple(
        sorted(
            m if not m.key.group else Member(m.key, f"{m.key.group}/v1", m.uid, m.manifest, m.live)
            for m in members
        )
    )
    wanted = Inventory(UnitId.parse("prod/hz-a/_group"), members, "4f2c", phase, "7", "u")
    body = records.to_body(wanted)
    body["metadata"]["uid"] = "u"
    assert records.from_body(body) == wanted


@pytest.mark.parametrize("text", ["prod/hz-a/mnist", "prod/hz-a/_group", "a/b/c-d"])
def test_a_name_says_whose_it_is(text):
    unit = UnitId.parse(text)
    assert inventory.unit_of(inventory.name_of(unit)) == unit
    assert inventory.unit_of(inventory.name_of(unit, "rollout"), "rollout") == unit
    assert str(inventory.unit_of(inventory.name_of(unit, "rollout"))) == inventory.name_of(
        unit, "rollout"
    )


def test_the_union_forgets_no_uid_and_learns_one():
    a, b = flow.key("ConfigMap", "n", "a"), flow.key("ConfigMap", "n", "b")
    old = Inventory(UnitId.parse("p/g/m"), (Member(a, "v1", "u1", "m1", "l1"), Member(b, "v1")))
    merged = old.union([Member(a, "v1", "u2", "m2"), Member(b, "v1", "u3", "m3")])
    assert merged.members == (Member(a, "v1", "u1", "m1", "l1"), Member(b, "v1", "u3", "m3"))


def body(kind="ConfigMap", version="1", rows=(), annotations=None, **more):
    metadata = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": version}
    if annotations:
        metadata["annotations"] = annotations
    api = {"ConfigMap": "v1", "CronWorkflow": "argoproj.io/v1alpha1"}[kind]
    managed = {"managedFields": list(rows)}
    return {"apiVersion": api, "kind": kind, "metadata": metadata | managed, **more}


def row(manager, **fields):
    return {"manager": manager, "operation": "Update", "fieldsV1": fields}


OURS = row("reconciler", **{"f:spec": {"f:schedule": {}}})

NOTE = {"cronworkflows.argoproj.io/last-used-schedule": "0 2 * * *"}

NOTED = row(
    "workflow-controller",
    **{
        "f:metadata": {"f:annotations": {".": {}, f"f:{next(iter(NOTE))}": {}}},
        "f:status": {"f:active": {}},
    },
)


@pytest.mark.parametrize(
    ("after", "same"),
    [
        (body("CronWorkflow", "2", [OURS], spec={"schedule": "x"}), True),
        (body("CronWorkflow", "2", [OURS], spec={"schedule": "x"}, status={"active": [1]}), True),
        (body("CronWorkflow", "2", [OURS, NOTED], NOTE, spec={"schedule": "x"}, status={}), True),
        (body("CronWorkflow", "2", [OURS], spec={"schedule": "y"}), False),
        (body("CronWorkflow", "2", [OURS], {"a": "b"}, spec={"schedule": "x"}), False),
        (
            body(
                "CronWorkflow",
                "2",
                [OURS, row("kubectl-edit", **{"f:spec": {"f:schedule": {}}})],
                spec={"schedule": "x"},
            ),
            False,
        ),
        (
            body(
                "CronWorkflow",
                "2",
                [OURS, row("x", **{"f:metadata": {"f:annotations": {"f:other": {}}}})],
                spec={"schedule": "x"},
            ),
            False,
        ),
    ],
)
def test_status_and_controllers_notes_move_no_digest_and_content_and_owners_do(after, same):
    before = body("CronWorkflow", "1", [OURS], spec={"schedule": "x"})
    digests = {inventory.live_digest(live_object(b)) for b in (before, after)}
    assert (len(digests) == 1) is same
