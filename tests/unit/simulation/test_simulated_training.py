"""Training jobs and pipelines on simulated time."""

import json

import pytest

from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import ReadinessState
from reconciler.simulation.controller import SimulationSettings
from reconciler.simulation.depends import DependsInvalid, TaskState, evaluate, list_tasks
from tests.unit.simulation.simulated_pipeline import (
    DOMAIN,
    outcomes,
    phases,
    pipeline,
    pods,
    state,
    template,
    workflow,
)

JOBS = {
    "kubedl TFJob": (
        ("training.kubedl.io/v1alpha1", "TFJob"),
        {"tfReplicaSpecs": {"Worker": pods("tensorflow")}},
        ["JobCreated", "JobRunning", "JobSucceeded"],
    ),
    "kubeflow PyTorchJob": (
        ("kubeflow.org/v1", "PyTorchJob"),
        {"pytorchReplicaSpecs": {"Master": pods("pytorch")}},
        ["PyTorchJobCreated", "PyTorchJobRunning", "PyTorchJobSucceeded"],
    ),
}


# -- jobs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", JOBS)
def test_a_training_jobs_conditions_are_an_array_in_order_of_events(town, name):
    kind, spec, reasons = JOBS[name]
    town = town(outcomes=outcomes())
    key = town.put(*kind, "once", spec)
    town.pass_(minutes=5)
    assert town.condition(key, "Running") == "True"
    assert next(iter(town.status(key)["replicaStatuses"].values())) == {"active": 2}
    town.pass_(minutes=30)
    conditions = town.status(key)["conditions"]
    assert [c["type"] for c in conditions] == ["Created", "Running", "Succeeded"]
    assert [c["status"] for c in conditions] == ["True", "False", "True"]
    assert [c["reason"] for c in conditions] == reasons
    assert "completionTime" in town.status(key)
    assert state(town, key) is ReadinessState.READY


@pytest.mark.parametrize("name", JOBS)
def test_a_failing_training_is_failed(town, name):
    kind, spec, _ = JOBS[name]
    town = town(outcomes=outcomes(failing=("once/*",)))
    key = town.put(*kind, "once", spec)
    town.pass_(hours=1)
    assert state(town, key) is ReadinessState.FAILED


def test_a_deadline_fails_a_job_that_is_still_running(town):
    town = town(outcomes=outcomes())
    kind, spec, _ = JOBS["kubeflow PyTorchJob"]
    key = town.put(*kind, "once", {**spec, "runPolicy": {"activeDeadlineSeconds": 600}})
    town.pass_(minutes=12)
    assert town.condition(key, "Failed") == "True"


def test_kubedls_xgboost_job_deletes_itself(town):
    town = town(outcomes=outcomes())
    spec = {"xgbReplicaSpecs": {"Master": pods("xgboostjob")}}
    key = town.put("training.kubedl.io/v1alpha1", "XGBoostJob", "once", spec)
    town.pass_(minutes=31)
    assert town.condition(key, "Succeeded") == "True"
    town.pass_(minutes=3)
    assert town.body(key) is None


@pytest.mark.parametrize(
    ("failing", "kinds", "reason"),
    [
        ((), ["SuccessCriteriaMet", "Complete"], "CompletionsReached"),
        (("once/*",), ["FailureTarget", "Failed"], "BackoffLimitExceeded"),
    ],
)
def test_a_batch_job_ends_with_its_pair_of_conditions(town, failing, kinds, reason):
    town = town(outcomes=outcomes(failing=failing))
    spec = {"template": pods("main")["template"]}
    spec["template"]["spec"]["restartPolicy"] = "Never"
    key = town.put("batch/v1", "Job", "once", spec)
    town.pass_(minutes=5)
    assert (town.status(key)["active"], town.status(key)["ready"]) == (1, 1)
    town.pass_(minutes=30)
    conditions = town.status(key)["conditions"]
    assert [c["type"] for c in conditions] == kinds
    assert {c["reason"] for c in conditions} == {reason}


@pytest.mark.parametrize(("node", "found"), [("any", "simulated-node-1"), ("", "")])
def test_a_job_publishes_a_model_version_with_its_node_only_if_it_gave_one(town, node, found):
    town = town(outcomes=outcomes())
    kind, spec, _ = JOBS["kubedl TFJob"]
    local = {"path": "/m", "mountPath": "/kubedl-model", "nodeName": node}
    model = {"modelName": "mnist", "imageRepo": "r/m", "storage": {"localStorage": local}}
    key = town.put(*kind, "once", {**spec, "modelVersion": model})
    town.pass_(minutes=40)
    name = town.status(key)["modelVersionName"]
    assert name == f"mv-once-{town.body(key)['metadata']['uid'][:5]}"
    version = ObjectKey("model.kubedl.io", "ModelVersion", "ml", name)
    made = town.body(version)
    assert made["spec"]["createdBy"] == "once"
    assert made["spec"]["storage"]["localStorage"]["nodeName"] == found
    assert bool(made.get("status")) is bool(found)


