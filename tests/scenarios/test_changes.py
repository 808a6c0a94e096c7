"""What a plan says of each object: what would change, from which line, and what is held and why."""

import pytest

from reconciler.objects.draft import seal, walk
from reconciler.objects.outcome import RefusalCause
from reconciler.simulation.cluster import RequestLost
from tests import flow, support

MORE = {
    "environments/prod/one/web.yaml": "manifests: [map.yaml]\n",
    "models/web/map.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b, c: d}\n"
    ),
}
TREE = flow.ROUTED.but(MORE)
MAP = flow.key("ConfigMap", "ml-one", "settings")


def mapped(text):
    return TREE.but(
        {
            "models/web/map.yaml": (
                f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {text}\n"
            )
        }
    )


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(TREE, made)
    return made


def change_of(plan, key):
    return next((c for c in plan.changes() if c.key == key), None)


def reasons(change):
    return [reason.text for reason in change.reasons]


# -- fields and their lines ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample_world():
    made = flow.world()
    flow.settled(support.sample(), made)
    yield made
    made.close()


LINES = [
    ("computer-vision", "resources: {cpu: 2, memory: 4Gi}", "resources: {cpu: 2, memory: 5Gi}"),
    ("computer-vision", "resources: {cpu: 2, memory: 4Gi}", "resources: {cpu: 3, memory: 4Gi}"),
    ("computer-vision", "deadline: 4h", "deadline: 5h"),
    (
        "computer-vision",
        "resources: {cpu: 4, memory: 8Gi, gpu: 1}",
        "resources: {cpu: 4, memory: 8Gi, gpu: 2}",
    ),
    ("computer-vision", "framework: tensorflow", "framework: sklearn"),
    ("computer-vision", "progressDeadline: 20m", "progressDeadline: 30m"),
    ("recommendation", "port: 8080", "port: 8081"),
    ("recommendation", "probe: {path: /healthz}", "probe: {path: /ready}"),
    ("recommendation", "sharedMemory: 8Gi", "sharedMemory: 9Gi"),
    ("recommendation", "deadline: 20h", "deadline: 21h"),
    ("recommendation", "resources: {cpu: 8, memory: 16Gi}", "resources: {cpu: 8, memory: 17Gi}"),
]


def leaves(tree):
    """object → path → value of everything that is drawn; versions as the cluster serves them."""
    out = {}
    for (_, key), draft in support.drawn(tree).items():
        out[key] = dict(walk(seal(draft).body))
    return out


def sites(origin):
    yield origin.site
    for link in origin.through:
        yield from sites(link)


@pytest.mark.parametrize(("file", "old", "new"), LINES, ids=[f"{f} {n}" for f, _, n in LINES])
def test_a_changed_line_shows_exactly_the_objects_and_fields_that_it_reaches(
    sample_world, file, old, new
):
    tree = support.sample()
    path = f"environments/types/{file}.yaml"
    text = tree.files[path].decode()
    line = text[: text.index(old)].count("\n") + 1
    changed = tree.but({path: text.replace(old, new)})
    before, after = leaves(tree), leaves(changed)
    expected = {
        (key, leaf)
        for key in before.keys() & after.keys()
        for leaf in before[key].keys() | after[key].keys()
        if before[key].get(leaf) != after[key].get(leaf)
        # The route keeps its backends until those that take their place are ready.
        and not (key.kind == "HTTPRoute" and leaf[-1] == "name")
    }
    plan = flow.plan_of(changed, sample_world)
    updates = [c for c in plan.changes() if c.action == "update"]
    found = {(c.key, field.path) for c in updates for field in c.fields}
    # An element of a list that gives way to another of another name is one change.
    whole = {(key, leaf[:n]) for key, leaf in expected for n in range(len(leaf) + 1)}
    assert found <= whole
    assert all(
        any((key, leaf[:n]) in found for n in range(len(leaf) + 1)) for key, leaf in expected
    )
    assert {c.key for c in plan.changes() if c.action == "create"} == after.keys() - before.keys()
    leaving = {c.key for c in plan.changes() if c.action in ("delete", "keep")}
    assert leaving == before.keys() - after.keys()
    for change in updates:
        for field in change.fields:
            if field.removed:
                continue
            assert field.origin is not None, (change.key, field.path)
            assert (path, line) in {(s.file, s.line) for s in sites(field.origin)}, field


def test_a_field_taken_out_of_git_says_so(place):
    change = change_of(flow.plan_of(mapped("{a: b}"), place), MAP)
    (field,) = change.fields
    assert (field.path, field.before, field.removed) == (("data", "c"), "d", True)
    assert reasons(change) == ["no longer in Git"]


