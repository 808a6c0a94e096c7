"""How state is stored: shards of a large inventory, the older schema, the newer one."""

import pytest

import reconciler
from reconciler.plan import inventory, records
from reconciler.unit import UnitId
from tests import flow, support

UNIT = UnitId.parse("prod/one/web")


@pytest.fixture
def place(monkeypatch):
    monkeypatch.setattr(records, "SHARD_BYTES", 300)
    monkeypatch.setattr(records.to_objects, "__defaults__", (300,))
    made = flow.world()
    yield made
    made.close()


def shards_of(place):
    listed = place.cluster.server.list(("", "ConfigMap"), reconciler.TOOL_NAMESPACE, None)
    return {
        b["metadata"]["name"]
        for b in listed
        if b["metadata"].get("labels", {}).get(inventory.INVENTORY_LABEL) == "shard"
    }


def test_shards_follow_the_inventory_and_go_with_it(place):
    flow.settled(flow.ROUTED, place)
    before = shards_of(place)
    assert before
    flow.settled(flow.pointing(flow.ROUTED, "v1", "  replicas: 3\n"), place)
    named = {
        shard
        for body in place.cluster.server.list(("", "ConfigMap"), reconciler.TOOL_NAMESPACE, None)
        for shard in (body.get("data") or {}).get("shards", "").split()
    }
    assert shards_of(place) == named
    assert flow.orphans(place) == set()


def test_a_kill_anywhere_leaves_an_inventory_that_can_be_read(place):
    killed = 0
    for number in range(40):
        world = flow.world()
        try:
            flow.run(flow.ROUTED, world, before=flow.after_effect(number))
        except flow.Killed:
            killed += 1
        flow.settled(flow.ROUTED, world, runs=4)
        assert flow.orphans(world) == set()
        world.close()
    assert killed > 10


# -- schemas ---------------------------------------------------------------------------------------


def older(body):
    data = body["data"]
    data["schemaVersion"] = "1"
    for name in ("tool", "served", "epoch", "applyAs"):
        data.pop(name)


def test_state_of_an_older_version_is_migrated_once_and_the_plan_says_so():
    place = flow.world()
    tree = support.small()
    flow.settled(tree, place)
    key = inventory.inventory_key(UNIT)
    place.cluster.edit(key, older)
    app = next(a for a in flow.plan_of(tree, place).apps if a.unit == UNIT)
    assert app.migrates
    assert app.recorded.schema == 1
    assert list(app.changes()) == []
    flow.run(tree, place)
    data = place.cluster.server.get(key)["data"]
    assert (data["schemaVersion"], data["tool"]) == ("2", reconciler.__version__)
    flow.quiet(tree, place)


def test_a_rollout_state_of_a_newer_version_is_refused_untouched():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    key = inventory.state_key(UNIT)
    place.cluster.edit(key, lambda body: body["data"].update(schemaVersion="9"))
    before = place.cluster.server.get(key)
    start = len(place.cluster.log)
    report = flow.run(flow.pointing(flow.ROUTED, "v2"), place)
    assert report.exit_code == 4
    assert flow.writes(place, start) == []
    assert place.cluster.server.get(key) == before


# -- a new version that draws otherwise ------------------------------------------------------------


def committed(tree, commit="c" * 40):
    class Committed:
        def __init__(self):
            self.commit, self.label = commit, commit[:7]

        def unrelated(self, commits):
            return frozenset()

        def __getattr__(self, name):
            return getattr(tree, name)

    return Committed()


def test_a_new_version_that_draws_the_same_commit_otherwise_waits_for_a_person(monkeypatch):
    place = flow.world()
    flow.settled(committed(support.small()), place)
    monkeypatch.setattr(reconciler, "__version__", "0.2.0")
    other = committed(
        support.small(
            **{
                "environments/base.yaml": (
                    "serving: {replicas: 2, resources: {cpu: 1, memory: 1Gi}}\n"
                )
            }
        )
    )
    start = len(place.cluster.log)
    report = flow.run(other, place)
    assert report.exit_code == 4
    assert flow.writes(place, start) == []
    plan = flow.plan_of(other, place)
    (refusal,) = plan.refusals
    assert refusal.code == "E_TOOL_DRIFT"
    assert "0.2.0 draws 1 object of prod/one/web differently from 0.1.0" in refusal.text
    assert refusal.way_out == "if meant: --approve-upgrade 0.2.0"
    report = flow.run(other, place, approved=("0.2.0",))
    assert report.exit_code == 0
    flow.quiet(other, place)


def test_a_new_version_repairs_drift_and_follows_new_commits_without_asking(monkeypatch):
    place = flow.world()
    tree = committed(support.small())
    flow.settled(tree, place)
    monkeypatch.setattr(reconciler, "__version__", "0.2.0")
    target = flow.key("ServiceAccount", "ml-one", "models")
    place.cluster.server.delete(target)
    assert flow.run(tree, place).exit_code == 0
    assert place.cluster.server.get(target)
    newer = committed(flow.pointing(support.small(), "v2"), "d" * 40)
    flow.settled(newer, place, runs=6)
