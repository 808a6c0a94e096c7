"""What is said of kinds: every file, every entry, and how statuses of jobs are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler import extensions, kinds
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.kind import JobPhase, Kind, PruneClass, ReadinessState
from reconciler.objects.observed import absent_object, live_object, unread_object
from reconciler.objects.status import Unreadable

ALL = sorted(kinds.known().items())
JOBS = [kind for _, kind in ALL if kind.job is not None]
PYTORCH = kinds.find(GroupKind("kubeflow.org", "PyTorchJob"))
KUBEDL = kinds.find(GroupKind("training.kubedl.io", "TFJob"))
BATCH = kinds.find(GroupKind("batch", "Job"))
WORKFLOW = kinds.find(GroupKind("argoproj.io", "Workflow"))


def test_every_file_offers_kinds_and_no_kind_is_described_twice():
    seen = {}
    for project in extensions.names("reconciler.kinds"):
        for kind in extensions.load("reconciler.kinds", project, "KINDS"):
            assert isinstance(kind, Kind)
            assert seen.setdefault(kind.group_kind, project) == project
    assert len(seen) == len(ALL)


@pytest.mark.parametrize(("key", "kind"), ALL, ids=[str(key) for key, _ in ALL])
def test_every_kind_has_a_plural_a_version_and_reads_an_empty_object(key, kind):
    assert kind.group_kind == key
    assert kind.plural == kind.plural.lower() != ""
    assert kind.version.startswith("v")
    assert kind.longest_suffix < kind.longest_name <= 253
    found = kind.ready({"metadata": {"name": "a"}, "spec": {}})
    if kind.ready_at_once:
        assert found.is_ready
    if kind.job is not None:
        assert kind.prune is PruneClass.RUN
        assert not found.is_ready


def test_a_kind_that_no_file_describes_is_a_workload_under_general_rules():
    kind = kinds.find(GroupKind("example.com", "Thing"))
    assert (kind.plural, kind.version, kind.list_keys) == ("", "", None)
    assert kind.ready({"metadata": {}}).is_ready
    waiting = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Slow"}]}}
    assert kind.ready(waiting).text == "Slow"


def _job(kind, conditions=(), **more):
    return {
        "apiVersion": f"{kind.group_kind.group}/{kind.version}",
        "kind": kind.group_kind.kind,
        "metadata": {"name": "run", "namespace": "ns"},
        "spec": more.pop("spec", {}),
        "status": {"conditions": [{"type": t, "status": s} for t, s in conditions], **more},
    }


@pytest.mark.parametrize(
    ("kind", "conditions", "phase"),
    [
        (PYTORCH, [], JobPhase.PENDING),
        (PYTORCH, [("Created", "True")], JobPhase.PENDING),
        (PYTORCH, [("Created", "True"), ("Running", "True")], JobPhase.RUNNING),
        (PYTORCH, [("Running", "False"), ("Succeeded", "True")], JobPhase.SUCCEEDED),
        (KUBEDL, [("Running", "False"), ("Failed", "True")], JobPhase.FAILED),
        (BATCH, [("Complete", "True"), ("SuccessCriteriaMet", "True")], JobPhase.SUCCEEDED),
        (BATCH, [("Failed", "True")], JobPhase.FAILED),
        # What is about to be is not so yet: pods may still run.
        (BATCH, [("SuccessCriteriaMet", "True")], JobPhase.PENDING),
        (BATCH, [("FailureTarget", "True")], JobPhase.PENDING),
    ],
)
def test_the_phase_of_a_job_is_read_from_the_types_of_its_conditions(kind, conditions, phase):
    state = kind.job.state(_job(kind, conditions))
    assert state.phase is phase
    assert state.is_finished == (phase in (JobPhase.SUCCEEDED, JobPhase.FAILED))


@pytest.mark.parametrize(
    ("word", "phase"),
    [("", "pending"), ("Pending", "pending"), ("Running", "running"), ("Error", "failed")],
)
def test_the_phase_of_a_workflow_is_its_own_word(word, phase):
    body = {"metadata": {"name": "w"}, "status": {"phase": word}}
    assert WORKFLOW.job.state(body).phase == phase


def test_times_are_read_in_utc_and_garbage_is_no_time():
    body = _job(PYTORCH, startTime="2026-11-24T10:00:00+02:00", completionTime="yesterday")
    state = PYTORCH.job.state(body)
    assert state.started == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert state.finished is None


@pytest.mark.parametrize("kind", JOBS, ids=[str(kind.group_kind) for kind in JOBS])
@pytest.mark.parametrize("status", [None, "text", [], {"conditions": "text"}, {"phase": 3}])
def test_a_status_of_the_wrong_type_is_no_finished_job(kind, status):
    body = {"metadata": {"name": "a"}, "spec": "text", "status": status}
    if kind in (BATCH, WORKFLOW):
        body["spec"] = {}
    try:
        assert not kind.job.state(body).is_finished
    except Unreadable:
        live = live_object({"apiVersion": "a/v1", "kind": "b", **body})
        live = replace(live, key=ObjectKey(kind.group_kind.group, kind.group_kind.kind, "n", "a"))
        assert kinds.readiness(live).state is ReadinessState.UNKNOWN
        assert kinds.is_active_run(live)


@pytest.mark.parametrize(
    ("kind", "spec", "labels", "roles"),
    [
        (
            PYTORCH,
            {"pytorchReplicaSpecs": {"Master": {}, "Worker": {"replicas": 3}}},
            {
                "training.kubeflow.org/job-name": "run",
                "training.kubeflow.org/replica-type": "master",
                "training.kubeflow.org/replica-index": "0",
            },
            {"Master": 1, "Worker": 3},
        ),
        (
            KUBEDL,
            {"tfReplicaSpecs": {"PS": {"replicas": 2}, "Worker": {"replicas": 4}}},
            {"job-name": "run", "replica-type": "worker", "replica-index": "0"},
            {"PS": 2, "Worker": 4},
        ),
        (BATCH, {"parallelism": 2}, {"batch.kubernetes.io/job-name": "run"}, {"Worker": 2}),
    ],
)
def test_a_job_says_which_pod_decides_and_how_many_it_has(kind, spec, labels, roles):
    body = _job(kind, spec=spec)
    assert kind.job.chief(body) == labels
    assert kind.job.roles(body) == roles


def test_an_active_run_is_one_that_is_there_has_not_finished_and_keeps_pods():
    def live(conditions, **more):
        return live_object(_job(PYTORCH, conditions, **more))

    assert kinds.is_active_run(live([]))
    assert kinds.is_active_run(live([("Running", "True")]))
    assert not kinds.is_active_run(live([("Succeeded", "True")]))
    assert not kinds.is_active_run(live([("Failed", "True")]))
    assert not kinds.is_active_run(live([], spec={"runPolicy": {"suspend": True}}))
    assert not kinds.is_active_run(absent_object(live([]).key))
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    assert not kinds.is_active_run(live_object(config))


def test_what_could_not_be_read_is_unknown_and_never_ready():
    key = live_object(_job(BATCH)).key
    assert kinds.readiness(unread_object(key, "403")).state is ReadinessState.UNKNOWN
    assert kinds.readiness(absent_object(key)).state is ReadinessState.ABSENT


# -- routes ----------------------------------------------------------------------------------------

ROUTE = kinds.find(GroupKind("gateway.networking.k8s.io", "HTTPRoute"))
OURS = {"name": "gw"}


def _entry(parent, generation=2, accepted="True", controller="a", **more):
    rows = [{"type": "Accepted", "status": accepted, "observedGeneration": generation, **more}]
    return {"parentRef": parent, "controllerName": controller, "conditions": rows}


def _seen_route(*entries, parents=(OURS,)):
    return ROUTE.ready(
        {
            "metadata": {"name": "web", "namespace": "ns", "generation": 2},
            "spec": {"parentRefs": list(parents)},
            "status": {"parents": list(entries)},
        }
    )


def test_a_stale_entry_of_a_controller_that_is_gone_does_not_block_a_route():
    gone = _entry(OURS, generation=1, accepted="False", controller="gone")
    assert _seen_route(gone, _entry(OURS)).is_ready
    assert _seen_route(_entry(OURS), gone).is_ready
    assert "has not seen" in _seen_route(gone).text


def test_an_entry_for_another_parent_says_nothing_about_ours():
    other = _entry({"name": "elsewhere"}, accepted="False")
    assert _seen_route(other, _entry(OURS)).is_ready
    assert _seen_route(other).text == "no controller writes the status of this route"
    assert _seen_route(_entry({"name": "elsewhere"})).text == (
        "no controller writes the status of this route"
    )
    section = {"name": "gw", "sectionName": "https"}
    assert not _seen_route(_entry(section)).is_ready


def test_a_parent_is_the_same_with_its_defaults_written_out():
    whole = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": "ns",
        "name": "gw",
    }
    assert _seen_route(_entry(whole)).is_ready
    assert not _seen_route(_entry({**whole, "namespace": "other"})).is_ready


def test_every_parent_must_accept_a_route():
    second = {"name": "second"}
    assert not _seen_route(_entry(OURS), parents=(OURS, second)).is_ready
    assert _seen_route(_entry(OURS), _entry(second), parents=(OURS, second)).is_ready


@pytest.mark.parametrize("parents", ["text", [1], [{"conditions": "x"}], {"a": 1}, None])
def test_a_status_of_a_wrong_type_is_never_an_accepted_route(parents):
    body = {"metadata": {"generation": 1}, "spec": {"parentRefs": [OURS]}}
    seen = live_object(
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", **body}
        | {"metadata": {"generation": 1, "name": "a"}, "status": {"parents": parents}}
    )
    assert not kinds.readiness(seen).is_ready


def test_a_refusal_is_told_in_the_controllers_words():
    seen = _seen_route(_entry(OURS, accepted="False", message="no such listener"))
    assert seen.text == "no such listener"


# -- KServe ----------------------------------------------------------------------------------------

ISVC = kinds.find(GroupKind("serving.kserve.io", "InferenceService"))


def test_the_reason_of_an_unready_kserve_service_is_the_predictors():
    rows = [
        {"type": "Ready", "status": "False", "message": "Predictor ingress not created"},
        {"type": "PredictorReady", "status": "False", "message": "quota exceeded"},
    ]
    assert ISVC.ready({"status": {"conditions": rows}}).text == "quota exceeded"
    assert ISVC.ready({"status": {"conditions": rows[:1]}}).text == "Predictor ingress not created"


def test_one_failed_attempt_to_load_is_no_failure_and_an_invalid_spec_is():
    blocked = {"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": {"reason": "OOM"}}
    seen = ISVC.ready({"status": {"modelStatus": blocked}})
    assert (seen.state, seen.text) == (ReadinessState.PROGRESSING, "OOM")
    invalid = {"transitionStatus": "InvalidSpec"}
    assert ISVC.ready({"status": {"modelStatus": invalid}}).state is ReadinessState.FAILED
