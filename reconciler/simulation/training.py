"""What KubeDL's and Kubeflow's training jobs have in common: conditions as an array, in the order
of what happened, and counters a replica type.

Sources: kubedl pkg/job_controller, kubeflow training-operator v1.9 pkg/core and pkg/util.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.simulation.controller import ControllerClient, moment
from reconciler.simulation.object_bodies import Body, stamp
from reconciler.simulation.outcomes import Trained

__all__ = ["RUN_LABEL", "Dialect", "advance", "candidate_of", "is_finished", "state_of", "trained"]

RUN_LABEL = "workflows.argoproj.io/workflow"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one operator words its statuses. `policy` is where the run policy is in the spec."""

    manager: str
    reason: str  # a prefix of every reason; {kind} is the job's kind
    policy: tuple[str, ...] = ()
    default_ttl: int | None = None


def candidate_of(body: Body) -> tuple[str, str]:
    """Run and candidate of a job: `<run>-<candidate>` with the run in a label; a job outside of a
    pipeline is its own run."""
    name = str(body["metadata"]["name"])
    run = str((body["metadata"].get("labels") or {}).get(RUN_LABEL, ""))
    if run and name.startswith(f"{run}-"):
        return run, name[len(run) + 1 :]
    return run or name, "main" if not run else name


def trained(desk: ControllerClient, body: Body, metric: str = "accuracy") -> Trained:
    """The outcome that awaits this job."""
    run, candidate = candidate_of(body)
    return desk.outcomes.of(run, candidate, metric)


def state_of(body: Body) -> str:
    """Created, Running, Succeeded, Failed, or "" before the controller has seen it. Also reads a
    batch Job."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    true = {c.get("type") for c in conditions if c.get("status") == "True"}
    if "Complete" in true or "Succeeded" in true:
        return "Succeeded"
    return next((kind for kind in ("Failed", "Running", "Created") if kind in true), "")


def is_finished(body: Body) -> bool:
    return state_of(body) in ("Succeeded", "Failed")


def _policy(body: Body, dialect: Dialect) -> Mapping[str, Any]:
    node: Any = body["spec"]
    for name in dialect.policy:
        node = node.get(name) or {}
    found: Mapping[str, Any] = node
    return found


def _replicas(body: Body) -> dict[str, int]:
    for field, value in body["spec"].items():
        if field.endswith("ReplicaSpecs") and isinstance(value, dict):
            return {role: int(one.get("replicas", 1)) for role, one in value.items()}
    return {}


def advance(desk: ControllerClient, body: Body, dialect: Dialect) -> datetime | None:
    """Takes the job to where it should be by now; when to look again."""
    status = body.get("status") or {}
    match state_of(body):
        case "":
            _put(desk, body, dialect, "Created", "created", {})
            return desk.now + desk.settings.pod_start
        case "Created":
            conditions = status["conditions"]
            start = moment(conditions[-1]["lastTransitionTime"]) + desk.settings.pod_start
            if desk.now < start:
                return start
            counts = {role: {"active": count} for role, count in _replicas(body).items()}
            times = {"startTime": stamp(desk.now)}
            _put(desk, body, dialect, "Running", "running", {"replicaStatuses": counts, **times})
            return desk.now + trained(desk, body).duration
        case "Running":
            return _finish(desk, body, dialect, moment(status["startTime"]))
        case _:
            return _expire(desk, body, dialect)


def _finish(
    desk: ControllerClient, body: Body, dialect: Dialect, start: datetime
) -> datetime | None:
    outcome = trained(desk, body)
    allowed = _policy(body, dialect).get("activeDeadlineSeconds")
    limit = timedelta(seconds=int(allowed)) if allowed is not None else outcome.duration
    late = limit < outcome.duration
    end = start + min(limit, outcome.duration)
    if desk.now < end:
        return end
    succeeded = outcome.succeeded and not late
    key = "succeeded" if succeeded else "failed"
    counts = {role: {key: count} for role, count in _replicas(body).items()}
    if succeeded:
        text = "successfully completed"
    else:
        text = "failed because it was active longer than specified deadline" if late else "failed"
    more = {"replicaStatuses": counts, "completionTime": stamp(desk.now)}
    _put(desk, body, dialect, "Succeeded" if succeeded else "Failed", text, more)
    return desk.now + desk.settings.latency


def _expire(desk: ControllerClient, body: Body, dialect: Dialect) -> datetime | None:
    ttl = _policy(body, dialect).get("ttlSecondsAfterFinished", dialect.default_ttl)
    if ttl is None:
        return None
    end = moment(body["status"]["completionTime"]) + timedelta(seconds=int(ttl))
    if desk.now < end:
        return end
    desk.delete(body)
    return None


def _put(
    desk: ControllerClient,
    body: Body,
    dialect: Dialect,
    kind: str,
    text: str,
    more: Mapping[str, Any],
) -> None:
    """Appends a condition; Running turns False when the job has finished."""
    now = stamp(desk.now)
    status = dict(body.get("status") or {})
    conditions = [dict(c) for c in status.get("conditions") or ()]
    for condition in conditions:
        if condition["type"] == "Running" and kind in ("Succeeded", "Failed"):
            condition |= {"status": "False", "lastTransitionTime": now, "lastUpdateTime": now}
    name = body["metadata"]["name"]
    conditions.append(
        {
            "type": kind,
            "status": "True",
            "reason": f"{dialect.reason.format(kind=body['kind'])}{kind}",
            "message": f"{body['kind']} {name} is {text}.",
            "lastTransitionTime": now,
            "lastUpdateTime": now,
        }
    )
    status = {"replicaStatuses": {}, **status, **more}
    status["conditions"] = conditions
    status["lastReconcileTime"] = now
    desk.status(body, status, dialect.manager)
