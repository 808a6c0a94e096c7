"""A plan in a file: the same bytes for the same plan, no value in it, and what it says when
something has moved since."""

import json

import pytest

from reconciler.objects.key import ObjectKey
from reconciler.plan import saved_plan
from tests import flow, support

CANARY = "canary-4711"
TREE = flow.ROUTED.but(
    {
        "environments/prod/one/web.yaml": "manifests: [map.yaml]\n",
        "models/web/map.yaml": (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n"
        ),
    }
)
MAP = flow.key("ConfigMap", "ml-one", "settings")
WEB = flow.key("Deployment", "ml-one", "web-v1")
WANTED = flow.pointing(TREE, "v1", "  replicas: 3\n").but(
    {
        "models/web/map.yaml": (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
            f"data: {{a: {CANARY}}}\n"
        )
    }
)


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(TREE, made)
    return made


def dump(tree, place, inputs="i", policies="p", **options):
    plan = flow.plan_of(tree, place, **options)
    return saved_plan.dump(plan, inputs=inputs, policies=policies, selection={"models": ()})


def moved(before, tree, place, **options):
    return saved_plan.find_moved(saved_plan.load(before, "plan.json"), dump(tree, place, **options))


def test_equal_plans_give_equal_bytes_and_the_file_reads_back(place):
    first = dump(WANTED, place)
    assert first == dump(WANTED, place)
    found = saved_plan.load(first, "plan.json")
    assert (found.inputs, found.policies, found.selection) == ("i", "p", {"models": ()})
    assert saved_plan.find_moved(found, first) == ()


def test_no_value_of_any_field_is_in_the_file(place):
    place.cluster.edit(MAP, lambda body: body["data"].update(a=f"live-{CANARY}"))
    text = dump(WANTED, place)
    assert "settings" in text
    assert CANARY not in text
    actions = {c["action"] for a in json.loads(text)["apps"] for w in a["waves"] for c in w}
    assert actions == {"update"}


def test_nothing_moved_when_only_status_and_time_did(place):
    before = dump(WANTED, place)
    for key in (WEB, flow.key("HTTPRoute", "ml-one", "web")):
        status = {**place.cluster.status(key), "observedGeneration": 77}
        place.cluster.server.patch_status(key, status, "someone")
    flow.minutes(place, 90)
    assert moved(before, WANTED, place) == ()


def test_nothing_moved_when_a_kind_without_a_status_endpoint_got_one():
    """A status is written into a CronWorkflow itself, with a new resourceVersion and generation."""
    chosen = {"environments": ["prod"], "groups": ["train"]}
    sample = support.sample()
    place = flow.world()
    flow.settled(sample, place, **chosen)
    path = "models/mnist/model.yaml"
    changed = sample.but({path: sample.files[path].replace(b'"0 2 * * *"', b'"0 3 * * *"')})
    before = dump(changed, place, **chosen)
    key = flow.key("CronWorkflow", "ml-train", "mnist-nightly")
    assert key.full() in before
    version = place.cluster.get(key).resource_version
    status = {**place.cluster.status(key), "active": [], "succeeded": 3}
    place.cluster.server.patch_status(key, status, "workflow-controller")
    assert place.cluster.get(key).resource_version != version
    assert moved(before, changed, place, **chosen) == ()


def edit(place):
    place.cluster.edit(MAP, lambda body: body["data"].update(a="x"))


def drop(place):
    place.cluster.server.delete(MAP)


def remake(place):
    body = place.cluster.server.get(MAP)
    drop(place)
    metadata = {k: body["metadata"][k] for k in ("name", "namespace", "labels")}
    place.cluster.acting_as("reconciler").apply({**body, "metadata": metadata})


def already(place):
    place.cluster.edit(MAP, lambda body: body["data"].update(a=CANARY), "reconciler")


MOVED = [
    (edit, f"prod/one/web {MAP.full()}: the live object changed"),
    (drop, f"prod/one/web {MAP.full()}: the live object is gone"),
    (remake, f"prod/one/web {MAP.full()}: now another object has this name"),
    (already, f"prod/one/web {MAP.full()}: no longer changes"),
]


@pytest.mark.parametrize(("hand", "line"), MOVED, ids=lambda row: getattr(row, "__name__", ""))
def test_a_hand_in_the_cluster_is_named(place, hand, line):
    before = dump(WANTED, place)
    hand(place)
    assert line in moved(before, WANTED, place)


def test_an_object_that_came_to_be_is_named(place):
    new = WANTED.but(
        {
            "models/web/map.yaml": WANTED.files["models/web/map.yaml"]
            + b"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n"
        }
    )
    before = dump(new, place)
    more = flow.key("ConfigMap", "ml-one", "more")
    place.cluster.acting_as("kubectl").create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "more", "namespace": "ml-one"},
        }
    )
    assert f"prod/one/web {more.full()}: exists now" in moved(before, new, place)


