"""The inventory as written, and what of a tampered one is believed: nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ExitCode
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import observed
from reconciler.plan import inventory, records
from reconciler.plan.inventory import Inventory, Member, Phase
from reconciler.unit import UnitId
from tests import flow, support

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


# -- tampered ------------------------------------------------------------------------------------------


def edited(**changes):
    def change(body):
        for name, value in changes.items():
            if value is None:
                body["data"].pop(name, None)
            else:
                body["data"][name] = value(body["data"].get(name, ""))

    return change


FOREIGN = "- v1 ConfigMap kube-system coredns - - -"
TAMPERED = {
    "a foreign object added": edited(members=lambda text: f"{text}\n{FOREIGN}"),
    "another uid": edited(members=lambda text: text.replace("-", "0", 40)),
    "cut off in a line": edited(members=lambda text: text[:-3]),
    "cut off at a line": edited(members=lambda text: text.rpartition("\n")[0]),
    "emptied": edited(members=lambda _: ""),
    "no members": edited(members=None),
    "JSON": edited(members=lambda _: '{"a": [}'),
    "a newer schema": edited(schemaVersion=lambda _: "3"),
    "no schema": edited(schemaVersion=None),
    "a schema that is no number": edited(schemaVersion=lambda _: "one"),
    "another unit's name": edited(unit=lambda _: "prod/one/_group"),
    "an unknown phase": edited(phase=lambda _: "Perhaps"),
    "no data at all": lambda body: body.pop("data"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_inventory_deletes_and_writes_nothing_of_its_app_and_exits_4(name):
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    target = inventory.inventory_key(UnitId.parse("prod/one/web"))
    place.cluster.edit(target, TAMPERED[name])
    before = place.cluster.server.get(target)
    for tree in (
        flow.pointing(flow.ROUTED, "v1", "  replicas: 3\n"),
        flow.ROUTED.but({"environments/prod/one/web.yaml": None}),
    ):
        start = len(place.cluster.log)
        report = flow.run(tree, place)
        assert report.exit_code is ExitCode.REFUSED
        assert "Blocked: prod/one/web" in report.closing[0]
        assert [t for v, t in flow.writes(place, start) if "web" in t] == []
        assert place.cluster.server.get(target) == before


def test_an_inventory_without_the_digest_of_its_members_is_still_read():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    place.cluster.edit(
        inventory.inventory_key(UnitId.parse("prod/one/web")), edited(membersDigest=None)
    )
    flow.quiet(flow.ROUTED, place)


def test_a_forged_entry_with_a_right_digest_deletes_nothing_foreign():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    foreign = flow.key("ConfigMap", "kube-system", "coredns")
    place.cluster.acting_as("kubeadm").create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": foreign.name, "namespace": foreign.namespace},
        }
    )

    def forge(body):
        found = records.from_body(body)
        for uid in ("", place.cluster.server.get(foreign)["metadata"]["uid"]):
            found = found.union([Member(foreign, "v1", uid)])
        body["data"] = records.to_body(found)["data"]

    place.cluster.edit(inventory.inventory_key(UnitId.parse("prod/one/web")), forge)
    flow.settled(flow.ROUTED, place)
    assert place.cluster.server.get(foreign) is not None
    assert flow.recorded(place)["prod/one/web"].find(foreign) is None


def test_a_deleted_inventory_is_written_again_and_its_objects_are_kept():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    before = {k: place.cluster.server.get(k)["metadata"]["uid"] for k in flow.ours(place)}
    place.cluster.server.delete(inventory.inventory_key(UnitId.parse("prod/one/web")))
    start = len(place.cluster.log)
    flow.settled(flow.ROUTED, place)
    assert [v for v, _ in flow.writes(place, start)] == ["create"]
    assert flow.orphans(place) == set()
    assert {k: place.cluster.server.get(k)["metadata"]["uid"] for k in flow.ours(place)} == before


def test_a_state_is_whose_its_name_says():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    place.cluster.edit(
        inventory.state_key(UnitId.parse("prod/one/web")), lambda b: b["data"].pop("unit")
    )
    report = flow.run(flow.ROUTED, place)
    assert report.exit_code == 0
    flow.quiet(flow.ROUTED, place)


# -- what counts as unchanged --------------------------------------------------------------------------


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
    digests = {inventory.live_digest(observed(b)) for b in (before, after)}
    assert (len(digests) == 1) is same


def test_where_a_status_has_its_own_endpoint_the_generation_and_the_owners_decide():
    place = flow.world()
    flow.settled(support.small(), place)
    live = place.cluster.get(flow.key("Deployment", "ml-one", "web-v1"))
    assert inventory.live_digest(live).startswith(f"g{live.generation}.")
    assert inventory.live_digest(live) != f"g{live.generation}"
