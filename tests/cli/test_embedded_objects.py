"""What a user sees of the jobs that a pipeline holds as texts: each field with its config line."""

import json
import re
import textwrap

TYPE = "environments/types/computer-vision.yaml"
MODEL = "models/mnist/model.yaml"


def plan(sample, *args):
    code, out = sample.run("plan", "--base", "HEAD", "--app", "prod/train/mnist", *args)
    assert code == 0, out
    return out


def test_plan_shows_the_changed_field_of_each_job_with_its_line(sample):
    sample.edit(MODEL, "workers: 3", "workers: 7")
    rows = "".join(
        f"      TFJob/{{{{workflow.name}}}}-{candidate} (in WorkflowTemplate/mnist-train)\n"
        "        spec.tfReplicaSpecs.Worker.replicas   3 -> 7\n"
        "          models/mnist/model.yaml:19:3\n"
        for candidate in ("cnn", "cnn-dropout", "cnn-batch-norm")
    )
    assert f"  ~ WorkflowTemplate/mnist-train{' ' * 62}wave 1\n{rows}\n" in plan(sample, "--all")


def test_plan_names_a_job_once_for_the_fields_that_follow(sample):
    sample.edit(TYPE, "gpu: 1", "gpu: 2")
    out = plan(sample, "--all")
    fields = "spec.tfReplicaSpecs.Worker.template.spec.containers[0].resources"
    gpu = '"nvidia.com/gpu"'
    assert textwrap.dedent(
        f"""\
            TFJob/{{{{workflow.name}}}}-cnn-dropout (in WorkflowTemplate/mnist-train)
              {fields}.limits.{gpu}
                1 -> 2
                {TYPE}:8:36"""
    ) in textwrap.dedent(out.partition("wave 1\n")[2].partition("\n\n")[0])
    assert out.count("TFJob/{{workflow.name}}-cnn-dropout") == 1
    assert "apiVersion" not in out


def test_json_names_the_text_s_place_and_the_field_inside(sample):
    sample.edit(MODEL, "workers: 3", "workers: 7")
    (app,) = json.loads(plan(sample, "--output", "json"))["plan"]["apps"][-1:]
    ((change,),) = app["waves"]
    assert change["object"] == "WorkflowTemplate.argoproj.io ml-train/mnist-train"
    field = change["fields"][1]
    assert (field["path"], field["before"], field["after"]) == (
        "spec.templates[3].container.env[1].value",
        3,
        7,
    )
    assert field["inside"] == {
        "object": "TFJob.training.kubedl.io ml-train/{{workflow.name}}-cnn-dropout",
        "path": "spec.tfReplicaSpecs.Worker.replicas",
    }
    assert [link["at"] for link in field["origin"]] == ["models/mnist/model.yaml:19:3"]


def test_a_comment_shows_the_field_inside(sample):
    sample.edit(MODEL, "workers: 3", "workers: 7")
    row = (
        "| `TFJob/{{workflow.name}}-cnn (in WorkflowTemplate/mnist-train) "
        "spec.tfReplicaSpecs.Worker.replicas` | `3` | `7` | `models/mnist/model.yaml:19` |"
    )
    assert row in plan(sample, "--output", "markdown")


def test_explain_a_line_lists_the_fields_of_jobs_that_it_reaches(sample):
    code, out = sample.run("explain", "--at", f"{MODEL}:19", "--app", "prod/train/mnist")
    assert code == 0
    field = "spec.tfReplicaSpecs.Worker.replicas"
    target = "TFJob/{{workflow.name}}-cnn (in WorkflowTemplate/mnist-train)"
    assert f"  used by  {target}\n             {field}\n" in out
    assert "spec.templates" not in out


def test_explain_a_field_of_a_job_by_the_candidate_s_name(sample):
    field = "spec.tfReplicaSpecs.Worker.replicas"
    for name in ("TFJob/cnn", "TFJob/{{workflow.name}}-cnn", "tfjob/cnn"):
        code, out = sample.run("explain", "--object", name, field, "--app", "prod/train/mnist")
        assert code == 0
        assert out.startswith(
            f"TFJob/{{{{workflow.name}}}}-cnn (in WorkflowTemplate/mnist-train) {field} = 3\n"
            "  3  models/mnist/model.yaml:19:3"
        )


def test_a_secret_in_a_job_is_masked_where_its_field_is_shown(sample):
    sample.edit(
        MODEL, "  workers: 3\n", "  workers: 3\n  env: [{name: DB_PASSWORD, value: ab12ab12}]\n"
    )
    sample.commit()
    sample.edit(MODEL, "value: ab12ab12", "value: cd34cd34")
    out = plan(sample, "--all")
    assert re.search(r"env\[0\]\.value \(DB_PASSWORD\)\s+<redacted> -> <redacted>\n", out)
    assert "env DB_PASSWORD <redacted> -> <redacted>" in plan(sample)
    out += plan(sample) + plan(sample, "--output", "json") + plan(sample, "--output", "markdown")
    assert "ab12ab12" not in out
    assert "cd34cd34" not in out


def test_a_saved_plan_of_a_changed_job_is_applied_and_then_there_is_nothing_to_do(sample, tmp_path):
    assert sample.live("apply")[0] in (0, 6)
    sample.edit(MODEL, "workers: 3", "workers: 7")
    sample.commit()
    saved = str(tmp_path / "saved.plan")
    code, out = sample.live("plan", "--app", "prod/train/mnist", "--out", saved)
    assert code == 0, out
    assert "training   workers 3 -> 7" in out
    code, out = sample.live("apply", saved)
    assert code in (0, 6), out
    code, out = sample.live("plan", "--app", "prod/train/mnist", "--exit-code")
    assert code == 0, out


def test_policies_point_at_each_candidate_s_own_line_where_both_say_the_same(sample):
    for name in ("cnn-dropout", "cnn-batch-norm"):
        more = f"{{name: {name}, image: registry.example/a:latest, args:"
        sample.edit(MODEL, f"{{name: {name}, args:", more)
    code, out = sample.run("check", "--app", "prod/train/mnist", "--output", "json")
    assert code == 3
    found = {
        (f["object"].rpartition("-cnn-")[2], f["at"])
        for f in json.loads(out)["findings"]
        if f["policy"] == "image-digest"
    }
    assert found == {("dropout", f"{MODEL}:24:25"), ("batch-norm", f"{MODEL}:25:28")}
