"""Which apps a run carries out, in which order, and what it leaves to another run."""

from datetime import timedelta

import pytest

from reconciler.apply import effect as effects
from reconciler.engine import apply_plan
from reconciler.objects.outcome import RefusalCause
from reconciler.plan import inventory
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support

#: Groups one and two, each with the app `web`.
PAIR = flow.ROUTED.but(
    {
        "environments/prod/two/group.yaml": "group: {namespace: ml-two}\n",
        "environments/prod/two/web.yaml": "",
    }
)

DENY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: p}}
spec:
  matchConstraints:
    resourceRules:
    - {{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}}
  validations:
  - {{expression: "{expression}", message: "not here"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: b}}
spec: {{policyName: p, validationActions: [Deny]}}
"""


def denying(tree, expression):
    return tree.but({"policies/p.yaml": DENY.format(expression=expression)})


def test_a_denied_app_is_left_out_and_the_others_go_on():
    place = flow.world()
    tree = denying(PAIR, "object.kind != 'Deployment' || object.metadata.namespace != 'ml-one'")
    report = flow.run(tree, place)
    assert report.exit_code == 3
    assert set(flow.results(report)) == {"prod/one/_group", "prod/two/_group", "prod/two/web"}
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is None
    assert flow.live(place, "Deployment", "ml-two", "web-v1") is not None


def test_a_denied_foundation_takes_its_group_with_it():
    place = flow.world()
    tree = denying(PAIR, "object.kind != 'Namespace' || object.metadata.name != 'ml-one'")
    report = flow.run(tree, place)
    assert report.exit_code == 3
    assert set(flow.results(report)) == {"prod/two/_group", "prod/two/web"}


def test_apply_writes_nothing_where_anything_is_denied():
    place = flow.world()
    tree = denying(PAIR, "object.kind != 'Deployment' || object.metadata.namespace != 'ml-one'")
    seen = support.reviewed(tree, place.cluster, place.clock.now())
    report = support.Ran(apply_plan.apply(seen, place.cluster, place.clock, support.Silent()))
    assert report.exit_code == 3
    assert flow.writes(place) == []


def test_a_removed_app_that_is_not_selected_stays():
    place = flow.world()
    more = PAIR.but(
        {
            "environments/prod/one/api.yaml": "serving: {version: v1}\n",
            "models/api/model.yaml": PAIR.files["models/web/model.yaml"],
            "models/api/versions/v1.yaml": support.record("v1"),
        }
    )
    flow.settled(more, place)
    gone = more.but({"environments/prod/one/api.yaml": None})
    start = len(place.cluster.log)
    flow.run(gone, place, models=["web"])
    assert flow.writes(place, start) == []
    flow.run(gone, place, models=["api"])
    assert flow.live(place, "Deployment", "ml-one", "api-v1") is None


def test_the_end_of_one_group_does_not_wait_for_the_apps_of_another():
    place = flow.world()
    flow.settled(PAIR, place)
    tree = PAIR.but(
        {"environments/prod/two/group.yaml": "group: {namespace: ml-two, state: absent}\n"}
    )
    (refusal,) = set(flow.plan_of(tree, place).refusals)
    flow.settled(tree, place, approved=[refusal.approval])
    assert flow.live(place, "Namespace", "", "ml-two") is None
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None


def test_a_run_after_one_that_waited_in_vain_looks_once_and_does_not_wait_again():
    place = flow.world(settings=SimulationSettings(failing=frozenset({"v1"})))
    flow.run(support.small(), place, timeout=60)
    before = place.clock.now()
    assert flow.run(support.small(), place, timeout=60).exit_code == 6
    assert place.clock.now() == before


def test_a_run_after_a_killed_one_waits_as_the_killed_one_would_have():
    place = flow.world()
    with pytest.raises(flow.Killed):
        flow.run(support.small(), place, before=_ahead_of(effects.Wait, "Deployment"))
    before = place.clock.now()
    report = flow.run(support.small(), place)
    assert report.exit_code == 0
    assert place.clock.now() - before >= timedelta(seconds=10)
    assert "All healthy" in report.closing[0]


def _ahead_of(kind, named):
    def before(effect):
        if isinstance(effect, kind) and any(key.kind == named for key in effect.keys):
            raise flow.Killed

    return before


# -- another run in between ------------------------------------------------------------------------------


REMOVED = PAIR.but({"environments/prod/two/web.yaml": None}).but(
    {
        "environments/prod/two/api.yaml": "serving: {version: v1}\n",
        "models/api/model.yaml": PAIR.files["models/web/model.yaml"],
        "models/api/versions/v1.yaml": support.record("v1"),
    }
)


def test_an_inventory_that_another_run_has_written_is_not_dropped():
    place = flow.world()
    flow.settled(PAIR, place)
    target = inventory.inventory_key(UnitId.parse("prod/two/web"))

    def before(effect):
        if isinstance(effect, effects.PutInventory) and effect.drop:
            place.cluster.edit(target, lambda body: body["data"].update(revision="newer"))

    report = flow.run(REMOVED, place, before=before)
    assert flow.results(report)["prod/two/web"].status == "lost"
    assert place.cluster.server.get(target) is not None


def test_an_inventory_that_another_run_has_dropped_is_gone_all_the_same():
    place = flow.world()
    flow.settled(PAIR, place)
    target = inventory.inventory_key(UnitId.parse("prod/two/web"))

    def before(effect):
        if isinstance(effect, effects.PutInventory) and effect.drop:
            place.cluster.server.delete(target)

    report = flow.run(REMOVED, place, before=before)
    assert flow.results(report)["prod/two/web"].status == "done"


@pytest.mark.parametrize("what", ["rollout", "inventory"])
def test_what_could_not_be_dropped_is_dropped_by_the_next_run(what):
    place = flow.world()
    flow.settled(PAIR, place)

    def before(verb, target):
        if verb == "delete" and target.endswith(f"prod.two.web.{what}"):
            raise flow.refuse(RefusalCause.TOO_MANY)

    place.cluster.before = before
    assert flow.run(REMOVED, place).exit_code == 6
    place.cluster.before = None
    flow.settled(REMOVED, place)
    names = [k.name for k, _ in place.cluster.server.store.everything() if "two.web" in k.name]
    assert names == []


# -- what the records are good for -----------------------------------------------------------------------


def test_an_object_made_anew_by_us_is_recorded_with_its_new_uid():
    """Else it would count as someone else's when its turn to be deleted comes."""
    place = flow.world()
    flow.settled(PAIR, place)
    target = flow.key("Deployment", "ml-two", "web-v1")
    body = place.cluster.server.get(target)
    place.cluster.server.delete(target)
    metadata = {k: body["metadata"][k] for k in ("name", "namespace", "labels")}
    bare = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    place.cluster.apply({**bare, "spec": _applied_spec()})
    flow.minutes(place, 2)
    flow.settled(PAIR, place)
    uid = place.cluster.server.get(target)["metadata"]["uid"]
    assert uid != body["metadata"]["uid"]
    assert flow.recorded(place)["prod/two/web"].find(target).uid == uid


