"""What is deleted, in which order, and what the guards hold back."""

from datetime import timedelta

import pytest

from reconciler.objects.outcome import RefusalCause
from reconciler.plan import inventory
from reconciler.plan.change import Action
from reconciler.simulation.cluster import RequestLost
from reconciler.unit import UnitId
from tests import flow, support
from tests.scenarios.test_traffic import KUBEDL, split_of


def group(count, each=1, base=flow.ROUTED):
    """The group prod/one with apps a00, a01, … that each have `each` ConfigMaps, nothing else."""
    files: dict[str, str | None] = {
        "environments/prod/one/web.yaml": None,
        "environments/prod/web.yaml": None,
    }
    for number in range(count):
        name = f"a{number:02d}"
        files[f"environments/prod/one/{name}.yaml"] = "manifests: [maps.yaml]\n"
        files[f"models/{name}/model.yaml"] = (
            "model: {type: vision, owner: web}\nserving: {runIn: [prod/two]}\n"
        )
        files[f"models/{name}/maps.yaml"] = "---\n".join(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}-{n}}}\ndata: {{a: b}}\n"
            for n in range(each)
        )
    files["environments/prod/two/group.yaml"] = "group: {namespace: ml-two}\n"
    return base.but(files)


def without(tree, *numbers):
    return tree.but({f"environments/prod/one/a{n:02d}.yaml": None for n in numbers})


def settled(tree, **options):
    place = flow.world()
    flow.settled(tree, place, **options)
    return place


def maps(place):
    return [k.name for k in sorted(flow.ours(place)) if k.kind == "ConfigMap"]


def refusals(tree, place):
    return {r.code for r in flow.plan_of(tree, place).refusals}


# -- a removed app -----------------------------------------------------------------------------------


def test_a_removed_app_goes_route_first_with_its_inventory_and_state():
    tree = flow.ROUTED.but(
        {
            "environments/prod/one/api.yaml": "serving: {version: v1}\n",
            "models/api/model.yaml": flow.ROUTED.files["models/web/model.yaml"],
            "models/api/versions/v1.yaml": support.record("v1"),
        }
    )
    place = settled(tree)
    start = len(place.cluster.log)
    gone = tree.but({"environments/prod/one/web.yaml": None, "environments/prod/web.yaml": None})
    report = flow.run(gone, place)
    assert report.exit_code == 0
    deleted = [t.split(" ")[0].split(".")[0] for v, t in place.cluster.log[start:] if v == "delete"]
    assert deleted == ["HTTPRoute", "Service", "Deployment", "ConfigMap", "ConfigMap"]
    assert set(flow.recorded(place)) == {"prod/one/_group", "prod/one/api"}
    assert place.cluster.server.get(inventory.state_key(UnitId.parse("prod/one/web"))) is None
    flow.quiet(gone, place)


