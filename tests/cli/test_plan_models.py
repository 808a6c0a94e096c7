"""What people see of a plan: models first, in text, comment and JSON alike."""

import json

import pytest

from reconciler import kinds
from reconciler.objects.key import ObjectKey
from reconciler.simulation.cluster import EmbeddedCluster

POINTER = "environments/prod/mnist.yaml"
MODEL = "models/mnist/model.yaml"
APP = "prod/hz-a/mnist"


def serving(sample):
    """The sample on its cluster, all versions serving; the present time moves on."""
    for minute in (0, 2, 4):
        sample.now = f"2026-11-23T10:0{minute}:00Z"
        assert sample.live("reconcile", "--once", "--timeout", "60")[0] in (0, 6)
    sample.now = "2026-11-23T10:10:00Z"


def test_a_moved_pointer_is_shown_as_versions_over_the_steps_with_their_time(sample):
    serving(sample)
    sample.edit(POINTER, 'version: "v2"', 'version: "v1"')
    code, out = sample.live("plan", "--app", APP)
    assert code == 0, out
    assert "version    v2 -> v1 over 10, 50, 100 %, about 20 min" in out
    assert "rollout preparing: v2 100 %, v1 0 %" in out
    code, out = sample.live("plan", "--app", APP, "--output", "json")
    (model,) = json.loads(out)["plan"]["models"]
    assert model["version"] == {
        "before": {"v2": 100},
        "now": {"v2": 100},
        "after": {"v1": 100},
        "steps": [10, 50, 100],
        "seconds": 1200,
        "at": f"{POINTER}:4:3",
    }


def test_traffic_that_moves_in_this_run_is_a_row_of_its_own(sample):
    serving(sample)
    sample.edit(POINTER, 'version: "v2"', 'version: "v1"')
    sample.commit()
    for minute in (10, 12):
        sample.now = f"2026-11-23T10:{minute}:00Z"
        sample.live("reconcile", "--once", "--app", APP, "--timeout", "60")
    sample.now = "2026-11-23T10:30:00Z"
    out = sample.live("plan", "--app", APP)[1]
    assert "traffic    v2 90 %, v1 10 % -> v2 50 %, v1 50 %" in out


def test_the_comment_s_first_screen_is_what_changes_of_models(sample):
    sample.edit(POINTER, 'version: "v2"', 'version: "v1"')
    sample.edit(MODEL, 'cron: "0 2', 'cron: "0 3')
    out = sample.run("plan", "--base", "HEAD", "--output", "markdown")[1]
    lines = out.splitlines()
    first = next(i for i, line in enumerate(lines) if line == "**Models**")
    assert first < 10
    assert lines[first + 4].startswith(
        "| `prod/hz-a/mnist`, `prod/hz-b/mnist` | version **v2 → v1 over 10, 50, 100 %, about 20 min**"
    )
    assert out.index("**Models**") < out.index("**Next trainings**") < out.index("<details>")
    assert (
        "| `mnist/nightly` | 2026-11-24 02:\u200b00 → 2026-11-24 03:\u200b00 Asia/Shanghai "
        "| 2026-11-23 19:00 |" in out
    )


def test_a_new_model_says_what_it_is(sample):
    path = "environments/dev/main/mnist.yaml"
    text = (sample.folder / path).read_bytes()
    (sample.folder / path).unlink()
    sample.commit()
    sample.write(path, text)
    code, out = sample.run("plan", "--base", "HEAD")
    assert code == 0
    assert "dev/main/mnist   new\n  version    v2   environments/dev/mnist.yaml:3:3\n" in out
    assert "  serving    1 replica, kserve" in out
    assert "  host       mnist.dev.models.example" in out


def test_the_width_of_a_pipe_is_100_and_columns_sets_it(sample, monkeypatch):
    sample.edit(POINTER, 'version: "v2"', 'version: "v1"')

    def widest(columns):
        if columns:
            monkeypatch.setenv("COLUMNS", columns)
        else:
            monkeypatch.delenv("COLUMNS", raising=False)
        out = sample.run("plan", "--base", "HEAD", "--app", APP)[1]
        return max(len(line) for line in out.splitlines())

    assert widest("") == 100
    assert widest("60") == 60
    assert widest("20") == 60
    assert widest("150") == 150
    assert widest("900") == 200


def test_what_is_not_done_is_one_line_an_app(sample):
    """Two apps, of which one leaves several objects not ready for one reason."""
    apps = (APP, "prod/hz-a/tf-mnist-estimator")
    chosen = [arg for app in apps for arg in ("--app", app)]
    code, text = sample.live("apply", "--timeout", "0", *chosen, "--output", "json")
    assert code == 6
    problems = {row["app"]: row["result"]["problems"] for row in json.loads(text)["plan"]["apps"]}
    assert [len(problems[app]) for app in apps] == [1, 3], problems
    sample.cluster.unlink()
    code, out = sample.live("apply", "--timeout", "0", *chosen)
    lines = [line for line in out.splitlines() if line.startswith("not done")]
    assert sorted(line.split()[2] for line in lines) == sorted(apps), out