def test_a_job_with_other_model_storage_takes_kubedl_down(town):
    town = town(outcomes=outcomes())
    kind, spec, _ = JOBS["kubedl TFJob"]
    model = {"modelName": "mnist", "storage": {"nfs": {"server": "s", "path": "/"}}}
    town.put(*kind, "bad", {**spec, "modelVersion": model})
    good = town.put(*kind, "good", spec)
    town.pass_(hours=3)
    assert town.status(good) == {}


def test_the_job_coordinator_gate_crashes_on_any_tf_job(town):
    town = town(outcomes=outcomes(), settings=SimulationSettings(kubedl_job_coordinator=True))
    kind, spec, _ = JOBS["kubedl TFJob"]
    key = town.put(*kind, "once", spec)
    town.pass_(hours=3)
    assert town.status(key) == {}


# -- depends ---------------------------------------------------------------------------------------

STATES = {
    "a": TaskState("Succeeded"),
    "b": TaskState("Failed"),
    "c": TaskState("Skipped"),
    "many": TaskState("Failed", any_succeeded=True),
    "none": TaskState("Failed", all_failed=True),
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", True),
        ("a", True),
        ("c", True),
        ("b", False),
        ("a.Succeeded && (b.Failed || c.Succeeded)", True),
        ("!a || b.Succeeded", False),
        ("a && !b", True),
        ("many.AnySucceeded", True),
        ("many.AllFailed", False),
        ("none.AllFailed && !none.AnySucceeded", True),
        ("a || b && b", True),
    ],
)
def test_depends_is_read_as_argo_reads_it(expression, expected):
    assert evaluate(expression, STATES) is expected


@pytest.mark.parametrize("expression", ["a &&", "(a", "a b", "a.Perhaps", "nobody", "a | b"])
def test_what_argo_would_refuse_is_refused(expression):
    with pytest.raises(DependsInvalid):
        evaluate(expression, STATES)


def test_the_names_of_an_expression_are_its_tasks():
    assert list_tasks("a.Succeeded && (b || !c-d.Failed)") == {"a", "b", "c-d"}


# -- pipelines -------------------------------------------------------------------------------------

RATED = {"run*/a": {"accuracy": 0.95}, "run*/b": {"accuracy": 0.99}}


def test_a_pipeline_trains_every_candidate_and_publishes_the_best(town):
    town = town(outcomes=outcomes(table=RATED))
    template(town)
    key = workflow(town)
    town.pass_(minutes=20)
    assert phases(town, key)["train(0:a)"] == "Running"
    assert town.names("training.kubedl.io", "TFJob") == ["run-a", "run-b"]
    town.pass_(hours=1)
    assert state(town, key) is ReadinessState.READY
    assert set(phases(town, key).values()) == {"Succeeded"}
    made = town.body(ObjectKey("model.kubedl.io", "ModelVersion", "ml", "run"))
    annotations = made["metadata"]["annotations"]
    assert annotations[f"{DOMAIN}/candidate"] == "b"
    assert json.loads(annotations[f"{DOMAIN}/metrics"]) == {"accuracy": 0.99}
    assert annotations[f"{DOMAIN}/digest"].startswith("sha256:")
    assert annotations[f"{DOMAIN}/storage-uri"] == "pvc://models/mnist/run"
    assert made["metadata"]["labels"][f"{DOMAIN}/model"] == "mnist"
    assert town.names("training.kubedl.io", "TFJob") == []  # swept by the exit handler


def test_without_kubedl_a_version_is_a_labelled_config_map(town):
    town = town(outcomes=outcomes(table=RATED), without=frozenset({"model.kubedl.io"}))
    template(town)
    workflow(town)
    town.pass_(hours=2)
    made = town.body(ObjectKey("", "ConfigMap", "ml", "run"))
    assert made["metadata"]["labels"][f"{DOMAIN}/published"] == "model-version"
    assert made["data"]["candidate"] == "b"