def test_a_backend_outlives_a_route_that_cannot_be_deleted():
    place = settled(flow.ROUTED.but(group(1).but({"environments/prod/one/web.yaml": ""}).files))
    gone = group(1)

    def before(verb, target):
        if verb == "delete" and target.startswith("HTTPRoute"):
            raise flow.refuse(RefusalCause.FORBIDDEN)

    place.cluster.before = before
    report = flow.run(gone, place)
    assert report.exit_code == 6
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    assert flow.live(place, "Service", "ml-one", "web-v1") is not None
    place.cluster.before = None
    flow.settled(gone, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is None


def test_a_route_held_by_a_finalizer_keeps_its_backend_and_is_awaited():
    """DELETE is sent once; the finalizer is nobody's to remove; the entry leaves on a 404 alone."""
    place = settled(flow.ROUTED.but(group(1).but({"environments/prod/one/web.yaml": ""}).files))
    route = flow.key("HTTPRoute", "ml-one", "web")
    place.cluster.edit(route, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
    gone = group(1)
    start = len(place.cluster.log)
    for _ in range(3):
        report = flow.run(gone, place)
        assert report.exit_code == 6
        assert "a finalizer holds it" in str(flow.problems(report))
        flow.minutes(place, 1)
    deletes = [target for verb, target in place.cluster.log[start:] if verb == "delete"]
    assert deletes == [route.full()]
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    assert flow.recorded(place)["prod/one/web"].find(route) is not None
    place.cluster.edit(route, lambda b: b["metadata"].pop("finalizers"))
    flow.settled(gone, place)
    assert flow.orphans(place) == set()
    assert "prod/one/web" not in flow.recorded(place)


TRAIN = {"environments": ["prod"], "groups": ["train"]}


def test_a_schedule_is_suspended_first_and_its_active_run_awaited():
    sample = support.sample()
    place = flow.world()
    flow.settled(sample, place, **TRAIN)
    schedule = flow.key("CronWorkflow", "ml-train", "mnist-nightly")
    for _ in range(48):
        flow.minutes(place, 30)
        if place.cluster.status(schedule).get("active"):
            break
    runs = [run["name"] for run in place.cluster.status(schedule)["active"]]
    gone = sample.but({"environments/prod/train/mnist.yaml": None})
    report = flow.run(gone, place, **TRAIN)
    assert report.exit_code == 6
    assert f"deleted when {runs[0]} has finished" in str(flow.problems(report))
    assert place.cluster.server.get(schedule)["spec"]["suspend"] is True
    template = next(
        k for k in flow.ours(place) if k.kind == "WorkflowTemplate" and "mnist" in k.name
    )
    assert place.cluster.server.get(template) is not None
    for _ in range(24):
        flow.minutes(place, 60)
        if flow.run(gone, place, **TRAIN).exit_code == 0:
            break
    assert place.cluster.server.get(schedule) is None
    assert "prod/train/mnist" not in flow.recorded(place)


def test_an_app_that_comes_back_while_its_schedule_waits_fires_again():
    sample = support.sample()
    place = flow.world()
    flow.settled(sample, place, **TRAIN)
    schedule = flow.key("CronWorkflow", "ml-train", "mnist-nightly")
    place.cluster.edit(schedule, lambda b: b["spec"].update(suspend=True), "reconciler")
    flow.settled(sample, place, **TRAIN)
    assert place.cluster.server.get(schedule)["spec"]["suspend"] is False


# -- the guards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("apps", "removed", "refused"),
    [
        (12, 10, set()),
        (12, 11, {"E_PRUNE_BUDGET"}),
        # The foundation has two objects: eighteen apps make twenty recorded ones.
        (17, 5, set()),
        (18, 4, set()),
        (18, 5, {"E_PRUNE_BUDGET"}),
        # The last app of a group that stays is asked about, however few objects it has.
        (1, 1, {"E_PRUNE_HOLLOW"}),
        (2, 1, set()),
    ],
)
def test_the_budget_is_ten_objects_or_a_fifth_from_twenty_recorded(apps, removed, refused):
    tree = group(apps)
    place = settled(tree)
    assert refusals(without(tree, *range(removed)), place) == refused


@pytest.mark.parametrize(("left", "refused"), [(2, set()), (1, {"E_PRUNE_BUDGET"})])
def test_the_budget_counts_objects_and_not_apps(left, refused):
    """An app that stays may lose as many at once as apps that go."""
    place = settled(group(1, each=12))
    assert refusals(group(1, each=left), place) == refused


def test_a_refusal_exits_4_prints_a_hash_and_goes_on_only_with_that_very_one():
    tree = group(12)
    place = settled(tree)
    gone = without(tree, *range(11))
    report = flow.run(gone, place)
    assert report.exit_code == 4
    assert len(maps(place)) == 12
    (refusal,) = set(flow.plan_of(gone, place).refusals)
    assert refusal.approval in refusal.way_out
    for other in ("0" * 12, refusal.approval[:-1], ""):
        assert flow.run(gone, place, approved=[other]).exit_code == 4
        assert len(maps(place)) == 12
    one_less = without(tree, *range(1, 12))
    assert flow.run(one_less, place, approved=[refusal.approval]).exit_code == 4
    assert len(maps(place)) == 12
    assert flow.run(gone, place, approved=[refusal.approval]).exit_code == 0
    assert maps(place) == ["a11-0"]


def test_the_hash_stands_for_objects_and_not_for_names():
    """An object made anew under the name since the approval was not approved."""
    tree = group(12)
    place = settled(tree)
    gone = without(tree, *range(11))
    (refusal,) = set(flow.plan_of(gone, place).refusals)
    place.cluster.server.delete(flow.key("ConfigMap", "ml-one", "a00-0"))
    flow.settled(tree, place)
    assert flow.run(gone, place, approved=[refusal.approval]).exit_code == 4
    assert len(maps(place)) == 12


def test_a_selection_does_not_make_a_group_look_smaller():
    """One app of many is not the whole group, and a fifth is a fifth of all."""
    tree = group(30)
    place = settled(tree)
    one = flow.plan_of(without(tree, 0), place, models=["a00"])
    assert one.refusals == ()
    seven = [f"a{n:02d}" for n in range(7)]
    many = flow.plan_of(without(tree, *range(7)), place, models=seven)
    assert {r.code for r in many.refusals} == {"E_PRUNE_BUDGET"}
    assert "7 of 32 objects" in many.refusals[0].text


def test_a_refused_prune_does_not_keep_other_changes_back():
    tree = group(12)
    place = settled(tree)
    changed = without(tree, *range(11)).but(
        {
            "models/a11/maps.yaml": (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a11-0}\ndata: {a: c}\n"
            )
        }
    )
    report = flow.run(changed, place)
    assert report.exit_code == 4
    assert len(maps(place)) == 12
    assert flow.live(place, "ConfigMap", "ml-one", "a11-0")["data"] == {"a": "c"}
    flow.quiet(changed, place)


