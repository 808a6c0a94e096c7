"""JSON texts of users in hand-written workflows: objects to plans and policies, the same text to the
cluster."""

import json

import pytest

from reconciler import kinds
from reconciler.backends.embedded_text import embed_texts
from reconciler.objects.draft import Draft, canonical, seal, show_path
from reconciler.objects.key import ObjectKey
from reconciler.origin import Branch, Items, Origin, Site, Value
from tests.support import drawn, small

JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"n": [1, {}]}}
HERE = Origin(Site("models/web/train.yaml", 7, 3), "model", "set")
TOP = Origin(Site("models/web/train.yaml", 1, 1), "model", "set")


def template(text, kind="WorkflowTemplate", group="argoproj.io"):
    tree = Branch({"spec": Items((Value(text, HERE), Value("b", TOP)), TOP)}, TOP)
    return Draft(ObjectKey(group, kind, "ml", "train"), f"{group}/v1alpha1", tree, "plain manifest")


@pytest.mark.parametrize(
    "kind", sorted(key.kind for key, kind in kinds.known().items() if kind.carries)
)
def test_a_job_in_a_text_has_the_line_of_the_text_in_every_field(kind):
    draft = embed_texts(template(json.dumps(JOB), kind))
    ((path, job),) = seal(draft).inside()
    assert path == ("spec", 0)
    assert job.key == ObjectKey("batch", "Job", "ml", "a")
    assert job.body == JOB
    assert set(job.origins) == {HERE}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JOB, indent=2),
        "\n  " + json.dumps(JOB),
        json.dumps(JOB).replace("apiVersion", "api\\u0056ersion"),
        json.dumps({**JOB, "spec": {"args": ["{{workflow.name}}"]}}),
    ],
)
def test_the_text_stays_as_the_user_wrote_it_however_it_is_spelled(text):
    plain = template(text)
    draft = embed_texts(plain)
    assert len(list(seal(draft).inside())) == 1
    assert canonical(draft.tree) == canonical(plain.tree)
    assert seal(draft).origins == seal(plain).origins


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "{{item}}",
        '{"apiVersion": 1}',
        '{"apiVersion": "v1", "kind": "x"}',
        '{"apiVersion": "v1", "kind": "x", "metadata": {"name": 1}}',
        "[]",
        "echo",
        7,
        json.dumps({**JOB, "spec": json.loads("[" * 300 + "]" * 300)}),
    ],
)
def test_a_text_that_is_no_object_is_left_alone(text):
    draft = template(text)
    assert embed_texts(draft) is draft


@pytest.mark.parametrize(("kind", "group"), [("ConfigMap", ""), ("WorkflowTemplate", "other.io")])
def test_only_kinds_whose_steps_create_objects_are_searched(kind, group):
    draft = template(json.dumps(JOB), kind, group)
    assert embed_texts(draft) is draft


def test_a_workflow_in_a_text_is_searched_itself():
    inner = {**JOB, "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    inner["spec"] = {"manifest": json.dumps(JOB)}
    found = seal(embed_texts(template(json.dumps(inner)))).inside()
    assert [(show_path(path), m.key.kind) for path, m in found] == [
        ("spec[0]", "Workflow"),
        ("spec[0].spec.manifest", "Job"),
    ]


def test_a_manifest_of_the_config_is_searched_when_it_is_drawn():
    text = json.dumps(json.dumps(JOB))
    files = {
        "environments/prod/one/web.yaml": "manifests: [train.yaml]\n",
        "models/web/train.yaml": (
            "apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: train}\n"
            f"spec:\n  templates:\n  - name: a\n    resource:\n      manifest: {text}\n"
        ),
    }
    drafts = {key.kind: draft for (_, key), draft in drawn(small().but(files)).items()}
    ((_, job),) = seal(drafts["WorkflowTemplate"]).inside()
    assert {(o.site.file, o.site.line) for o in job.origins} == {("models/web/train.yaml", 8)}
