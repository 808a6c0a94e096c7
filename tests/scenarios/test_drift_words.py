"""Drift is called drift, wherever a difference is told."""

import json

import pytest

from reconciler.engine.views.reviews import plan_report
from reconciler.objects.key import ObjectKey
from reconciler.output.format import Options, format_named
from reconciler.plan.change import Action
from tests import flow, support
from tests.looping import Place

WEB = ObjectKey("apps", "Deployment", "ml-one", "web-v1")
ROUTE = ObjectKey("gateway.networking.k8s.io", "HTTPRoute", "ml-one", "web")


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(flow.ROUTED, made)
    return made


def remove(place, key=WEB):
    place.cluster.delete(key, uid=place.cluster.get(key).uid)


def edit(place):
    place.cluster.edit(WEB, lambda body: body["spec"].update(replicas=7))


def change_of(place, tree=flow.ROUTED, key=WEB):
    return next(c for c in flow.plan_of(tree, place).changes() if c.key == key)


def shown(place, name, tree=flow.ROUTED):
    reviewed = support.reviewed(tree, place.cluster, place.clock.now())
    return format_named(name).render(plan_report(reviewed), Options())


def test_an_object_that_is_gone_from_the_cluster_is_drift_and_not_new_in_git(place):
    remove(place)
    found = change_of(place)
    assert (found.action, found.drifts) == (Action.CREATE, True)
    assert found.reasons[0].text == "drift: applied, and gone from the cluster since"
    assert found.reasons[0].origin is not None


def test_a_field_that_another_changed_is_drift_and_says_who(place):
    edit(place)
    found = change_of(place)
    assert (found.action, found.drifts) == (Action.UPDATE, True)
    text = "drift: changed in the cluster by kubectl-edit since it was applied"
    assert [reason.text for reason in found.reasons] == [text]


def test_what_git_changes_is_no_drift_also_where_another_changed_it_too(place):
    edit(place)
    tree = flow.ROUTED.but({"environments/prod/one/web.yaml": "serving: {replicas: 3}\n"})
    assert not change_of(place, tree).drifts
    remove(place)
    assert change_of(place, tree).reasons[0].text == "new in Git"


def test_what_was_never_applied_is_new_in_git():
    place = flow.world()
    plan = flow.plan_of(flow.ROUTED, place)
    assert not any(change.drifts for change in plan.changes())
    assert plan.drifted == 0


@pytest.mark.parametrize("name", ["text", "markdown"])
def test_texts_and_comments_call_drift_by_its_name(place, name):
    remove(place)
    text = shown(place, name)
    assert "drift: applied, and gone from the cluster since" in text
    assert "new in Git" not in text


def test_drift_is_counted_in_the_last_line_and_in_the_data(place):
    remove(place)
    assert "1 to create, drift of 1 object among these." in shown(place, "text")
    plan = json.loads(shown(place, "json"))["plan"]
    assert plan["drifted"] == 1
    (changed,) = [c for app in plan["apps"] for wave in app["waves"] for c in wave]
    assert changed["drift"] is True


def test_a_run_says_that_it_corrected_drift(place):
    edit(place)
    report = flow.run(flow.ROUTED, place)
    assert "drift of 1 object corrected" in report.closing[0]


def test_a_new_object_cites_the_line_that_it_comes_from_and_no_label_s():
    plan = flow.plan_of(support.sample(), flow.world())
    lines = support.sample().files
    for change in plan.changes():
        origin = change.reasons[0].origin
        if change.action is not Action.CREATE or origin is None:
            continue
        text = bytes(lines[origin.site.file]).decode().splitlines()[origin.site.line - 1]
        assert "part-of" not in text, (change.key, origin.site)
    assert plan


def test_requests_are_counted_per_pass_and_not_since_the_process_began():
    place = Place(support.small())
    loop = place.runner()
    place.steps(loop, 4)
    counts = []
    for _ in range(3):
        before = loop.cluster.requests
        plan = support.reviewed(place.repo.tree, loop.cluster, place.clock.now()).plan
        assert plan.requests == loop.cluster.requests - before
        counts.append(plan.requests)
    assert len(set(counts)) == 1