EMPTY = {
    "no apps": lambda tree: tree.but(
        {p: None for p in tree.files if p.startswith("environments/prod/one/a")}
    ),
    "no groups at all": lambda tree: tree.but(
        {p: None for p in tree.files if p.startswith("environments/prod/")}
    ),
    "no environments": lambda tree: support.MemoryTree(
        {p: d for p, d in tree.files.items() if p == "environments/layers.yaml"}
    ),
    "an empty repo": lambda tree: support.MemoryTree({}),
    "nothing but a readme": lambda tree: support.MemoryTree({"README.md": "hello"}),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_emptied_tree_deletes_nothing(name):
    tree = group(12)
    place = settled(tree)
    start = len(place.cluster.log)
    report = flow.run(EMPTY[name](tree), place)
    assert report.exit_code != 0
    assert [entry for entry in flow.writes(place, start) if entry[0] == "delete"] == []
    assert len(maps(place)) == 12


def test_a_removed_group_needs_its_tombstone_however_small_it_is():
    tree = group(1).but({"environments/prod/two/group.yaml": "group: {namespace: ml-two}\n"})
    place = settled(tree)
    gone = tree.but({p: None for p in tree.files if p.startswith("environments/prod/one/")})
    assert "E_PRUNE_EMPTY" in refusals(gone, place)
    (refusal,) = {r for r in flow.plan_of(gone, place).refusals}
    assert refusal.approval == ""
    assert flow.run(gone, place).exit_code == 4
    assert maps(place) == ["a00-0"]


def test_a_tombstone_empties_a_group_and_its_namespace_goes_last_with_an_approval():
    place = settled(flow.ROUTED)
    tombstone = flow.ROUTED.but(
        {
            "environments/prod/one/group.yaml": (
                "group: {namespace: ml-one, serviceAccount: models, state: absent}\n"
            )
        }
    )
    (refusal,) = set(flow.plan_of(tombstone, place).refusals)
    assert refusal.code == "E_PRUNE_PROTECTED"
    assert flow.run(tombstone, place).exit_code == 4
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    start = len(place.cluster.log)
    report = flow.run(tombstone, place, approved=[refusal.approval])
    deleted = [
        t for v, t in place.cluster.log[start:] if v == "delete" and "ml-reconciler" not in t
    ]
    assert [t.split(" ")[0].split(".")[0] for t in deleted] == [
        "HTTPRoute",
        "Service",
        "Deployment",
        "ServiceAccount",
        "Namespace",
    ], flow.problems(report)
    flow.settled(tombstone, place, approved=[refusal.approval])
    assert flow.ours(place) == set()
    flow.quiet(tombstone, place)


def test_a_namespace_waits_for_the_apps_that_are_still_in_it():
    place = settled(flow.ROUTED)
    tombstone = flow.ROUTED.but(
        {"environments/prod/one/group.yaml": "group: {namespace: ml-one, state: absent}\n"}
    )
    (refusal,) = set(flow.plan_of(tombstone, place).refusals)

    def before(verb, target):
        if verb == "delete" and target.startswith("HTTPRoute"):
            raise flow.refuse(RefusalCause.FORBIDDEN)

    place.cluster.before = before
    report = flow.run(tombstone, place, approved=[refusal.approval])
    assert report.exit_code == 6
    assert "goes when these are gone: prod/one/web" in str(flow.problems(report))
    assert flow.live(place, "Namespace", "", "ml-one") is not None


# -- what could not be read ----------------------------------------------------------------------------


UNREADABLE = {
    "the app's own file": {"environments/prod/one/a00.yaml": "manifests: [\n"},
    "its model": {"models/a00/model.yaml": "model: {type: vision\n"},
    "its model, gone": {"models/a00/model.yaml": None},
    "its manifests, gone": {"models/a00/maps.yaml": None},
    "its manifests, broken": {"models/a00/maps.yaml": "kind: [\n"},
    "its type": {"environments/types/vision.yaml": "serving: [\n"},
    "the base": {"environments/base.yaml": "serving: [\n"},
    "the environment": {"environments/prod/environment.yaml": "environment: [\n"},
    "the environment, gone": {"environments/prod/environment.yaml": None},
    "the group": {"environments/prod/one/group.yaml": "group: [\n"},
    "the layers": {"environments/layers.yaml": "layers: [\n"},
    "the layers, gone": {"environments/layers.yaml": None},
    "a policy": {"policies/bad.yaml": "kind: [\n"},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_prunes_nothing(name):
    tree = group(3)
    place = settled(tree)
    broken = tree.but(UNREADABLE[name])
    start = len(place.cluster.log)
    report = flow.run(broken, place)
    assert report.exit_code in (1, 4), report.closing
    assert [entry for entry in flow.writes(place, start) if entry[0] == "delete"] == []


def test_a_broken_policy_keeps_removals_back_too():
    """Policies block all: who may not judge what comes may not judge what goes."""
    tree = group(3)
    place = settled(tree)
    broken = without(tree, 0).but({"policies/bad.yaml": "kind: [\n"})
    start = len(place.cluster.log)
    assert flow.run(broken, place).exit_code == 1
    assert flow.writes(place, start) == []


def test_a_removal_beside_a_broken_app_goes_on():
    tree = group(3)
    place = settled(tree)
    mixed = without(tree, 0).but({"environments/prod/one/a01.yaml": "manifests: [\n"})
    assert flow.run(mixed, place).exit_code == 1
    assert maps(place) == ["a01-0", "a02-0"]


def test_a_kind_that_could_not_be_listed_is_neither_absent_nor_pruned():
    tree = group(3)
    place = settled(tree)

    def before(verb, target):
        if verb == "list" and target == "ConfigMap":
            raise RequestLost(done=False)

    place.cluster.before = before
    start = len(place.cluster.log)
    report = flow.run(without(tree, 0), place)
    assert report.exit_code == 6
    assert "Not judged: prod/one/a00" in report.closing[0]
    assert flow.writes(place, start) == []
    place.cluster.before = None
    flow.settled(without(tree, 0), place)
    assert maps(place) == ["a01-0", "a02-0"]


# -- whose it is ---------------------------------------------------------------------------------------


def test_an_object_that_lost_its_label_is_read_before_it_is_forgotten():
    tree = group(2)
    place = settled(tree)
    target = flow.key("ConfigMap", "ml-one", "a00-0")
    place.cluster.edit(target, lambda b: b["metadata"].pop("labels"))
    flow.settled(without(tree, 0), place)
    assert place.cluster.server.get(target) is None


def test_an_object_that_lost_its_label_and_cannot_be_read_stays_recorded():
    tree = group(2)
    place = settled(tree)
    target = flow.key("ConfigMap", "ml-one", "a00-0")
    place.cluster.edit(target, lambda b: b["metadata"].pop("labels"))

    def before(verb, text):
        if verb == "get" and text == target.full():
            raise RequestLost(done=False)

    place.cluster.before = before
    assert flow.run(without(tree, 0), place).exit_code == 6
    assert flow.recorded(place)["prod/one/a00"].find(target) is not None


def test_an_object_made_anew_by_someone_else_is_forgotten_and_left_alone():
    tree = group(2)
    place = settled(tree)
    target = flow.key("ConfigMap", "ml-one", "a00-0")
    body = place.cluster.server.get(target)
    place.cluster.server.delete(target)
    metadata = {k: body["metadata"][k] for k in ("name", "namespace", "labels")}
    place.cluster.acting_as("helm").create({**body, "metadata": metadata})
    flow.settled(without(tree, 0), place)
    assert place.cluster.server.get(target) is not None
    assert "prod/one/a00" not in flow.recorded(place)


def test_an_object_handed_to_another_manager_is_not_deleted():
    tree = group(2)
    place = settled(tree)
    target = flow.key("ConfigMap", "ml-one", "a00-0")

    def hand_over(body):
        for row in body["metadata"]["managedFields"]:
            row["manager"] = "helm"

    stored = place.cluster.server.store
    body = place.cluster.server.get(target)
    hand_over(body)
    with stored.transaction():
        stored.put(target, body)
    flow.settled(without(tree, 0), place)
    assert place.cluster.server.get(target) is not None


def test_an_object_that_is_already_gone_costs_no_delete():
    tree = group(2)
    place = settled(tree)
    place.cluster.server.delete(flow.key("ConfigMap", "ml-one", "a00-0"))
    start = len(place.cluster.log)
    flow.settled(without(tree, 0), place)
    deletes = [t for v, t in flow.writes(place, start) if v == "delete"]
    assert deletes == ["ConfigMap ml-reconciler/prod.one.a00.inventory"]


STATEFUL = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: disk}\n"
    "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n---\n"
    "apiVersion: model.kubedl.io/v1alpha1\nkind: ModelVersion\nmetadata: {name: web-v1}\n"
    "spec: {modelName: web, createdBy: web, imageRepo: r.example/m, imageTag: v1,\n"
    "  storage: {localStorage: {path: /m, nodeName: node-1}}}\n"
)


