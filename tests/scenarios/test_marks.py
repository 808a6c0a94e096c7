"""What people say of single objects: shared fields, replaces, adoption by uid, marks on the live
object, suspended apps."""

import contextlib

import pytest

from reconciler.objects.key import ObjectKey, key_of
from reconciler.plan.change import Action, Standing
from reconciler.unit import UnitId
from tests import flow, support

DEPLOYMENT = flow.key("Deployment", "ml-one", "extra")
MAP = flow.key("ConfigMap", "ml-one", "map")
_POD = "{containers: [{name: c, image: 'i:1'}]}"


def deployment(*, annotations="{}", replicas="2", app="extra", more=""):
    return (
        "apiVersion: apps/v1\nkind: Deployment\n"
        f"metadata: {{name: extra, annotations: {annotations}}}\n"
        f"spec:\n  replicas: {replicas}\n"
        f"  selector: {{matchLabels: {{app: {app}}}}}\n"
        f"  template: {{metadata: {{labels: {{app: {app}}}}}, spec: {_POD}}}\n{more}"
    )


def tree(text, **files):
    listed = {"environments/prod/one/web.yaml": "manifests: [extra.yaml]\n"}
    return support.small(**listed, **{"models/web/extra.yaml": text}, **files)


def config_map(annotations="{}", data="{a: one}"):
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: map, annotations: {annotations}}}\n"
        f"data: {data}\n"
    )


@pytest.fixture
def place():
    made = flow.world()
    yield made
    made.close()


def only(plan, key):
    return next(change for change in plan.changes() if change.key == key)


def reasons(change):
    return [reason.text for reason in change.reasons]


def scaled_to(place, count, manager="kube-controller-manager"):
    place.cluster.edit(DEPLOYMENT, lambda body: body["spec"].update(replicas=count), manager)


HPA = (
    "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: extra}\n"
    "spec:\n  minReplicas: 2\n  maxReplicas: 9\n"
    "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: extra}\n"
)


@pytest.mark.parametrize(
    "text",
    [
        deployment(annotations="{ml-reconciler.dev/shared-fields: spec.replicas}"),
        deployment() + HPA,
    ],
    ids=["declared", "by an autoscaler of the same app"],
)
def test_a_shared_field_is_set_once_and_then_left_to_who_took_it(place, text):
    flow.settled(tree(text), place)
    assert flow.live(place, "Deployment", "ml-one", "extra")["spec"]["replicas"] == 2
    scaled_to(place, 7)
    flow.quiet(tree(text), place)
    changed = text.replace("'i:1'", "'i:2'").replace("replicas: 2", "replicas: 3")
    flow.settled(tree(changed), place)
    live = flow.live(place, "Deployment", "ml-one", "extra")
    assert live["spec"]["replicas"] == 7
    assert live["spec"]["template"]["spec"]["containers"][0]["image"] == "i:2"


SCALER = ObjectKey("autoscaling", "HorizontalPodAutoscaler", "ml-one", "web")
FOLLOWING = (
    "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
    "spec:\n  minReplicas: 2\n  maxReplicas: 9\n  scaleTargetRef: {apiVersion: apps/v1, "
    'kind: Deployment, name: "web-${{ app.serving.version }}"}\n'
)


def test_the_version_that_an_autoscaler_leaves_in_a_rollout_keeps_its_replicas(place):
    own = "manifests: [{file: scale.yaml, where: serving}]\n"
    files = {"environments/prod/one/web.yaml": own, "models/web/scale.yaml": FOLLOWING}
    start = flow.pointing(flow.ROUTED.but(files), "v1")
    flow.settled(start, place)
    old = flow.key("Deployment", "ml-one", "web-v1")
    place.cluster.edit(old, lambda body: body["spec"].update(replicas=7), "kube-controller-manager")
    flow.quiet(start, place)
    promoted = flow.pointing(flow.ROUTED.but(files), "v2")
    plan = flow.plan_of(promoted, place)
    assert [c.key for c in plan.changes() if c.standing is Standing.HELD] == []
    flow.run(promoted, place)
    scaler = place.cluster.get(SCALER).body
    assert scaler["spec"]["scaleTargetRef"]["name"] == "web-v2"
    assert flow.live(place, "Deployment", "ml-one", "web-v1")["spec"]["replicas"] == 7


