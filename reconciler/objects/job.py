"""Reads the state of a job with several replica types, for the operators that share one format.

KubeDL and Kubeflow's training operator keep an array of conditions, in the order of events, and
counters per replica type. A batch Job differs: `reconciler.kinds.kubernetes` reads it.
Sources: kubedl pkg/job_controller, kubeflow training-operator v1.9 pkg/core, k8s.io/api/batch/v1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.objects.kind import Body, JobKind, JobPhase, JobState, Readiness
from reconciler.objects.status import (
    READY,
    condition,
    condition_reason,
    condition_text,
    failed,
    progressing,
    status_of,
    time_of,
)

__all__ = ["job_readiness", "replicated_job"]


def job_readiness(job: JobKind) -> Any:
    """The readiness rule of a run-once kind: an object is ready when its job has succeeded."""

    def ready(body: Body) -> Readiness:
        state = job.state(body)
        match state.phase:
            case JobPhase.SUCCEEDED:
                return READY
            case JobPhase.FAILED:
                return failed(state.reason)
            case _:
                return progressing("running")

    return ready


def _map(node: Any, name: str) -> Mapping[str, Any]:
    found = node.get(name) if isinstance(node, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def replicated_job(
    replicas: str, chiefs: Sequence[str], labels: str = "", policy: str = ""
) -> JobKind:
    """Reads a job whose spec has, in the field `replicas`, a map from replica type to pods.

    `chiefs` are the types whose first pod decides the result, in order of preference; a job
    without any of them is decided by its first Worker. `labels` is the prefix of the operator's
    labels on pods. `policy` is the field of the spec that holds the run policy; "" when the spec
    itself holds it."""

    def state(body: Body) -> JobState:
        status = status_of(body)
        phase = JobPhase.PENDING
        reason = ""
        for kind, found in (
            ("Failed", JobPhase.FAILED),
            ("Succeeded", JobPhase.SUCCEEDED),
            ("Running", JobPhase.RUNNING),
        ):
            if condition(status, kind) == "True":
                text = condition_text(status, kind)
                phase, reason = found, text or condition_reason(status, kind)
                break
        run_policy = _map(body.get("spec"), policy) if policy else _map(body, "spec")
        return JobState(
            phase,
            reason,
            time_of(status.get("startTime")),
            time_of(status.get("completionTime")),
            condition(status, "Suspended") == "True" or run_policy.get("suspend") is True,
        )

    def roles(body: Body) -> Mapping[str, int]:
        out: dict[str, int] = {}
        for role, pods in _map(body.get("spec"), replicas).items():
            count = pods.get("replicas", 1) if isinstance(pods, Mapping) else 1
            out[str(role)] = count if isinstance(count, int) else 1
        return out

    def chief(body: Body) -> Mapping[str, str]:
        present = roles(body)
        role = next((name for name in chiefs if name in present), "Worker")
        return {
            f"{labels}job-name": str((body.get("metadata") or {}).get("name", "")),
            f"{labels}replica-type": role.lower(),
            f"{labels}replica-index": "0",
        }

    return JobKind(state, chief, roles)