def _applied_spec():
    from reconciler.objects.draft import seal

    drafts = support.drawn(PAIR)
    return seal(drafts["prod/two/web", flow.key("Deployment", "ml-two", "web-v1")]).body["spec"]


def test_our_own_objects_are_ours_without_an_inventory_whoever_else_wrote_to_them():
    place = flow.world()
    flow.settled(PAIR, place)
    target = flow.key("Deployment", "ml-two", "web-v1")
    place.cluster.edit(
        target, lambda b: b["metadata"].setdefault("annotations", {}).update(x="y"), "some-operator"
    )
    place.cluster.server.delete(inventory.inventory_key(UnitId.parse("prod/two/web")))
    flow.settled(PAIR, place)
    assert flow.orphans(place) == set()


def test_an_object_of_kubectl_is_adopted_though_its_controller_wrote_a_status():
    place = flow.world()
    flow.settled(REMOVED, place)
    metadata = {"name": "web-v1", "namespace": "ml-two"}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    place.cluster.acting_as("kubectl").apply({**body, "spec": _applied_spec()})
    flow.minutes(place, 2)
    assert place.cluster.status(flow.key("Deployment", "ml-two", "web-v1"))
    both = REMOVED.but({"environments/prod/two/web.yaml": ""})
    flow.settled(both, place)
    assert flow.orphans(place) == set()


def test_a_hold_outlives_a_rename():
    place = flow.world(settings=SimulationSettings(failing=frozenset({"v2"})))
    flow.settled(flow.ROUTED, place)
    wanted = flow.pointing(flow.ROUTED, "v2")
    flow.walk(wanted, place, timeout=10)
    group = wanted.files["environments/prod/one/group.yaml"]
    renamed = wanted.but(
        {
            "environments/prod/one/group.yaml": None,
            "environments/prod/one/web.yaml": None,
            "environments/prod/uno/group.yaml": group,
            "environments/prod/uno/web.yaml": "moved: {from: prod/one/web}\n",
        }
    )
    place.client.settings = SimulationSettings()
    flow.walk(renamed, place, timeout=10)
    state = place.cluster.server.get(inventory.state_key(UnitId.parse("prod/uno/web")))["data"]
    assert state["held_why"].startswith("not ready within 20m")
    assert flow.live(place, "Deployment", "ml-one", "web-v2") is None