def test_a_field_that_is_not_shared_is_never_fought_over(place):
    flow.settled(tree(deployment()), place)
    scaled_to(place, 7)
    change = only(flow.plan_of(tree(deployment()), place), DEPLOYMENT)
    assert change.standing is Standing.HELD
    assert "kube-controller-manager owns .spec.replicas" in reasons(change)[0]


def test_an_immutable_field_holds_the_object_and_says_what_would_make_it_go(place):
    flow.settled(tree(deployment()), place)
    change = only(flow.plan_of(tree(deployment(app="other")), place), DEPLOYMENT)
    assert (change.action, change.standing) == (Action.UPDATE, Standing.HELD)
    assert "ml-reconciler.dev/replace: enabled" in reasons(change)[0]
    before = flow.live(place, "Deployment", "ml-one", "extra")["metadata"]["uid"]
    flow.run(tree(deployment(app="other")), place)
    assert flow.live(place, "Deployment", "ml-one", "extra")["metadata"]["uid"] == before


ANEW = deployment(app="other", annotations="{ml-reconciler.dev/replace: enabled}")


def test_a_declared_replace_is_planned_shown_and_done_once(place):
    flow.settled(tree(deployment()), place)
    old = flow.live(place, "Deployment", "ml-one", "extra")["metadata"]["uid"]
    change = only(flow.plan_of(tree(ANEW), place), DEPLOYMENT)
    assert (change.action, change.standing) == (Action.REPLACE, Standing.GO)
    assert "cannot be changed in place: deleted and made anew" in reasons(change)[0]
    assert "spec.selector.matchLabels.app" in {".".join(map(str, f.path)) for f in change.fields}
    ledger = flow.Ledger(place)
    flow.settled(tree(ANEW), place)
    live = flow.live(place, "Deployment", "ml-one", "extra")
    assert live["metadata"]["uid"] != old
    assert live["spec"]["selector"]["matchLabels"] == {"app": "other"}
    assert ledger.counts[("deleted", DEPLOYMENT.full())] == 1
    assert ledger.counts[("created", DEPLOYMENT.full())] == 1


def test_a_replace_is_called_that_in_plan_summary_counts_and_json(place):
    from reconciler.engine.views.reviews import plan_report
    from reconciler.output.format import Options
    from reconciler.output.formats import json as json_format

    flow.settled(tree(deployment()), place)
    seen = support.reviewed(tree(ANEW), place.cluster, place.clock.now())
    assert "1 to delete and make anew" in plan_report(seen).closing[0]
    assert seen.plan.counts()[Action.REPLACE] == 1
    report = flow.run(tree(ANEW), place)
    assert "1 deleted and made anew" in report.closing[0]
    assert "created" not in report.closing[0]
    assert '"verb": "replaced"' in json_format.FORMAT.render(report.report, Options())


def test_a_replace_that_the_server_would_not_take_deletes_nothing(place):
    flow.settled(tree(deployment()), place)
    bad = ANEW.replace("name: c, image", "name: BAD_NAME, image")
    change = only(flow.plan_of(tree(bad), place), DEPLOYMENT)
    assert change.standing is Standing.HELD
    flow.run(tree(bad), place)
    assert ("delete", DEPLOYMENT.full()) not in place.cluster.log