def test_no_winner_is_a_success_that_publishes_nothing(town):
    town = town(outcomes=outcomes(table=RATED))
    template(town, minimum="0.999")
    key = workflow(town)
    town.pass_(hours=2)
    assert state(town, key) is ReadinessState.READY
    assert phases(town, key)["publish"] == "Skipped"
    assert town.names("model.kubedl.io", "ModelVersion") == []


def test_a_loss_is_better_when_it_is_smaller(town):
    table = {"run/a": {"loss": 0.3}, "run/b": {"loss": 0.1}, "run/c": {"loss": 0.6}}
    town = town(outcomes=outcomes(table=table))
    template(town, minimum="0.5", metric="loss", goal="minimize", candidates=("a", "b", "c"))
    workflow(town)
    town.pass_(hours=2)
    made = town.body(ObjectKey("model.kubedl.io", "ModelVersion", "ml", "run"))
    assert made["metadata"]["annotations"][f"{DOMAIN}/candidate"] == "b"


def test_a_stopped_run_fails_and_still_runs_its_exit_handler(town):
    town = town(outcomes=outcomes())
    template(town)
    key = workflow(town)
    town.pass_(minutes=15)
    town.world.cluster.edit(key, lambda body: body["spec"].update(shutdown="Stop"))
    town.pass_(minutes=10)
    assert town.status(key)["phase"] == "Failed"
    found = phases(town, key)
    assert (found["train(0:a)"], found["publish"]) == ("Failed", "Omitted")
    assert found["onExit"] == "Succeeded"


def test_one_failed_candidate_leaves_the_choice_to_the_others(town):
    town = town(outcomes=outcomes(table=RATED, failing=("run/b",)))
    template(town)
    key = workflow(town)
    town.pass_(hours=2)
    assert state(town, key) is ReadinessState.READY
    assert phases(town, key)["train"] == "Failed"
    made = town.body(ObjectKey("model.kubedl.io", "ModelVersion", "ml", "run"))
    assert made["metadata"]["annotations"][f"{DOMAIN}/candidate"] == "a"


def test_a_run_without_any_success_is_failed_and_omits_the_rest(town):
    town = town(outcomes=outcomes(failing=("run/*",)))
    template(town)
    key = workflow(town)
    town.pass_(hours=2)
    assert state(town, key) is ReadinessState.FAILED
    found = phases(town, key)
    assert (found["select"], found["publish"]) == ("Omitted", "Omitted")
    assert found["onExit"] == "Succeeded"


def test_a_failed_step_fails_the_run(town):
    town = town(outcomes=outcomes(failing_steps=("run/ingest",)))
    template(town)
    key = workflow(town)
    town.pass_(hours=2)
    assert state(town, key) is ReadinessState.FAILED
    assert phases(town, key)["train"] == "Omitted"
    assert town.names("training.kubedl.io", "TFJob") == []


def test_a_deleted_job_fails_its_step(town):
    town = town(outcomes=outcomes(table=RATED))
    template(town)
    key = workflow(town)
    town.pass_(minutes=20)
    job = ObjectKey("training.kubedl.io", "TFJob", "ml", "run-a")
    town.world.cluster.delete(job, uid=town.body(job)["metadata"]["uid"])
    town.pass_(hours=2)
    assert phases(town, key)["train(0:a)"] == "Failed"


def test_a_missing_template_is_an_error(town):
    town = town()
    key = workflow(town)
    town.pass_(minutes=1)
    assert town.status(key)["phase"] == "Error"
    assert "not found" in town.status(key)["message"]


def test_a_run_past_its_deadline_fails_and_still_runs_its_exit_handler(town):
    town = town(outcomes=outcomes())
    template(town, activeDeadlineSeconds=1200)
    key = workflow(town)
    town.pass_(hours=1)
    assert town.status(key)["phase"] == "Failed"
    assert phases(town, key)["onExit"] == "Succeeded"


def test_a_finished_run_goes_after_its_time_to_live(town):
    town = town(outcomes=outcomes())
    template(town, ttlStrategy={"secondsAfterCompletion": 3600})
    key = workflow(town)
    town.pass_(minutes=80)
    assert town.status(key)["phase"] == "Succeeded"
    town.pass_(hours=1)
    assert town.body(key) is None


MEMO = {"key": "digits", "maxAge": "24h", "cache": {"configMap": {"name": "c"}}}


def memoized(town, **more):
    """The pipeline whose first step is memoized, and two of its runs, the second a memo hit."""
    town = town(outcomes=outcomes(table=RATED))
    spec = pipeline()
    spec["templates"][1] |= {"memoize": MEMO, **more}
    for name in ("first", "second"):
        town.put("argoproj.io/v1alpha1", "Workflow", name, spec)
        town.pass_(hours=2)
    return town, [ObjectKey("argoproj.io", "Workflow", "ml", name) for name in ("first", "second")]