@pytest.mark.parametrize(("edits", "folded"), [(5, 0), (6, 1), (9, 4)])
def test_the_differences_of_a_stale_plan_are_folded_to_five_and_whole_in_json(
    repo, tmp_path, edits, folded
):
    maps = "---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: notes-{n}}}\ndata: {{a: b}}\n"
        for n in range(9)
    )
    repo.write("models/web/notes.yaml", maps)
    repo.write("environments/prod/one/web.yaml", "manifests: [notes.yaml]\n")
    repo.commit()
    assert repo.live("apply")[0] == 0
    repo.write("models/web/notes.yaml", maps.replace("{a: b}", "{a: c}"))
    repo.commit()
    plan = str(tmp_path / "saved.plan")
    assert repo.live("plan", "--revision", "HEAD", "--out", plan)[0] == 0
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    for number in range(edits):
        key = ObjectKey("", "ConfigMap", "ml-one", f"notes-{number}")
        cluster.edit(key, lambda body: body["data"].update(a="other"))
    cluster.close()
    code, out = repo.live("apply", plan)
    moved = [line for line in out.splitlines() if line.startswith("moved: ")]
    assert code == 4
    assert len(moved) == min(edits, 5) + bool(folded), out
    assert [line for line in moved if "more" in line] == (
        [f"moved: and {folded} more (--output json lists them)"] if folded else []
    )
    data = json.loads(repo.live("apply", plan, "--output", "json")[1])
    assert len(data["moved"]) == edits
    assert all("the live object changed" in line for line in data["moved"])


def test_a_changed_schedule_shows_its_old_next_time_beside_the_new_one(sample, monkeypatch):
    sample.edit(MODEL, 'cron: "0 2', 'cron: "0 3')
    out = sample.run("plan", "--base", "HEAD")[1]
    assert (
        "  mnist/nightly  2026-11-24 02:00 -> 2026-11-24 03:00 Asia/Shanghai   (11-23 19:00 UTC)\n"
    ) in out
    monkeypatch.setenv("COLUMNS", "60")
    out = sample.run("plan", "--base", "HEAD")[1]
    assert "  mnist/nightly  2026-11-24 02:00 -> 2026-11-24 03:00 Asia" not in out
    assert (
        "  mnist/nightly  2026-11-24 02:00\n                 -> 2026-11-24 03:00 Asia/Shanghai\n"
    ) in out
    data = json.loads(sample.run("plan", "--base", "HEAD", "--output", "json")[1])
    (model,) = data["plan"]["models"]
    (training,) = model["trainings"]
    assert training["next"][0] == "2026-11-23T19:00:00Z"
    assert training["before"]["next"][0] == "2026-11-23T18:00:00Z"
    assert training["before"]["cron"] == "0 2 * * *"


def test_a_schedule_that_is_suspended_shows_when_it_would_have_run(sample):
    sample.edit(MODEL, "timeZone: Asia/Shanghai", "suspend: true, timeZone: Asia/Shanghai")
    out = sample.run("plan", "--base", "HEAD")[1]
    assert "  mnist/nightly  2026-11-24 02:00 Asia/Shanghai -> suspended\n" in out


def test_a_class_of_quality_of_service_that_changes_is_a_row_in_every_output(sample):
    size = "  resources: {requests: {ephemeral-storage: 1Gi}, cpu: null, limits: {cpu: 2}}\n"
    sample.edit(MODEL, "serving:\n", f"serving:\n{size}")
    text = sample.run("plan", "--base", "HEAD", "--app", APP)[1]
    assert "  serving    resources.requests.ephemeral-storage 1Gi added" in text
    assert "qos" not in text  # the limit of cpu is its request too
    sample.edit(MODEL, "limits: {cpu: 2}", "limits: {cpu: 2, memory: 8Gi}, memory: null")
    sample.edit(MODEL, "{ephemeral-storage: 1Gi}", "{memory: 4Gi}")
    text = sample.run("plan", "--base", "HEAD", "--app", APP)[1]
    assert f"  qos        Guaranteed -> Burstable   {MODEL}:" in text
    comment = sample.run("plan", "--base", "HEAD", "--output", "markdown")[1]
    assert "| qos **Guaranteed → Burstable** |" in comment
    data = json.loads(sample.run("plan", "--base", "HEAD", "--app", APP, "--output", "json")[1])
    (model,) = data["plan"]["models"]
    (row,) = model["qos"]
    assert (row["workload"], row["before"], row["after"]) == ("serving", "Guaranteed", "Burstable")
    assert row["at"].startswith(f"{MODEL}:")