def test_a_kill_anywhere_in_a_replace_ends_with_the_new_object(place):
    for number in range(1, 14):
        world = flow.world()
        flow.settled(tree(deployment()), world)
        with contextlib.suppress(flow.Killed):
            flow.run(tree(ANEW), world, before=flow.after_effect(number))
        flow.settled(tree(ANEW), world)
        live = flow.live(world, "Deployment", "ml-one", "extra")
        assert live["spec"]["selector"]["matchLabels"] == {"app": "other"}
        assert flow.orphans(world) == set()
        world.close()


def test_a_live_object_marked_against_pruning_is_kept(place):
    kept = config_map("{ml-reconciler.dev/prune: disabled}")
    flow.settled(tree(kept), place)
    gone = tree(kept).but({"environments/prod/one/web.yaml": ""})
    change = only(flow.plan_of(gone, place), MAP)
    assert (change.action, change.standing) == (Action.KEEP, Standing.HELD)
    assert "kept: ml-reconciler.dev/prune is disabled on it" in reasons(change)[0]
    assert flow.run(gone, place).exit_code == 0
    assert flow.live(place, "ConfigMap", "ml-one", "map")


def annotated(place, **annotations):
    def edit(body):
        body["metadata"].setdefault("annotations", {}).update(
            {f"ml-reconciler.dev/{k}": v for k, v in annotations.items()}
        )

    place.cluster.edit(MAP, edit)


def test_a_live_object_marked_to_be_left_alone_is_not_written(place):
    flow.settled(tree(config_map()), place)
    annotated(place, reconcile="disabled")
    wanted = tree(config_map(data="{a: two}"))
    change = only(flow.plan_of(wanted, place), MAP)
    assert change.action is Action.KEEP
    assert flow.run(wanted, place).exit_code == 0
    assert flow.live(place, "ConfigMap", "ml-one", "map")["data"] == {"a": "one"}
    annotated(place, reconcile="enabled")
    flow.settled(wanted, place)
    assert flow.live(place, "ConfigMap", "ml-one", "map")["data"] == {"a": "two"}


# -- adoption --------------------------------------------------------------------------------------


def made_by(place, manager):
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "map", "namespace": "ml-one"},
        "data": {"a": "theirs", "b": "kept"},
    }
    place.cluster.acting_as(manager).apply(body)
    return place.cluster.server.get(key_of(body))["metadata"]["uid"]


def test_what_another_made_is_adopted_where_git_names_its_uid_and_recorded(place):
    flow.settled(support.small(), place)
    uid = made_by(place, "terraform")
    change = only(flow.plan_of(tree(config_map()), place), MAP)
    assert change.standing is Standing.HELD
    assert f"ml-reconciler.dev/adopt: {uid} would adopt it" in reasons(change)[0]
    adopting = tree(config_map(f"{{ml-reconciler.dev/adopt: {uid}}}"))
    change = only(flow.plan_of(adopting, place), MAP)
    assert (change.standing, change.takes_over) == (Standing.GO, ("terraform",))
    flow.settled(adopting, place)
    live = flow.live(place, "ConfigMap", "ml-one", "map")
    assert live["metadata"]["uid"] == uid
    assert live["data"] == {"a": "one", "b": "kept"}
    assert MAP in {m.key for found in flow.recorded(place).values() for m in found.members}

    place.cluster.server.delete(MAP)
    made_by(place, "terraform")
    change = only(flow.plan_of(adopting, place), MAP)
    assert change.standing is Standing.HELD
    assert "is not the one to adopt" in reasons(change)[0]


def test_what_another_tool_marks_as_its_own_is_not_adopted_by_uid_either(place):
    flow.settled(support.small(), place)
    uid = made_by(place, "helm")
    place.cluster.edit(
        MAP, lambda b: b["metadata"].update(annotations={"meta.helm.sh/release-name": "r"}), "helm"
    )
    adopting = tree(config_map(f"{{ml-reconciler.dev/adopt: {uid}}}"))
    change = only(flow.plan_of(adopting, place), MAP)
    assert change.standing is Standing.HELD
    assert "it belongs to Helm" in reasons(change)[0]


# -- suspended apps --------------------------------------------------------------------------------