def test_stateful_objects_are_kept_said_so_and_block_nothing():
    tree = group(2).but({"models/a00/maps.yaml": STATEFUL})
    place = settled(tree)
    gone = without(tree, 0)
    report = flow.run(gone, place)
    assert report.exit_code == 0
    claim, version = (
        flow.key("PersistentVolumeClaim", "ml-one", "disk"),
        flow.key("ModelVersion", "ml-one", "web-v1"),
    )
    assert {claim, version} <= flow.ours(place)
    assert flow.orphans(place) == set()
    reasons = [r.text for c in flow.plan_of(gone, place).changes() for r in c.reasons]
    assert (
        "no longer in Git, kept: a PersistentVolumeClaim holds state, delete it by hand" in reasons
    )
    flow.quiet(gone, place)
    for target in (claim, version):
        place.cluster.server.delete(target)
    flow.settled(gone, place)
    assert "prod/one/a00" not in flow.recorded(place)


RUN = (
    "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: once\n"
    "  annotations: {ml-reconciler.dev/replace: enabled}\n"
    "spec:\n  ttlSecondsAfterFinished: 86400\n  template:\n    spec:\n"
    "      restartPolicy: Never\n      containers: [{name: c, image: r.example/once:1}]\n"
)
JOB = flow.key("Job", "ml-one", "once")


