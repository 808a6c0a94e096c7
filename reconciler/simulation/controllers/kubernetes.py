"""Kubernetes' own controllers, as far as drawn objects need them."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from reconciler.objects.key import GroupKind
from reconciler.simulation import training
from reconciler.simulation.controller import (
    Controller,
    ControllerClient,
    Project,
    moment,
    with_condition,
)
from reconciler.simulation.object_bodies import Body, stamp

__all__ = ["PROJECT"]

# -- namespace -------------------------------------------------------------------------------------

# Every namespace gets its `default` service account.


def _namespace_reconcile(desk: ControllerClient, body: Body) -> None:
    namespace = body["metadata"]["name"]
    if desk.get(("", "ServiceAccount"), namespace, "default") is None:
        account = {"name": "default", "namespace": namespace}
        desk.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
            "kube-controller-manager",
        )


_NAMESPACE = Controller("namespace", (GroupKind("", "Namespace"),), _namespace_reconcile)


# -- persistent volume claim -----------------------------------------------------------------------

# Claims are bound at once.


def _claim_reconcile(desk: ControllerClient, body: Body) -> None:
    spec = body["spec"]
    status = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes", []),
        "capacity": (spec.get("resources") or {}).get("requests") or {},
    }
    desk.status(body, status, "kube-controller-manager")


_CLAIM = Controller(
    "persistent-volume-claim", (GroupKind("", "PersistentVolumeClaim"),), _claim_reconcile
)


# -- service ---------------------------------------------------------------------------------------

# Services of type LoadBalancer get an address; the others need nothing.


def _service_reconcile(desk: ControllerClient, body: Body) -> None:
    if body["spec"].get("type") != "LoadBalancer":
        return
    last = hashlib.sha256(body["metadata"]["uid"].encode()).digest()[0] % 253 + 1
    address = {"ip": f"192.0.2.{last}", "ipMode": "VIP"}
    desk.status(body, {"loadBalancer": {"ingress": [address]}}, "cloud-controller-manager")


_SERVICE = Controller("service", (GroupKind("", "Service"),), _service_reconcile)


# -- deployment ------------------------------------------------------------------------------------

# Deployments: pods of a new template or of a higher count are ready after a while, pods with a
# failing image never.
#
# The condition Progressing carries in its message which template is being rolled out and in
# `lastUpdateTime` since when, as the real controller's does: so nothing has to be remembered.

_MANAGER = "kube-controller-manager"
_DEPLOYMENT_DONE = "NewReplicaSetAvailable"
_DEPLOYMENT_VERSION = "ml-reconciler.dev/version"


def _deployment_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    name = f"{body['metadata']['name']}-{_deployment_hash(spec['template'])}"
    progress = _deployment_progressing(status)
    counts = _Counts.of(status)
    begun = moment(progress["lastUpdateTime"]) if "lastUpdateTime" in progress else desk.now
    is_new = f'"{name}"' not in str(progress.get("message", ""))
    grows = progress.get("reason") == _DEPLOYMENT_DONE and wanted > counts.updated
    if is_new or grows:
        begun = desk.now
        reason = "ReplicaSetUpdated" if status else "NewReplicaSetCreated"
        progress = {"reason": reason, "message": f'ReplicaSet "{name}" is progressing.'}
        # A rolling update keeps the old pods and adds one; otherwise all new pods exist at once.
        rolls = is_new and counts.ready > 0 and wanted > 0
        counts = _Counts(counts.ready + 1, 1, counts.ready) if rolls else counts.grown(wanted)
    failing = _deployment_is_failing(desk, body)
    done = begun + _deployment_delay(desk, body)
    late = begun + timedelta(seconds=int(spec.get("progressDeadlineSeconds", 600)))
    if wanted == 0 or (not failing and desk.now >= done):
        _deployment_write(
            desk,
            body,
            _deployment_available(name, desk.now, progress),
            _Counts(wanted, wanted, wanted),
        )
        return None
    progress = {"status": "True", "lastUpdateTime": stamp(begun), **progress}
    if failing and desk.now >= late:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        progress |= {"reason": "ProgressDeadlineExceeded", "message": message, "status": "False"}
    _deployment_write(desk, body, progress, counts)
    if not failing:
        return done
    return late if desk.now < late else None


class _Counts(NamedTuple):
    total: int
    updated: int
    ready: int

    @classmethod
    def of(cls, status: dict[str, Any]) -> _Counts:
        names = ("replicas", "updatedReplicas", "readyReplicas")
        return cls(*(int(status.get(name, 0)) for name in names))

    def grown(self, wanted: int) -> _Counts:
        return _Counts(wanted, wanted, min(self.ready, wanted))


def _deployment_hash(template: Any) -> str:
    raw = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(raw).hexdigest()[:9]


def _deployment_progressing(status: dict[str, Any]) -> dict[str, Any]:
    conditions = status.get("conditions") or ()
    return next((c for c in conditions if c.get("type") == "Progressing"), {})


def _deployment_delay(desk: ControllerClient, body: Body) -> timedelta:
    """A server that loads a model for KServe takes longer than a plain one."""
    owners = body["metadata"].get("ownerReferences") or ()
    loads = any(owner.get("kind") == "InferenceService" for owner in owners)
    return desk.settings.model_load if loads else desk.settings.pod_start


def _deployment_is_failing(desk: ControllerClient, body: Body) -> bool:
    template = body["spec"]["template"]
    pod = template["spec"]
    images = [c.get("image") for c in (*pod.get("initContainers", ()), *pod["containers"])]
    labels = (template.get("metadata") or {}).get("labels") or {}
    words = [str(arg).rpartition("=")[2] for c in pod["containers"] for arg in c.get("args", ())]
    owners = [o.get("name") for o in body["metadata"].get("ownerReferences") or ()]
    return desk.fails(
        body["metadata"]["name"], labels.get(_DEPLOYMENT_VERSION), *images, *words, *owners
    )


def _deployment_available(name: str, now: datetime, before: dict[str, Any]) -> dict[str, Any]:
    message = f'ReplicaSet "{name}" has successfully progressed.'
    if before.get("reason") == _DEPLOYMENT_DONE and before.get("message") == message:
        return before
    return {
        "reason": _DEPLOYMENT_DONE,
        "message": message,
        "status": "True",
        "lastUpdateTime": stamp(now),
    }


def _deployment_write(
    desk: ControllerClient, body: Body, progress: dict[str, Any], counts: _Counts
) -> None:
    wanted = int(body["spec"].get("replicas", 1))
    enough = counts.ready >= wanted
    progress = {k: v for k, v in progress.items() if k not in ("type", "lastTransitionTime")}
    progressing = str(progress.pop("status"))
    conditions = with_condition(
        (body.get("status") or {}).get("conditions") or (),
        desk.now,
        "Available",
        "True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )
    numbers = {
        "replicas": counts.total,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.ready,
        "unavailableReplicas": max(0, wanted - counts.ready),
    }
    status = {
        "observedGeneration": body["metadata"]["generation"],
        "conditions": with_condition(conditions, desk.now, "Progressing", progressing, **progress),
        **{name: number for name, number in numbers.items() if number},
    }
    desk.status(body, status, _MANAGER)


_DEPLOYMENT = Controller("deployment", (GroupKind("apps", "Deployment"),), _deployment_reconcile)


# -- statefulset -----------------------------------------------------------------------------------

# StatefulSets: ready after a while, by the time of the newest spec write.


def _stateful_set_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    metadata, wanted = body["metadata"], int(body["spec"].get("replicas", 1))
    rows = [r for r in metadata.get("managedFields", ()) if r.get("subresource") != "status"]
    written = max((r["time"] for r in rows), default=metadata["creationTimestamp"])
    done = moment(written) + desk.settings.pod_start
    images = [c.get("image") for c in body["spec"]["template"]["spec"]["containers"]]
    failing = desk.fails(metadata["name"], *images)
    ready = wanted if desk.now >= done and not failing else 0
    status = {"observedGeneration": metadata["generation"], "replicas": wanted}
    if ready:
        status |= {"readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": ready}
    desk.status(body, status, "kube-controller-manager")
    return done if desk.now < done else None


_STATEFUL_SET = Controller(
    "statefulset", (GroupKind("apps", "StatefulSet"),), _stateful_set_reconcile
)


# -- job -------------------------------------------------------------------------------------------

# batch/v1 Jobs: one outcome a job, conditions as Kubernetes 1.31 and later writes them.


def _job_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    if spec.get("suspend"):
        why = {"reason": "JobSuspended", "message": "Job suspended"}
        before = status.get("conditions") or []
        conditions = with_condition(before, desk.now, "Suspended", "True", **why)
        desk.status(body, {**status, "conditions": conditions}, _MANAGER)
        return None
    if training.is_finished(body):
        return _job_expire(desk, body)
    pods = int(spec.get("parallelism", 1))
    if "startTime" not in status:
        fresh = {"startTime": stamp(desk.now), "active": pods, "ready": 0, "terminating": 0}
        desk.status(body, fresh, _MANAGER)
        return desk.now + desk.settings.pod_start
    start = moment(status["startTime"])
    if desk.now < start + desk.settings.pod_start:
        return start + desk.settings.pod_start
    return _job_run(desk, body, start, pods)


def _job_run(desk: ControllerClient, body: Body, start: datetime, pods: int) -> datetime | None:
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


def _job_expire(desk: ControllerClient, body: Body) -> datetime | None:
    ttl = body["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    ended = max(moment(c["lastTransitionTime"]) for c in body["status"]["conditions"])
    end = ended + timedelta(seconds=int(ttl))
    if desk.now < end:
        return end
    desk.delete(body)
    return None


_JOB = Controller("job", (GroupKind("batch", "Job"),), _job_reconcile)


PROJECT = Project((_NAMESPACE, _CLAIM, _SERVICE, _DEPLOYMENT, _STATEFUL_SET, _JOB))