def test_a_suspended_app_is_compared_and_shown_and_never_written(place):
    flow.settled(tree(config_map()), place)
    changed = tree(
        config_map(data="{a: two}"),
        **{"environments/prod/web.yaml": ('serving:\n  version: "v2"\nsuspend: true\n')},
    )
    plan = flow.plan_of(changed, place)
    app = next(a for a in plan.apps if a.unit == UnitId.parse("prod/one/web"))
    assert app.suspended
    assert list(app.changes())
    assert not plan.has_changes
    start = len(place.cluster.log)
    assert flow.run(changed, place).exit_code == 0
    assert flow.writes(place, start) == []
    flow.settled(
        changed.but({"environments/prod/web.yaml": 'serving:\n  version: "v2"\n'}), place, runs=6
    )
    assert flow.live(place, "ConfigMap", "ml-one", "map")["data"] == {"a": "two"}


# -- a namespace is never deleted with what is not ours --------------------------------------------

STRANGER = flow.key("ConfigMap", "ml-one", "theirs")


def emptied(files):
    return files.but(
        {
            "environments/prod/one/group.yaml": (
                "group: {namespace: ml-one, serviceAccount: models, state: absent}\n"
            )
        }
    )


def allowed(place, files):
    """The hash that approves the deletes of this plan."""
    plan = flow.plan_of(files, place)
    return tuple(r.approval for r in plan.refusals if r.approval)


def stranger(place):
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": "ml-one"},
    }
    place.cluster.acting_as("a-tenant").apply(body)


def test_a_namespace_that_holds_what_is_not_ours_is_kept_and_the_plan_names_it(place):
    flow.settled(support.small(), place)
    stranger(place)
    gone = emptied(support.small())
    for _ in range(3):
        flow.run(gone, place, approved=allowed(place, gone))
    space = flow.key("Namespace", "", "ml-one")
    assert place.cluster.server.get(space)
    assert place.cluster.server.get(STRANGER)
    change = only(flow.plan_of(gone, place), space)
    assert change.standing is Standing.HELD
    assert "kept: it holds ConfigMap/theirs, not this program's to delete" in reasons(change)
    place.cluster.server.delete(STRANGER)
    for _ in range(3):
        flow.run(gone, place, approved=allowed(place, gone))
    assert place.cluster.server.get(space) is None


def test_it_is_kept_too_when_the_stranger_came_after_the_plan(place):
    from reconciler.apply.effect import FindStrangers

    flow.settled(support.small(), place)
    gone = emptied(support.small())

    def came(effect):
        if isinstance(effect, FindStrangers):
            stranger(place)

    for _ in range(3):
        flow.run(gone, place, approved=allowed(place, gone), before=came)
    assert place.cluster.server.get(flow.key("Namespace", "", "ml-one"))
    assert place.cluster.server.get(STRANGER)


# -- ownership that was lost ---------------------------------------------------------------------------


def _disown(place, key):
    place.cluster.edit(key, lambda found: found["metadata"].update(managedFields=[{}]))


def test_ownership_is_taken_again_when_somebody_emptied_managed_fields():
    from reconciler.plan import conflicts

    place = flow.world()
    flow.settled(flow.ROUTED, place)
    for named in ("Deployment", "Service", "HTTPRoute"):
        name = "web" if named == "HTTPRoute" else "web-v1"
        key = flow.key(named, "ml-one", name)
        _disown(place, key)
        (change,) = flow.plan_of(flow.ROUTED, place).changes()
        assert (change.key, change.action, change.fields) == (key, "update", ())
        assert "ownership is taken again" in change.reasons[0].text
        start = len(place.cluster.log)
        assert flow.run(flow.ROUTED, place).exit_code == 0
        assert [t for v, t in flow.writes(place, start) if v == "apply"] == [key.full()]
        assert conflicts.is_ours(place.cluster.get(key))
        flow.quiet(flow.ROUTED, place)


