"""The inventory as written, and what of a tampered one is believed: nothing."""

import pytest

from reconciler.errors import ExitCode
from reconciler.plan import inventory, records
from reconciler.plan.inventory import Member
from reconciler.unit import UnitId
from tests import flow, support

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


def test_where_a_status_has_its_own_endpoint_the_generation_and_the_owners_decide():
    place = flow.world()
    flow.settled(support.small(), place)
    live = place.cluster.get(flow.key("Deployment", "ml-one", "web-v1"))
    assert inventory.live_digest(live).startswith(f"g{live.generation}.")
    assert inventory.live_digest(live) != f"g{live.generation}"