def runs(text=RUN):
    return group(2).but({"models/a00/maps.yaml": text})


def test_a_run_that_is_active_is_kept_and_deleted_once_it_has_finished():
    place = settled(group(2))
    flow.run(runs(), place, timeout=1.0)
    gone = without(runs(), 0)
    assert flow.run(gone, place).exit_code == 0
    assert place.cluster.server.get(JOB) is not None
    assert JOB in flow.ours(place)
    reasons = [r.text for c in flow.plan_of(gone, place).changes() for r in c.reasons]
    assert "no longer in Git, kept: the Job has not finished" in reasons
    flow.quiet(gone, place)
    place.run_for(timedelta(hours=3))
    flow.settled(gone, place)
    assert place.cluster.server.get(JOB) is None
    assert "prod/one/a00" not in flow.recorded(place)


def test_a_finished_run_that_vanished_leaves_the_inventory_without_a_delete():
    place = settled(group(2))
    flow.run(runs(), place, timeout=1.0)
    place.run_for(timedelta(days=3))
    assert place.cluster.server.get(JOB) is None
    start = len(place.cluster.log)
    flow.settled(without(runs(), 0), place)
    deletes = [t for v, t in flow.writes(place, start) if v == "delete"]
    assert not [target for target in deletes if target.startswith("Job")]
    assert "prod/one/a00" not in flow.recorded(place)