def test_an_object_whose_managed_fields_were_emptied_is_still_deleted_when_git_drops_it():
    tree = flow.ROUTED.but(
        {
            "models/web/extra.yaml": (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {a: b}\n"
            ),
            "environments/prod/one/web.yaml": "manifests: [extra.yaml]\n",
        }
    )
    place = flow.world()
    flow.settled(tree, place)
    _disown(place, flow.key("ConfigMap", "ml-one", "limits"))
    flow.settled(flow.ROUTED, place)
    assert flow.live(place, "ConfigMap", "ml-one", "limits") is None
    assert flow.orphans(place) == set()


def test_a_value_that_was_changed_after_the_list_was_emptied_is_corrected_too():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    key = flow.key("Deployment", "ml-one", "web-v1")
    _disown(place, key)
    place.cluster.edit(key, lambda found: found["spec"].update(replicas=7))
    assert flow.run(flow.ROUTED, place).exit_code == 0
    assert flow.live(place, "Deployment", "ml-one", "web-v1")["spec"]["replicas"] == 1
    flow.settled(flow.ROUTED, place)


def test_what_another_tool_applies_since_is_not_taken_again():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    key = flow.key("Service", "ml-one", "web-v1")
    body = place.cluster.server.get(key)
    _disown(place, key)
    bare = {k: v for k, v in body.items() if k not in ("status",)}
    bare["metadata"] = {k: body["metadata"][k] for k in ("name", "namespace", "labels")}
    outcome = place.cluster.acting_as("helm").apply(bare, force=True)
    assert outcome.verb == "updated", outcome
    for change in flow.plan_of(flow.ROUTED, place).changes():
        assert "ownership is taken again" not in change.reasons[0].text


# -- objects that run once and are removed after their end ----------------------------------------------

_JOB = (
    "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\n"
    "spec:\n  ttlSecondsAfterFinished: 60\n"
    "  template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'IMAGE'}]}}\n"
)
_ONCE = flow.key("Job", "ml-one", "once")


def _vanish(place, key):
    place.cluster.server.delete(key)


def test_a_job_that_its_time_to_live_removed_is_not_made_again():
    first, second = (tree(_JOB.replace("IMAGE", image)) for image in ("i:1", "i:2"))
    place = flow.world()
    for _ in range(4):
        flow.run(first, place)
        if place.cluster.server.get(_ONCE) is None:
            break
        flow.minutes(place, 5)
    if place.cluster.server.get(_ONCE) is not None:
        _vanish(place, _ONCE)
    for _ in range(3):
        flow.run(first, place)
        flow.minutes(place, 5)
        assert place.cluster.server.get(_ONCE) is None
    flow.quiet(first, place)
    assert list(flow.plan_of(first, place).changes()) == []
    assert flow.recorded(place)["prod/one/web"].find(_ONCE) is not None
    flow.run(second, place)  # its manifest changed: it runs once more
    assert place.cluster.server.get(_ONCE) is not None


def test_a_job_without_a_time_to_live_is_made_again_when_somebody_deletes_it():
    plain = tree(_JOB.replace("  ttlSecondsAfterFinished: 60\n", "").replace("IMAGE", "i:1"))
    place = flow.world()
    flow.run(plain, place)
    _vanish(place, _ONCE)
    flow.run(plain, place)
    assert place.cluster.server.get(_ONCE) is not None


def test_a_done_job_leaves_the_inventory_when_git_drops_it():
    place = flow.world()
    first = tree(_JOB.replace("IMAGE", "i:1"))
    flow.run(first, place)
    flow.minutes(place, 5)
    if place.cluster.server.get(_ONCE) is not None:
        _vanish(place, _ONCE)
    flow.run(first, place)
    flow.settled(flow.ROUTED.but({"environments/prod/one/web.yaml": ""}), place)
    assert flow.recorded(place)["prod/one/web"].find(_ONCE) is None