def test_a_new_object_names_the_line_that_made_it():
    change = change_of(flow.plan_of(TREE, flow.world()), MAP)
    assert (change.action, change.wave) == ("create", 2)
    (text, origin), *_ = [(r.text, r.origin) for r in change.reasons]
    assert text == "new in Git"
    assert (origin.site.file, origin.site.line) == ("models/web/map.yaml", 3)


def test_an_edit_by_hand_is_put_back_and_shown_as_taken_over(place):
    place.cluster.edit(MAP, lambda body: body["data"].update(a="x"))
    change = change_of(flow.plan_of(TREE, place), MAP)
    assert change.goes
    assert change.takes_over == ("kubectl-edit",)
    assert [(f.before, f.after) for f in change.fields] == [("x", "b")]
    flow.settled(TREE, place)
    assert place.cluster.server.get(MAP)["data"] == {"a": "b", "c": "d"}


def test_a_field_added_by_hand_is_not_ours_and_no_difference(place):
    place.cluster.edit(MAP, lambda body: body["data"].update(other="x"))
    flow.quiet(TREE, place)


# -- whose object it is ----------------------------------------------------------------------------------


def made_by(place, manager, **metadata):
    """The map exists already, as that manager made it."""
    place.cluster.acting_as(manager).create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings", "namespace": "ml-one", **metadata},
            "data": {"a": "theirs"},
        }
    )


@pytest.fixture
def before_map():
    made = flow.world()
    flow.settled(flow.ROUTED, made)
    return made


@pytest.mark.parametrize("manager", ["kubectl", "kubectl-client-side-apply", "kubectl-create"])
def test_what_people_made_with_kubectl_is_adopted_by_its_fields(before_map, manager):
    made_by(before_map, manager)
    uid = before_map.cluster.server.get(MAP)["metadata"]["uid"]
    change = change_of(flow.plan_of(TREE, before_map), MAP)
    assert (change.action, change.goes, change.takes_over) == ("update", True, (manager,))
    assert reasons(change) == ["exists, made by kubectl: adopted"]
    flow.settled(TREE, before_map)
    body = before_map.cluster.server.get(MAP)
    assert (body["metadata"]["uid"], body["data"]) == (uid, {"a": "b", "c": "d"})
    flow.quiet(TREE, before_map)


def test_an_adoption_killed_before_its_apply_is_done_by_the_next_run(before_map):
    made_by(before_map, "kubectl")
    number = 0
    while True:
        place = flow.world()
        flow.settled(flow.ROUTED, place)
        made_by(place, "kubectl")
        try:
            flow.run(TREE, place, before=flow.after_effect(number))
            break
        except flow.Killed:
            flow.settled(TREE, place)
        assert place.cluster.server.get(MAP)["data"] == {"a": "b", "c": "d"}
        number += 1
    assert number >= 3


FOREIGN = [
    ({"manager": "helm"}, "it is managed by helm"),
    (
        {"manager": "kubectl", "annotations": {"meta.helm.sh/release-name": "x"}},
        "it belongs to Helm",
    ),
    (
        {"manager": "kubectl", "labels": {"argocd.argoproj.io/instance": "x"}},
        "it belongs to Argo CD",
    ),
    (
        {"manager": "kubectl", "labels": {"kustomize.toolkit.fluxcd.io/name": "x"}},
        "it belongs to Flux",
    ),
    (
        {"manager": "kubectl", "labels": {"applyset.kubernetes.io/part-of": "applyset-x-v1"}},
        "it is part of another ApplySet",
    ),
    (
        {
            "manager": "kubectl",
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": "x", "uid": "1", "controller": True}
            ],
        },
        "it belongs to Service/x",
    ),
]


def held(tree, place, key, text):
    change = change_of(flow.plan_of(tree, place), key)
    assert change.standing == "held"
    assert text in reasons(change)[0], reasons(change)
    body = place.cluster.server.get(key)
    for _ in range(3):
        report = flow.run(tree, place)
        assert report.exit_code == 4
        assert place.cluster.server.get(key) == body
    return report


@pytest.mark.parametrize(("made", "text"), FOREIGN, ids=[text for _, text in FOREIGN])
def test_a_foreign_object_of_the_name_is_held_and_never_written(before_map, made, text):
    made_by(before_map, **made)
    held(TREE, before_map, MAP, text)
    assert flow.recorded(before_map)["prod/one/web"].find(MAP) is None


def test_an_object_made_anew_by_someone_else_is_no_longer_ours(place):
    """Its name is recorded, its uid is not: writing to it needs its new owner's word."""
    place.cluster.server.delete(MAP)
    made_by(place, "helm")
    held(mapped("{a: b, c: e}"), place, MAP, "it is managed by helm")