def test_a_memo_hit_takes_no_time_and_the_run_goes_on(town):
    town, (first, second) = memoized(town)
    assert [town.status(key)["phase"] for key in (first, second)] == ["Succeeded", "Succeeded"]
    (ingest,) = [n for n in town.status(second)["nodes"].values() if n["displayName"] == "ingest"]
    assert ingest["memoizationStatus"] == {"hit": True, "key": "digits", "cacheName": "c"}
    assert ingest["startedAt"] == ingest["finishedAt"]
    (before,) = [n for n in town.status(first)["nodes"].values() if n["displayName"] == "ingest"]
    assert "memoizationStatus" not in before
    assert before["startedAt"] < before["finishedAt"]


def test_a_memo_hit_on_a_template_that_retries_never_ends(town):
    town, (first, second) = memoized(town, retryStrategy={"limit": "2"})
    assert town.status(first)["phase"] == "Succeeded"
    assert phases(town, second) == {"ingest": "Succeeded"}
    town.pass_(days=3)
    assert town.status(second)["phase"] == "Running"
    assert phases(town, second) == {"ingest": "Succeeded"}
    assert state(town, second) is ReadinessState.PROGRESSING


def test_a_run_that_hangs_at_a_memo_hit_can_be_terminated(town):
    town, (_, second) = memoized(town, retryStrategy={"limit": "2"})
    town.world.cluster.edit(second, lambda body: body["spec"].update(shutdown="Terminate"))
    town.pass_(minutes=5)
    assert town.status(second)["phase"] == "Failed"


def test_a_memo_that_is_too_old_is_no_hit(town):
    town, (first, _) = memoized(town, retryStrategy={"limit": "2"})
    town.pass_(hours=24)
    third = town.put("argoproj.io/v1alpha1", "Workflow", "third", town.body(first)["spec"])
    town.pass_(hours=2)
    assert town.status(third)["phase"] == "Succeeded"


@pytest.mark.parametrize(
    "wrong", [{"key": "a/b"}, {"key": ""}, {"maxAge": "1 day"}], ids=["slash", "empty", "age"]
)
def test_a_memo_key_or_age_that_argo_cannot_read_ends_the_step_as_an_error(town, wrong):
    town = town(outcomes=outcomes())
    spec = pipeline()
    spec["templates"][1] |= {"memoize": {**MEMO, **wrong}}
    key = town.put("argoproj.io/v1alpha1", "Workflow", "run", spec)
    town.pass_(hours=1)
    assert phases(town, key)["ingest"] == "Error"
    assert town.status(key)["phase"] == "Error"


def test_a_memoized_outer_template_with_the_retry_inside_ends_at_a_memo_hit(town):
    town = town(outcomes=outcomes())
    inner = {"name": "data", "container": {"image": "i:1"}, "retryStrategy": {"limit": "2"}}
    outer = {
        "name": "ingest",
        "memoize": MEMO,
        "dag": {"tasks": [{"name": "d", "template": "data"}]},
    }
    spec = pipeline()
    spec["templates"][1:2] = [inner, outer]
    for name in ("first", "second"):
        key = town.put("argoproj.io/v1alpha1", "Workflow", name, spec)
        town.pass_(hours=2)
        assert town.status(key)["phase"] == "Succeeded"
    (ingest,) = [n for n in town.status(key)["nodes"].values() if n["displayName"] == "ingest"]
    assert ingest["memoizationStatus"]["hit"] is True


def test_a_killed_process_goes_on_with_the_run_where_it_was(town, tmp_path):
    """The same end, whether one process lives through it all or a new one every seven minutes."""
    whole = town(outcomes=outcomes(table=RATED), path=str(tmp_path / "whole.db"))
    parts = town(outcomes=outcomes(table=RATED), path=str(tmp_path / "parts.db"))
    for one in (whole, parts):
        template(one)
        key = workflow(one)
    for _ in range(12):
        whole.pass_(minutes=7)
        parts.pass_(minutes=7)
        parts = parts.again()
    assert phases(parts, key) == phases(whole, key)
    assert parts.status(key)["phase"] == "Succeeded"
    version = ObjectKey("model.kubedl.io", "ModelVersion", "ml", "run")
    assert parts.body(version)["spec"] == whole.body(version)["spec"]
    parts.world.close()
