"""Training jobs as KubeDL and Kubeflow run them: conditions as a list in the order of events, and
counters per replica type.

Sources: kubedl pkg/job_controller, kubeflow training-operator v1.9 pkg/core and pkg/util.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reconciler.simulation.controller import ControllerClient, moment
from reconciler.simulation.object_bodies import Body, stamp
from reconciler.simulation.outcomes import TrainingOutcome

__all__ = [
    "RUN_LABEL",
    "Dialect",
    "advance",
    "candidate_of",
    "is_finished",
    "outcome_of",
    "state_of",
]

RUN_LABEL = "workflows.argoproj.io/workflow"


@dataclass(frozen=True, slots=True)
class Dialect:
    """The texts of one operator's statuses. `policy` is the path of the run policy in the spec."""

    manager: str
    reason: str  # a prefix of every reason; {kind} is the job's kind
    policy: tuple[str, ...] = ()
    default_ttl: int | None = None


def candidate_of(body: Body) -> tuple[str, str]:
    """The run and the candidate of a job. A pipeline's job is named `<run>-<candidate>` and has the
    run in a label; any other job is a run by itself."""
    name = str(body["metadata"]["name"])
    run = str((body["metadata"].get("labels") or {}).get(RUN_LABEL, ""))
    if run and name.startswith(f"{run}-"):
        return run, name[len(run) + 1 :]
    return run or name, "main" if not run else name


def outcome_of(client: ControllerClient, body: Body, metric: str = "accuracy") -> TrainingOutcome:
    """The outcome of this job's training."""
    run, candidate = candidate_of(body)
    return client.outcomes.of(run, candidate, metric)


def state_of(body: Body) -> str:
    """Created, Running, Succeeded or Failed; "" before the controller has handled the job. Also
    reads a batch Job."""
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


def advance(client: ControllerClient, body: Body, dialect: Dialect) -> datetime | None:
    """Advances the job to its present state; returns when to advance again."""
    status = body.get("status") or {}
    match state_of(body):
        case "":
            _put(client, body, dialect, "Created", "created", {})
            return client.now + client.settings.pod_start
        case "Created":
            conditions = status["conditions"]
            start = moment(conditions[-1]["lastTransitionTime"]) + client.settings.pod_start
            if client.now < start:
                return start
            counts = {role: {"active": count} for role, count in _replicas(body).items()}
            times = {"startTime": stamp(client.now)}
            _put(client, body, dialect, "Running", "running", {"replicaStatuses": counts, **times})
            return client.now + outcome_of(client, body).duration
        case "Running":
            return _finish(client, body, dialect, moment(status["startTime"]))
        case _:
            return _expire(client, body, dialect)


def _finish(
    client: ControllerClient, body: Body, dialect: Dialect, start: datetime
) -> datetime | None:
    outcome = outcome_of(client, body)
    allowed = _policy(body, dialect).get("activeDeadlineSeconds")
    limit = timedelta(seconds=int(allowed)) if allowed is not None else outcome.duration
    late = limit < outcome.duration
    end = start + min(limit, outcome.duration)
    if client.now < end:
        return end
    succeeded = outcome.succeeded and not late
    key = "succeeded" if succeeded else "failed"
    counts = {role: {key: count} for role, count in _replicas(body).items()}
    if succeeded:
        text = "successfully completed"
    else:
        text = "failed because it was active longer than specified deadline" if late else "failed"
    more = {"replicaStatuses": counts, "completionTime": stamp(client.now)}
    _put(client, body, dialect, "Succeeded" if succeeded else "Failed", text, more)
    return client.now + client.settings.latency


def _expire(client: ControllerClient, body: Body, dialect: Dialect) -> datetime | None:
    ttl = _policy(body, dialect).get("ttlSecondsAfterFinished", dialect.default_ttl)
    if ttl is None:
        return None
    end = moment(body["status"]["completionTime"]) + timedelta(seconds=int(ttl))
    if client.now < end:
        return end
    client.delete(body)
    return None


def _put(
    client: ControllerClient,
    body: Body,
    dialect: Dialect,
    kind: str,
    text: str,
    more: Mapping[str, Any],
) -> None:
    """Appends a condition; Running turns False when the job has finished."""
    now = stamp(client.now)
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
    client.status(body, status, dialect.manager)