def test_an_object_made_by_someone_else_after_a_killed_run_meant_to_is_not_ours(before_map):
    with pytest.raises(flow.Killed):
        flow.run(TREE, before_map, before=flow.after_effect(1))
    assert flow.recorded(before_map)["prod/one/web"].find(MAP).uid == ""
    made_by(before_map, "helm")
    held(TREE, before_map, MAP, "it is managed by helm")


def test_a_foreign_object_that_cannot_be_read_is_not_written(before_map):
    made_by(before_map, "helm", labels={})

    def before(verb, target):
        if verb == "get" and target == MAP.full():
            raise RequestLost(done=False)

    before_map.cluster.before = before
    assert flow.run(mapped("{z: new}"), before_map).exit_code == 6
    before_map.cluster.before = None
    assert before_map.cluster.server.get(MAP)["data"] == {"a": "theirs"}


def test_a_field_of_a_foreign_manager_is_held_and_the_manager_is_named(place):
    autoscaler = place.cluster.acting_as("autoscaler")
    target = flow.key("Deployment", "ml-one", "web-v1")
    autoscaler.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web-v1", "namespace": "ml-one"},
            "spec": {"replicas": 5},
        },
        force=True,
    )
    flow.minutes(place, 2)
    change = change_of(flow.plan_of(TREE, place), target)
    (why,) = reasons(change)
    assert (change.standing, why.partition(";")[0]) == ("held", "autoscaler owns .spec.replicas")
    held(TREE, place, target, "autoscaler owns .spec.replicas")
    assert place.cluster.server.get(target)["spec"]["replicas"] == 5


def test_a_field_of_another_is_taken_only_by_the_approval_that_was_printed_for_it(place):
    autoscaler = place.cluster.acting_as("autoscaler")
    target = flow.key("Deployment", "ml-one", "web-v1")
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web-v1", "namespace": "ml-one"},
        "spec": {"replicas": 5},
    }
    autoscaler.apply(body, force=True)
    flow.minutes(place, 2)
    (why,) = reasons(change_of(flow.plan_of(TREE, place), target))
    approval = why.rpartition(" ")[2]
    assert flow.run(TREE, place, approved=["0" * 12]).exit_code == 4
    change = change_of(flow.plan_of(TREE, place, approved=[approval]), target)
    assert (change.standing, change.takes_over) == ("go", ("autoscaler",))
    flow.settled(TREE, place, approved=[approval])
    assert place.cluster.server.get(target)["spec"]["replicas"] == 1
    # It was for this owner: another one is asked about anew.
    place.cluster.acting_as("somebody").apply(body, force=True)
    flow.minutes(place, 2)
    assert flow.run(TREE, place, approved=[approval]).exit_code == 4


def test_what_is_held_stays_held_when_other_things_go_on(place):
    """A later run must not take it for done."""
    place.cluster.acting_as("autoscaler").apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web-v1", "namespace": "ml-one"},
            "spec": {"replicas": 5},
        },
        force=True,
    )
    flow.minutes(place, 2)
    tree = mapped("{a: changed}")
    assert flow.run(tree, place).exit_code == 4
    assert place.cluster.server.get(MAP)["data"] == {"a": "changed"}
    for _ in range(3):
        assert flow.run(tree, place).exit_code == 4
        assert flow.results(flow.run(tree, place))["prod/one/web"].status == "incomplete"
    before = len(place.cluster.log)
    flow.run(tree, place)
    assert flow.writes(place, before) == []


def test_an_object_that_is_being_deleted_is_held_until_it_is_gone(place):
    place.cluster.edit(MAP, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
    place.cluster.server.delete(MAP)
    change = change_of(flow.plan_of(TREE, place), MAP)
    assert (change.standing, reasons(change)) == (
        "held",
        ["is being deleted; made again once it is gone"],
    )
    assert flow.run(TREE, place).exit_code == 6  # it waits; nobody needs to approve
    place.cluster.edit(MAP, lambda b: b["metadata"].pop("finalizers"))
    flow.settled(TREE, place)
    assert place.cluster.server.get(MAP)["data"] == {"a": "b", "c": "d"}


# -- what could not be asked -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [lambda: RequestLost(done=False), lambda: flow.refuse(RefusalCause.FORBIDDEN)],
    ids=["lost", "forbidden"],
)
@pytest.mark.parametrize(
    "kind", ["ConfigMap", "Deployment.apps", "Service", "HTTPRoute.gateway.networking.k8s.io"]
)
def test_a_kind_that_cannot_be_listed_is_not_judged(place, kind, fault):
    def before(verb, target):
        if verb == "list" and target == kind:
            raise fault()

    place.cluster.before = before
    tree = mapped("{a: changed}")
    plan = flow.plan_of(tree, place)
    assert plan.is_unjudged
    start = len(place.cluster.log)
    report = flow.run(tree, place)
    assert report.exit_code == 6
    assert flow.writes(place, start) == []
    assert "Not judged: prod/one/web" in report.closing[0]


