"""batch/v1 Jobs: one outcome a job, conditions as Kubernetes 1.31 and later writes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation import training
from reconciler.simulation.bodies import Body, stamp
from reconciler.simulation.controller import Controller, Desk, moment, with_condition

__all__ = ["CONTROLLER"]

_MANAGER = "kube-controller-manager"


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    if spec.get("suspend"):
        why = {"reason": "JobSuspended", "message": "Job suspended"}
        before = status.get("conditions") or []
        conditions = with_condition(before, desk.now, "Suspended", "True", **why)
        desk.status(body, {**status, "conditions": conditions}, _MANAGER)
        return None
    if training.is_finished(body):
        return _expire(desk, body)
    pods = int(spec.get("parallelism", 1))
    if "startTime" not in status:
        fresh = {"startTime": stamp(desk.now), "active": pods, "ready": 0, "terminating": 0}
        desk.status(body, fresh, _MANAGER)
        return desk.now + desk.settings.pod_start
    start = moment(status["startTime"])
    if desk.now < start + desk.settings.pod_start:
        return start + desk.settings.pod_start
    return _run(desk, body, start, pods)


def _run(desk: Desk, body: Body, start: datetime, pods: int) -> datetime | None:
    spec, status = body["spec"], body["status"]
    outcome = training.trained(desk, body)
    allowed = spec.get("activeDeadlineSeconds")
    limit = timedelta(seconds=int(allowed)) if allowed is not None else outcome.duration
    late = limit < outcome.duration
    end = start + desk.settings.pod_start + min(limit, outcome.duration)
    if desk.now < end:
        desk.status(body, {**status, "ready": pods}, _MANAGER)
        return end
    done: dict[str, Any] = {"startTime": status["startTime"], "ready": 0, "terminating": 0}
    if outcome.succeeded and not late:
        why = {
            "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods",
        }
        kinds = ("SuccessCriteriaMet", "Complete")
        done |= {"succeeded": int(spec.get("completions") or 1), "completionTime": stamp(desk.now)}
    else:
        reason = "DeadlineExceeded" if late else "BackoffLimitExceeded"
        text = "Job was active longer than specified deadline"
        why = {
            "reason": reason,
            "message": text if late else "Job has reached the specified backoff limit",
        }
        kinds = ("FailureTarget", "Failed")
        done["failed"] = 1 + (0 if late else int(spec.get("backoffLimit", 6)))
    conditions: list[dict[str, Any]] = []
    for kind in kinds:
        conditions = with_condition(conditions, desk.now, kind, "True", **why)
    desk.status(body, {**done, "conditions": conditions}, _MANAGER)
    return desk.now + desk.settings.latency


def _expire(desk: Desk, body: Body) -> datetime | None:
    ttl = body["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    ended = max(moment(c["lastTransitionTime"]) for c in body["status"]["conditions"])
    end = ended + timedelta(seconds=int(ttl))
    if desk.now < end:
        return end
    desk.delete(body)
    return None


CONTROLLER = Controller("job", (GroupKind("batch", "Job"),), _reconcile)
