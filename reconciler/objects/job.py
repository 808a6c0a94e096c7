"""How jobs of replicated pods are read: one status language, several operators.

KubeDL and Kubeflow's training operator keep conditions as an array in the order of what happened
and counters per replica type; a batch Job has its own words.
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
    """A run-once object is ready when it has succeeded."""

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
    """A job whose spec has a map `replicas` of pods per replica type.

    `chiefs` are the types whose first pod decides, the most telling first; without any of them it
    is the first worker. `labels` is the prefix of the operator's labels on pods. `policy` is the
    field of the spec that holds the run policy, "" where the spec itself holds it."""

    def state(body: Body) -> JobState:
        status = status_of(body)
        phase = JobPhase.PENDING
        reason = ""
        for kind, meant in (
            ("Failed", JobPhase.FAILED),
            ("Succeeded", JobPhase.SUCCEEDED),
            ("Running", JobPhase.RUNNING),
        ):
            if condition(status, kind) == "True":
                text = condition_text(status, kind)
                phase, reason = meant, text or condition_reason(status, kind)
                break
        held = _map(body.get("spec"), policy) if policy else _map(body, "spec")
        return JobState(
            phase,
            reason,
            time_of(status.get("startTime")),
            time_of(status.get("completionTime")),
            condition(status, "Suspended") == "True" or held.get("suspend") is True,
        )

    def roles(body: Body) -> Mapping[str, int]:
        out: dict[str, int] = {}
        for role, one in _map(body.get("spec"), replicas).items():
            count = one.get("replicas", 1) if isinstance(one, Mapping) else 1
            out[str(role)] = count if isinstance(count, int) else 1
        return out

    def chief(body: Body) -> Mapping[str, str]:
        here = roles(body)
        role = next((name for name in chiefs if name in here), "Worker")
        return {
            f"{labels}job-name": str((body.get("metadata") or {}).get("name", "")),
            f"{labels}replica-type": role.lower(),
            f"{labels}replica-index": "0",
        }

    return JobKind(state, chief, roles)
