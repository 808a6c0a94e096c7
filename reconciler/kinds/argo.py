"""Argo Workflows. None of its kinds has a status subresource.

Argo's releases install CRDs without validation, so the server merges none of the lists by key.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.objects.job import job_readiness
from reconciler.objects.key import GroupKind
from reconciler.objects.kind import (
    Body,
    JobKind,
    JobPhase,
    JobState,
    Kind,
    PruneClass,
    Readiness,
    Wave,
)
from reconciler.objects.status import (
    READY,
    always_ready,
    condition,
    condition_text,
    failed,
    status_of,
    text_of,
    time_of,
)

__all__ = ["KINDS"]

_GROUP = "argoproj.io"
_PHASES = {
    "Running": JobPhase.RUNNING,
    "Succeeded": JobPhase.SUCCEEDED,
    "Failed": JobPhase.FAILED,
    "Error": JobPhase.FAILED,
}


def _state(body: Body) -> JobState:
    status = status_of(body)
    phase = text_of(status, "phase")
    return JobState(
        _PHASES.get(phase, JobPhase.PENDING),
        text_of(status, "message") or phase,
        time_of(status.get("startedAt")),
        time_of(status.get("finishedAt")),
        (body.get("spec") or {}).get("suspend") is True,
    )


def _chief(body: Body) -> Mapping[str, str]:
    return {"workflows.argoproj.io/workflow": str((body.get("metadata") or {}).get("name", ""))}


def _roles(_body: Body) -> Mapping[str, int]:
    return {}


def _cron_workflow(body: Body) -> Readiness:
    status = status_of(body)
    for kind in ("SpecError", "SubmissionError"):
        if condition(status, kind) == "True":
            return failed(condition_text(status, kind))
    return READY


_RUN = JobKind(_state, _chief, _roles)

KINDS = (
    Kind(
        GroupKind(_GROUP, "WorkflowTemplate"),
        "workflowtemplates",
        "v1alpha1",
        always_ready,
        Wave.CONFIG,
        has_status_subresource=False,
        ready_at_once=True,
        carries=True,
    ),
    Kind(
        GroupKind(_GROUP, "ClusterWorkflowTemplate"),
        "clusterworkflowtemplates",
        "v1alpha1",
        always_ready,
        Wave.CONFIG,
        namespaced=False,
        has_status_subresource=False,
        ready_at_once=True,
        carries=True,
    ),
    Kind(
        GroupKind(_GROUP, "CronWorkflow"),
        "cronworkflows",
        "v1alpha1",
        _cron_workflow,
        prune=PruneClass.SCHEDULE,
        longest_name=52,
        has_status_subresource=False,
        carries=True,
    ),
    Kind(
        GroupKind(_GROUP, "Workflow"),
        "workflows",
        "v1alpha1",
        job_readiness(_RUN),
        prune=PruneClass.RUN,
        has_status_subresource=False,
        job=_RUN,
        carries=True,
    ),
)
