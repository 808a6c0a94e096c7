"""How jobs of replicated pods are read, whatever operator runs them."""

from datetime import UTC, datetime

import pytest

from reconciler.objects.job import job_readiness, replicated_job
from reconciler.objects.kind import JobPhase, ReadinessState
from reconciler.objects.status import Unreadable

JOB = replicated_job("replicaSpecs", ("Chief", "Master"), "example.org/", policy="runPolicy")


def _job(spec=None, **status):
    return {"metadata": {"name": "train"}, "spec": spec or {}, "status": status}


def _conditions(*kinds):
    return [{"type": kind, "status": "True", "reason": f"Job{kind}"} for kind in kinds]


@pytest.mark.parametrize(
    ("kinds", "phase", "readiness"),
    [
        ((), JobPhase.PENDING, ReadinessState.PROGRESSING),
        (("Created", "Running"), JobPhase.RUNNING, ReadinessState.PROGRESSING),
        (("Running", "Succeeded"), JobPhase.SUCCEEDED, ReadinessState.READY),
        (("Running", "Failed"), JobPhase.FAILED, ReadinessState.FAILED),
        (("Succeeded", "Failed"), JobPhase.FAILED, ReadinessState.FAILED),
    ],
)
def test_the_conditions_give_the_phase_and_the_phase_the_readiness(kinds, phase, readiness):
    body = _job(conditions=_conditions(*kinds))
    assert JOB.state(body).phase is phase
    assert job_readiness(JOB)(body).state is readiness


def test_a_condition_that_does_not_hold_says_nothing():
    body = _job(conditions=[{"type": "Failed", "status": "False", "reason": "x"}])
    assert JOB.state(body).phase is JobPhase.PENDING


def test_the_reason_is_the_controller_s_own_word():
    assert JOB.state(_job(conditions=_conditions("Failed"))).reason == "JobFailed"
    told = [{"type": "Failed", "status": "True", "reason": "JobFailed", "message": "no memory"}]
    assert "no memory" in JOB.state(_job(conditions=told)).reason


def test_times_are_read_and_a_missing_one_is_none():
    state = JOB.state(_job(startTime="2026-11-23T10:00:00Z"))
    assert (state.started, state.finished) == (datetime(2026, 11, 23, 10, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("body", "suspended"),
    [
        (_job({"runPolicy": {"suspend": True}}), True),
        (_job({"suspend": True}), False),
        (_job(conditions=_conditions("Suspended")), True),
        (_job({"runPolicy": {"suspend": "true"}}), False),
    ],
)
def test_a_job_is_suspended_by_its_run_policy_or_by_its_controller(body, suspended):
    assert JOB.state(body).suspended is suspended


@pytest.mark.parametrize(
    ("replicas", "roles", "chief"),
    [
        ({"Worker": {"replicas": 3}}, {"Worker": 3}, "worker"),
        ({"Worker": {"replicas": 3}, "Master": {}}, {"Worker": 3, "Master": 1}, "master"),
        ({"Master": {}, "Chief": {"replicas": "x"}}, {"Master": 1, "Chief": 1}, "chief"),
        ({}, {}, "worker"),
    ],
)
def test_the_most_telling_role_that_is_there_decides(replicas, roles, chief):
    body = _job({"replicaSpecs": replicas})
    assert JOB.roles(body) == roles
    assert JOB.chief(body) == {
        "example.org/job-name": "train",
        "example.org/replica-type": chief,
        "example.org/replica-index": "0",
    }


@pytest.mark.parametrize("odd", ["x", [], {"conditions": "x"}, {"conditions": [1, None]}])
def test_an_odd_status_is_unreadable(odd):
    body = {"metadata": {"name": "train"}, "spec": None, "status": odd}
    with pytest.raises(Unreadable, match=r"status|conditions"):
        JOB.state(body)
    assert JOB.roles(body) == {}


def test_a_job_without_a_status_has_not_begun():
    assert JOB.state({"metadata": {"name": "train"}, "spec": None, "status": None}).phase is (
        JobPhase.PENDING
    )