@pytest.mark.parametrize(
    ("fault", "standing", "code"),
    [
        (lambda: RequestLost(done=False), "unjudged", 6),
        (lambda: flow.refuse(RefusalCause.TOO_MANY, "slow down"), "unjudged", 6),
        (lambda: flow.refuse(RefusalCause.FORBIDDEN, "not you"), "held", 4),
        (lambda: flow.refuse(RefusalCause.INVALID, "no such field"), "held", 4),
    ],
)
def test_a_dry_run_that_gave_no_answer_is_no_judgement_and_one_that_said_no_is(
    place, fault, standing, code
):
    def before(verb, target):
        if verb == "dry-run":
            raise fault()

    place.cluster.before = before
    tree = mapped("{a: changed}")
    assert change_of(flow.plan_of(tree, place), MAP).standing == standing
    start = len(place.cluster.log)
    assert flow.run(tree, place).exit_code == code
    assert flow.writes(place, start) == []


def test_the_programs_own_state_that_cannot_be_listed_ends_the_run():
    from reconciler.ports import ClusterUnreadable

    place = flow.world()
    place.cluster.before = _lost_list
    with pytest.raises(ClusterUnreadable):
        flow.run(TREE, place)
    assert flow.writes(place) == []


def _lost_list(verb, target):
    if verb == "list":
        raise RequestLost(done=False)


def test_a_namespace_that_is_neither_there_nor_ours_is_named():
    place = flow.world()
    tree = TREE.but(
        {
            "environments/prod/one/group.yaml": (
                "group: {namespace: ml-one, createNamespace: false}\n"
            )
        }
    )
    plan = flow.plan_of(tree, place)
    assert reasons(change_of(plan, MAP)) == ["the namespace ml-one does not exist"]
    assert flow.run(tree, place).exit_code == 4
    assert flow.writes(place) == []


def test_a_namespace_of_this_very_run_leaves_its_objects_unverified_and_goes_first():
    place = flow.world()
    change = change_of(flow.plan_of(TREE, place), MAP)
    assert reasons(change) == ["new in Git", "not verified yet: its namespace is made by this run"]
    flow.settled(TREE, place)


def test_a_kind_that_is_not_served_is_named_and_the_route_waits():
    place = flow.world(without=frozenset({"gateway.networking.k8s.io"}))
    plan = flow.plan_of(TREE, place)
    route = change_of(plan, flow.key("HTTPRoute", "ml-one", "web"))
    assert route.standing == "held"
    assert "does not serve HTTPRoute.gateway.networking.k8s.io" in reasons(route)[0]
    report = flow.run(TREE, place)
    assert report.exit_code == 4
    flow.settled(flow.ROUTED.but({**MORE, **flow.vision("  backend: deployment\n")}), place)


def test_apply_leaves_out_what_is_held_as_the_plan_says(place):
    from reconciler.engine import apply_plan

    place.cluster.server.delete(MAP)
    made_by(place, "helm")
    seen = support.reviewed(TREE, place.cluster, place.clock.now())
    start = len(place.cluster.log)
    report = support.Ran(apply_plan.apply(seen, place.cluster, place.clock, support.Silent()))
    assert report.exit_code == 4
    assert "Held: prod/one/web" in report.closing[0]
    # The record is brought up to date; no object is written.
    assert [t for _, t in flow.writes(place, start) if "ml-reconciler" not in t] == []


def test_a_takeover_from_what_the_cluster_does_not_have_is_warned_of_until_the_app_is_there():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    files = {
        "environments/prod/one/web.yaml": None,
        "environments/prod/uno/group.yaml": "group: {namespace: ml-uno, serviceAccount: models}\n",
        "environments/prod/uno/web.yaml": "moved: {from: prod/one/wbe}\n",
    }
    tree = flow.ROUTED.but(files)

    def told(of):
        found = support.reviewed(of, place.cluster, place.clock.now()).diagnostics
        return [d for d in found if d.code == "W_MOVED"]

    (warning,) = told(tree)
    assert "the cluster has nothing of prod/one/wbe" in warning.message
    assert warning.help == "did you mean 'prod/one/web'?"
    assert str(warning.site).startswith("environments/prod/uno/web.yaml:1")
    right = flow.ROUTED.but(
        {**files, "environments/prod/uno/web.yaml": "moved: {from: prod/one/web}\n"}
    )
    assert told(right) == []
    flow.settled(right, place)
    assert told(right) == []