def test_an_active_run_is_not_made_anew_even_where_git_allows_it():
    place = settled(group(2))
    flow.run(runs(), place, timeout=1.0)
    other = runs(RUN.replace("once:1", "once:2"))
    (change,) = [c for c in flow.plan_of(other, place).changes() if c.key == JOB]
    assert change.standing == "held"
    assert "has not finished" in change.reasons[0].text
    place.run_for(timedelta(hours=3))
    (change,) = [c for c in flow.plan_of(other, place).changes() if c.key == JOB]
    assert (change.action, change.standing) == ("replace", "go")


# -- renamed -----------------------------------------------------------------------------------------


def renamed(tree=flow.ROUTED, moved="prod/one/web", group="uno"):
    files = {
        f"environments/prod/{group}/group.yaml": tree.files["environments/prod/one/group.yaml"]
    }
    files["environments/prod/one/group.yaml"] = None
    files["environments/prod/one/web.yaml"] = None
    more = f"moved: {{from: {moved}}}\n" if moved else ""
    files[f"environments/prod/{group}/web.yaml"] = more
    return tree.but(files)


def test_a_renamed_group_hands_its_objects_over_without_delete_or_recreate():
    place = settled(flow.ROUTED)
    flow.run(flow.pointing(flow.ROUTED, "v2"), place)
    before = {k: place.cluster.server.get(k)["metadata"]["uid"] for k in flow.ours(place)}
    state = place.cluster.server.get(inventory.state_key(UnitId.parse("prod/one/web")))["data"]
    tree = renamed(flow.pointing(flow.ROUTED, "v2"))
    start = len(place.cluster.log)
    report = flow.run(tree, place)
    assert report.exit_code == 0, (report.closing, flow.problems(report))
    after = {k: place.cluster.server.get(k)["metadata"]["uid"] for k in flow.ours(place)}
    assert after == before
    deleted = [t for v, t in flow.writes(place, start) if v == "delete"]
    assert all(".inventory" in t or ".rollout" in t for t in deleted)
    assert set(flow.recorded(place)) == {"prod/uno/_group", "prod/uno/web"}
    now = place.cluster.server.get(inventory.state_key(UnitId.parse("prod/uno/web")))["data"]
    assert now["stable"] == state["stable"] == "v1"
    assert now["wanted"] == "v2"
    flow.walk(tree, place)
    assert flow.split(place, "ml-one", "web") == {"web-v2": 100}


def test_a_rename_killed_anywhere_neither_deletes_nor_orphans():
    clean = settled(flow.ROUTED)
    flow.settled(renamed(), clean)
    number = 0
    while True:
        place = settled(flow.ROUTED)
        ledger = flow.Ledger(place)
        try:
            flow.run(renamed(), place, before=flow.after_effect(number))
            break
        except flow.Killed:
            assert flow.orphans(place) == set()
        flow.settled(renamed(), place)
        assert flow.ends(place) == flow.ends(clean)
        assert not [t for (v, t) in ledger.counts if "ml-reconciler" not in t]
        number += 1
    assert number > 8


def test_a_rename_whose_word_is_taken_back_half_way_still_deletes_nothing_of_it():
    """The old inventory lists what the new unit has taken over: the objects say whose they are."""
    number = 0
    while True:
        place = settled(flow.ROUTED)
        objects = flow.ours(place)
        try:
            flow.run(renamed(), place, before=flow.after_effect(number))
            break
        except flow.Killed:
            pass
        taken = {
            k
            for k in objects
            if inventory.part_of(UnitId.parse("prod/uno/web"))
            in place.cluster.server.get(k)["metadata"]["labels"].values()
        }
        flow.run(renamed(moved=""), place)
        assert taken <= flow.ours(place)
        number += 1
    assert number > 8


