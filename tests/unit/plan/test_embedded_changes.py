"""What changes inside an object that another one holds as text."""

import json

import pytest

from reconciler.backends.embedded_text import embed_texts
from reconciler.objects.draft import Draft, Embedded, seal, show_path
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.origin import Origin, Site, Value
from reconciler.plan import compare
from reconciler.plan.change import Action, Change

CARRIER = ObjectKey("argoproj.io", "WorkflowTemplate", "ml", "train")
PATH = ("spec", "env", 0, "value")


def line(number, value=None):
    return Origin(Site("model.yaml", number, 1), "model", "set", value)


def job(name, replicas, **env):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "replicas": Value(replicas, line(replicas)),
            "env": [{"name": k, "value": Value(v, line(99))} for k, v in env.items()],
        },
    }


def draft(*jobs):
    variables = [
        {
            "name": tree["metadata"]["name"],
            "value": Embedded(
                "x",
                Draft(ObjectKey("batch", "Job", "ml", tree["metadata"]["name"]), "v1", tree, "r"),
            ),
        }
        for tree in jobs
    ]
    return Draft(CARRIER, "argoproj.io/v1alpha1", {"spec": {"env": variables}}, "argo")


def changes(before, *jobs):
    desired = seal(draft(*jobs))
    return compare.compare_bodies(before, desired.body, desired)


def told(fields):
    return [
        (
            show_path(f.path),
            f.inside and f"{f.inside.key} {show_path(f.inside.path)}",
            f.before,
            f.after,
            f.origin and f.origin.site.line,
        )
        for f in fields
    ]


def test_a_field_of_a_job_has_its_own_line_and_not_that_of_another_job():
    before = seal(draft(job("a", 3), job("b", 3))).body
    found = changes(before, job("a", 3), job("b", 7))
    assert told(found) == [("spec.env[1].value", "Job/b spec.replicas", 3, 7, 7)]


@pytest.mark.parametrize("live", ["", "no JSON", "[1]", "{", 7, None])
def test_a_live_text_that_is_no_object_is_one_change_of_the_whole_text(live):
    before = seal(draft(job("a", 3))).body
    before["spec"]["env"][0]["value"] = live
    (field,) = changes(before, job("a", 3))
    assert (field.path, field.inside, field.before) == (PATH, None, live)
    assert json.loads(field.after)["spec"]["replicas"] == 3
    assert {site.line for site in field.origin.sites()} == {3}


def test_a_text_that_is_only_spelled_otherwise_is_one_change_of_the_whole_text():
    before = seal(draft(job("a", 3))).body
    before["spec"]["env"][0]["value"] = json.dumps(json.loads(before["spec"]["env"][0]["value"]))
    (field,) = changes(before, job("a", 3))
    assert (field.path, field.inside) == (PATH, None)


def test_the_lines_are_found_where_the_server_puts_a_variable_ahead():
    desired = seal(draft(job("a", 7)))
    other = {"name": "INJECTED", "value": "x"}
    before, after = (
        {"spec": {"env": [other, *seal(draft(job("a", n))).body["spec"]["env"]]}} for n in (3, 7)
    )
    found = compare.compare_bodies(before, after, desired)
    assert told(found) == [("spec.env[1].value", "Job/a spec.replicas", 3, 7, 7)]


def test_the_body_of_a_change_s_field_is_that_of_the_embedded_object():
    before = seal(draft(job("a", 3, TOKEN="old"))).body
    desired = seal(draft(job("a", 3, TOKEN="new")))
    (field,) = compare.compare_bodies(before, desired.body, desired)
    change = Change(CARRIER, "v1", Action.UPDATE, Wave.CONFIG, fields=(field,), desired=desired)
    assert field.own_path == ("spec", "env", 0, "value")
    assert change.body_of(field)["spec"]["env"][0] == {"name": "TOKEN", "value": "new"}


def test_a_job_that_a_user_wrote_by_hand_is_compared_inside_too():
    def written(replicas):
        body = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "a"},
            "spec": {"replicas": replicas},
        }
        tree = {"spec": {"manifest": Value(json.dumps(body), line(4))}}
        return seal(embed_texts(Draft(CARRIER, "argoproj.io/v1alpha1", tree, "plain manifest")))

    found = compare.compare_bodies(written(3).body, written(7).body, written(7))
    assert told(found) == [("spec.manifest", "Job/a spec.replicas", 3, 7, 4)]