def test_drift_elsewhere_is_a_change_that_was_not_planned(place):
    before = dump(WANTED, place)
    place.cluster.server.delete(flow.key("Service", "ml-one", "web-v1"))
    assert "prod/one/web Service ml-one/web-v1: was not planned, and now changes" in moved(
        before, WANTED, place
    )


def test_a_foreign_owner_turns_a_go_into_a_hold(place):
    before = dump(WANTED, place)
    place.cluster.acting_as("other").apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "ml-one"},
            "data": {"a": "b"},
        },
        force=True,
    )
    assert moved(before, WANTED, place) != ()


def test_another_content_of_the_same_object_is_named(place):
    before = dump(WANTED, place)
    other = flow.pointing(WANTED, "v1", "  replicas: 4\n")
    assert moved(before, other, place) == (
        f"prod/one/web {WEB.full()}: its desired content changed",
        "prod/one/web: its set of objects changed",
    )


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"inputs": "j"}, "config files changed since the plan was made"),
        ({"policies": "q"}, "policies changed since the plan was made"),
    ],
)
def test_other_inputs_and_policies_are_named(place, more, line):
    assert moved(dump(WANTED, place), WANTED, place, **more) == (line,)


def test_another_revision_is_named(place):
    first = support.MemoryTree(WANTED.files, "aaaaaaa", "a" * 40)
    second = support.MemoryTree(WANTED.files, "bbbbbbb", "b" * 40)
    assert moved(dump(first, place), second, place) == ("the plan was made from aaaaaaa",)


def test_another_cluster_is_named_and_nothing_else(place):
    other = flow.world(name="second")
    flow.settled(TREE, other)
    before = dump(WANTED, place)
    assert moved(before, WANTED, other) == ("the plan was made for another cluster (embedded)",)


def test_a_plan_that_was_carried_out_meanwhile_has_nothing_to_do(place):
    before = dump(WANTED, place)
    flow.settled(WANTED, place)
    assert moved(before, WANTED, place) == (
        "prod/one/web: changes were planned, and now there are none",
    )


def test_new_drift_in_an_app_that_was_in_sync_is_named(place):
    before = dump(TREE, place)
    edit(place)
    assert moved(before, TREE, place) == ("prod/one/web: was in sync and now has changes",)


def rolling(place, version="v2"):
    tree = flow.pointing(TREE, version)
    flow.run(tree, place)
    flow.minutes(place, 1)
    return tree


def test_a_rollout_that_went_on_is_named(place):
    tree = rolling(place)
    before = dump(tree, place)
    assert "stepping" in before
    flow.run(tree, place)
    lines = moved(before, tree, place)
    assert lines == ("prod/one/web: changes were planned, and now there are none",)
    flow.minutes(place, 11)
    (first, *_) = [line for line in moved(before, tree, place) if "rollout" in line]
    assert first == (
        "prod/one/web: the rollout changed: stepping (v1 90 %, v2 10 %) was planned, now it is "
        "stepping (v1 50 %, v2 50 %)"
    )


def test_a_pause_that_became_due_is_named(place):
    tree = rolling(place)
    flow.run(tree, place)
    before = dump(tree, place)
    flow.minutes(place, 5)
    assert moved(before, tree, place) == ()
    flow.minutes(place, 6)
    assert moved(before, tree, place) == ("prod/one/web: was in sync and now has changes",)


def test_the_minute_in_which_a_step_is_taken_is_no_difference(place):
    tree = rolling(place)
    before = dump(tree, place)
    flow.minutes(place, 3)
    assert moved(before, tree, place) == ()


def test_a_state_changed_by_another_run_is_named(place):
    tree = rolling(place)
    before = dump(tree, place)
    state = ObjectKey("", "ConfigMap", "ml-reconciler", "prod.one.web.rollout")
    place.cluster.edit(state, lambda body: body["data"].update(note="x"), "reconciler")
    assert any("the rollout changed" in line for line in moved(before, tree, place))


def test_a_refused_prune_is_in_the_file_and_its_approval_is_a_difference(place):
    tombstone = TREE.but(
        {
            "environments/prod/one/group.yaml": (
                "group: {namespace: ml-one, serviceAccount: models, state: absent}\n"
            )
        }
    )
    before = dump(tombstone, place)
    assert '"held"' in before
    (refusal,) = set(flow.plan_of(tombstone, place).refusals)
    lines = moved(before, tombstone, place, approved=[refusal.approval])
    assert f"prod/one/web {WEB.full()}: was planned as held, and now it is go" in lines