def test_without_the_word_the_new_unit_is_told_what_to_write():
    place = settled(flow.ROUTED)
    report = flow.run(renamed(moved=""), place)
    assert report.exit_code == 4
    shown = [r.text for c in flow.plan_of(renamed(moved=""), place).changes() for r in c.reasons]
    assert any("write `moved: {from: prod/one/web}`" in text for text in shown)


def test_what_is_still_in_git_is_not_handed_over():
    place = settled(flow.ROUTED)
    both = renamed().but(
        {
            "environments/prod/one/group.yaml": "group: {namespace: ml-other}\n",
            "environments/prod/one/web.yaml": "",
        }
    )
    plan = flow.plan_of(both, place)
    assert support.loaded(both).blocked[UnitId.parse("prod/uno/web")] == ("E_MOVED",)
    assert not [c for a in plan.apps if a.unit == UnitId.parse("prod/uno/web") for c in a.changes()]


# -- emptiness -----------------------------------------------------------------------------------------

#: What is left of a manifests file that was cut off, or whose content was commented out.
_HOLLOW = {
    "truncated to nothing": "",
    "a line of blanks": "   \n",
    "only comments": "# apiVersion: v1\n# kind: ConfigMap\n",
    "only separators": "---\n---\n",
    "only null documents": "---\nnull\n---\n~\n",
    "an empty map": "{}\n",
}


def _in_vain(tree, place, gone, count):
    """A run that deletes nothing and exits 4; the hash of its only refusal, which then lets it."""
    start = len(place.cluster.log)
    report = flow.run(gone, place)
    assert report.exit_code == 4
    assert flow.writes(place, start) == []
    (refusal,) = set(flow.plan_of(gone, place).refusals)
    assert refusal.code == "E_PRUNE_HOLLOW"
    assert refusal.way_out == f"if meant: --approve-prune {refusal.approval}"
    report = flow.run(gone, place, approved=[refusal.approval])
    assert report.exit_code == 0, flow.problems(report)
    assert len([1 for verb, _ in flow.writes(place, start) if verb == "delete"]) >= count
    flow.quiet(gone, place)
    return refusal


@pytest.mark.parametrize("name", _HOLLOW)
def test_a_manifests_file_without_an_object_deletes_nothing_without_an_approval(name):
    tree = group(3)
    place = settled(tree)
    gone = tree.but({"models/a01/maps.yaml": _HOLLOW[name]})
    refusal = _in_vain(tree, place, gone, 1)
    assert "models/a01/maps.yaml holds no object, and prod/one/a01 would lose 1 obj" in refusal.text


def test_so_does_one_of_two_files_of_an_app_that_keeps_other_objects():
    tree = group(2).but(
        {
            "environments/prod/one/a00.yaml": "manifests: [maps.yaml, more.yaml]\n",
            "models/a00/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n",
        }
    )
    place = settled(tree)
    _in_vain(tree, place, tree.but({"models/a00/more.yaml": "# later\n"}), 1)
    assert maps(place) == ["a00-0", "a01-0"]


def test_an_app_whose_list_of_manifests_is_emptied_draws_nothing_and_is_asked_about():
    tree = group(2)
    place = settled(tree)
    refusal = _in_vain(tree, place, tree.but({"environments/prod/one/a00.yaml": ""}), 1)
    assert "prod/one/a00 is in Git and draws nothing" in refusal.text


@pytest.mark.parametrize("apps", [1, 2, 5])
def test_removing_every_app_of_a_small_group_is_asked_about(apps):
    tree = group(apps)
    place = settled(tree)
    refusal = _in_vain(tree, place, without(tree, *range(apps)), apps)
    assert "deletes every app of prod/one while the group stays: prod/one/a00" in refusal.text


def test_a_refused_hollow_file_keeps_no_other_app_back():
    tree = group(2)
    place = settled(tree)
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a01-0}\ndata: {a: c}\n"
    changed = tree.but({"models/a00/maps.yaml": "# gone\n", "models/a01/maps.yaml": text})
    report = flow.run(changed, place)
    assert report.exit_code == 4
    assert flow.live(place, "ConfigMap", "ml-one", "a01-0")["data"] == {"a": "c"}
    assert maps(place) == ["a00-0", "a01-0"]


def test_a_selection_of_the_last_apps_counts_the_apps_outside_of_it():
    tree = group(2)
    place = settled(tree)
    gone = without(tree, 0)
    start = len(place.cluster.log)
    assert flow.run(gone, place, models=["a00"]).exit_code == 0
    assert [v for v, t in flow.writes(place, start) if t.endswith("/a00-0")] == ["delete"]


def test_a_comparison_with_a_base_warns_of_a_hollow_file():
    from reconciler.engine import review

    tree = group(2)
    seen = review.review(
        tree.but({"models/a00/maps.yaml": ""}), support.select(), support.NOW, base=tree
    )
    texts = [d.message for d in seen.diagnostics if d.code == "W_PRUNE_GUARD"]
    assert any("models/a00/maps.yaml holds no object" in text for text in texts), texts


# -- finalizers that need seconds -----------------------------------------------------------------------


class _Finalizer:
    """A controller that takes its finalizer off so many reads after the delete."""

    def __init__(self, place, key, reads):
        self.place, self.key, self.left = place, key, reads
        place.cluster.edit(key, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
        place.cluster.before = self

    def __call__(self, verb, target):
        body = self.place.cluster.server.get(self.key)
        dying = body is not None and body["metadata"].get("deletionTimestamp")
        if verb == "get" and target == self.key.full() and dying:
            self.left -= 1
            if self.left == 0:
                self.place.cluster.edit(self.key, lambda b: b["metadata"].pop("finalizers"))


@pytest.mark.parametrize("reads", [1, 5, 30])
def test_a_delete_is_awaited_within_the_timeout(reads):
    tree = group(2)
    place = settled(tree)
    key = flow.key("ConfigMap", "ml-one", "a00-0")
    _Finalizer(place, key, reads)
    report = flow.run(without(tree, 0), place, timeout=60)
    assert report.exit_code == 0, flow.problems(report)
    assert "1 deleted" in report.closing[0]
    assert "prod/one/a00" not in flow.recorded(place)


def test_deletes_of_which_none_ends_cost_one_timeout_in_all():
    tree = group(2, each=4)
    place = settled(tree)
    for number in range(4):
        key = flow.key("ConfigMap", "ml-one", f"a00-{number}")
        place.cluster.edit(key, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
    begun = place.clock.now()
    report = flow.run(without(tree, 0), place, timeout=60)
    assert report.exit_code == 6
    assert len(flow.problems(report)) == 4
    assert 60 <= (place.clock.now() - begun).total_seconds() < 70


@pytest.mark.parametrize("models", [0, 6], ids=["a small group", "a group with a share"])
def test_a_memory_change_of_a_kubedl_model_needs_no_approval(models):
    """Its Inferences and their entry Services get new names, and the old ones go."""
    more = "".join(
        f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: notes-{n}}}\n"
        for n in range(models)
    )
    before = split_of("{v1: 30, v2: 50, v3: 20}", KUBEDL)
    path = "models/web/models.yaml"
    before = before.but({path: before.files[path].decode() + more})
    place = flow.world()
    flow.settled(before, place)
    pointer = "environments/prod/web.yaml"
    edit = f"{before.files[pointer].decode()}  resources: {{memory: 6Gi}}\n"
    after = before.but({pointer: edit})
    deleted = set()
    for _ in range(8):
        plan = flow.plan_of(after, place)
        assert plan.refusals == ()
        deleted |= {c.key for c in plan.changes() if c.action is Action.DELETE}
        flow.run(after, place)
        flow.minutes(place, 5)
    assert {kind: sum(k.kind == kind for k in deleted) for kind in ("Inference", "Service")} == {
        "Inference": 3,
        "Service": 3,
    }
    gone = after.but({pointer: None, "environments/prod/one/web.yaml": None})
    assert [r.code for r in flow.plan_of(gone, place).refusals]
