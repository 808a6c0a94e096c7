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


def _namespace_reconcile(client: ControllerClient, body: Body) -> None:
    namespace = body["metadata"]["name"]
    if client.get(("", "ServiceAccount"), namespace, "default") is None:
        account = {"name": "default", "namespace": namespace}
        client.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
            "kube-controller-manager",
        )


_NAMESPACE = Controller("namespace", (GroupKind("", "Namespace"),), _namespace_reconcile)


# -- persistent volume claim -----------------------------------------------------------------------

# Claims are bound immediately.


def _claim_reconcile(client: ControllerClient, body: Body) -> None:
    spec = body["spec"]
    status = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes", []),
        "capacity": (spec.get("resources") or {}).get("requests") or {},
    }
    client.status(body, status, "kube-controller-manager")


_CLAIM = Controller(
    "persistent-volume-claim", (GroupKind("", "PersistentVolumeClaim"),), _claim_reconcile
)


# -- service ---------------------------------------------------------------------------------------

# Services of type LoadBalancer get an address; other Services need nothing.


def _service_reconcile(client: ControllerClient, body: Body) -> None:
    if body["spec"].get("type") != "LoadBalancer":
        return
    last = hashlib.sha256(body["metadata"]["uid"].encode()).digest()[0] % 253 + 1
    address = {"ip": f"192.0.2.{last}", "ipMode": "VIP"}
    client.status(body, {"loadBalancer": {"ingress": [address]}}, "cloud-controller-manager")


_SERVICE = Controller("service", (GroupKind("", "Service"),), _service_reconcile)


# -- deployment ------------------------------------------------------------------------------------

# Deployments: the pods of a new template or of a higher count become ready after a time; pods with
# a failing image never do.
#
# As in the real controller, the condition Progressing names the template that is being rolled out
# in its message, and the start in `lastUpdateTime`: so the controller needs no state of its own.

_MANAGER = "kube-controller-manager"
_DEPLOYMENT_DONE = "NewReplicaSetAvailable"
_DEPLOYMENT_VERSION = "ml-reconciler.dev/version"


def _deployment_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    name = f"{body['metadata']['name']}-{_deployment_hash(spec['template'])}"
    progress = _deployment_progressing(status)
    counts = _Counts.of(status)
    begun = moment(progress["lastUpdateTime"]) if "lastUpdateTime" in progress else client.now
    is_new = f'"{name}"' not in str(progress.get("message", ""))
    grows = progress.get("reason") == _DEPLOYMENT_DONE and wanted > counts.updated
    if is_new or grows:
        begun = client.now
        reason = "ReplicaSetUpdated" if status else "NewReplicaSetCreated"
        progress = {"reason": reason, "message": f'ReplicaSet "{name}" is progressing.'}
        # A rolling update keeps the old pods and adds one; otherwise all new pods exist at once.
        rolls = is_new and counts.ready > 0 and wanted > 0
        counts = _Counts(counts.ready + 1, 1, counts.ready) if rolls else counts.grown(wanted)
    failing = _deployment_is_failing(client, body)
    done = begun + _deployment_delay(client, body)
    has_timed_out = begun + timedelta(seconds=int(spec.get("progressDeadlineSeconds", 600)))
    if wanted == 0 or (not failing and client.now >= done):
        _deployment_write(
            client,
            body,
            _deployment_available(name, client.now, progress),
            _Counts(wanted, wanted, wanted),
        )
        return None
    progress = {"status": "True", "lastUpdateTime": stamp(begun), **progress}
    if failing and client.now >= has_timed_out:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        progress |= {"reason": "ProgressDeadlineExceeded", "message": message, "status": "False"}
    _deployment_write(client, body, progress, counts)
    if not failing:
        return done
    return has_timed_out if client.now < has_timed_out else None


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


def _deployment_delay(client: ControllerClient, body: Body) -> timedelta:
    """A server that loads a model for KServe takes longer than a plain one."""
    owners = body["metadata"].get("ownerReferences") or ()
    loads = any(owner.get("kind") == "InferenceService" for owner in owners)
    return client.settings.model_load if loads else client.settings.pod_start


def _deployment_is_failing(client: ControllerClient, body: Body) -> bool:
    template = body["spec"]["template"]
    pod = template["spec"]
    images = [c.get("image") for c in (*pod.get("initContainers", ()), *pod["containers"])]
    labels = (template.get("metadata") or {}).get("labels") or {}
    names = [str(arg).rpartition("=")[2] for c in pod["containers"] for arg in c.get("args", ())]
    owners = [o.get("name") for o in body["metadata"].get("ownerReferences") or ()]
    return client.fails(
        body["metadata"]["name"], labels.get(_DEPLOYMENT_VERSION), *images, *names, *owners
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
    client: ControllerClient, body: Body, progress: dict[str, Any], counts: _Counts
) -> None:
    wanted = int(body["spec"].get("replicas", 1))
    enough = counts.ready >= wanted
    progress = {k: v for k, v in progress.items() if k not in ("type", "lastTransitionTime")}
    progressing = str(progress.pop("status"))
    conditions = with_condition(
        (body.get("status") or {}).get("conditions") or (),
        client.now,
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
        "conditions": with_condition(
            conditions, client.now, "Progressing", progressing, **progress
        ),
        **{name: number for name, number in numbers.items() if number},
    }
    client.status(body, status, _MANAGER)


_DEPLOYMENT = Controller("deployment", (GroupKind("apps", "Deployment"),), _deployment_reconcile)


# -- statefulset -----------------------------------------------------------------------------------

# StatefulSets: ready some time after the newest write of the spec.


def _stateful_set_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    metadata, wanted = body["metadata"], int(body["spec"].get("replicas", 1))
    rows = [r for r in metadata.get("managedFields", ()) if r.get("subresource") != "status"]
    written = max((r["time"] for r in rows), default=metadata["creationTimestamp"])
    done = moment(written) + client.settings.pod_start
    images = [c.get("image") for c in body["spec"]["template"]["spec"]["containers"]]
    failing = client.fails(metadata["name"], *images)
    ready = wanted if client.now >= done and not failing else 0
    status = {"observedGeneration": metadata["generation"], "replicas": wanted}
    if ready:
        status |= {"readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": ready}
    client.status(body, status, "kube-controller-manager")
    return done if client.now < done else None


_STATEFUL_SET = Controller(
    "statefulset", (GroupKind("apps", "StatefulSet"),), _stateful_set_reconcile
)


# -- job -------------------------------------------------------------------------------------------

# batch/v1 Jobs: one outcome per job, conditions as Kubernetes 1.31 and later write them.


def _job_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    if spec.get("suspend"):
        why = {"reason": "JobSuspended", "message": "Job suspended"}
        before = status.get("conditions") or []
        conditions = with_condition(before, client.now, "Suspended", "True", **why)
        client.status(body, {**status, "conditions": conditions}, _MANAGER)
        return None
    if training.is_finished(body):
        return _job_expire(client, body)
    pods = int(spec.get("parallelism", 1))
    if "startTime" not in status:
        fresh = {"startTime": stamp(client.now), "active": pods, "ready": 0, "terminating": 0}
        client.status(body, fresh, _MANAGER)
        return client.now + client.settings.pod_start
    start = moment(status["startTime"])
    if client.now < start + client.settings.pod_start:
        return start + client.settings.pod_start
    return _job_run(client, body, start, pods)


def _job_run(client: ControllerClient, body: Body, start: datetime, pods: int) -> datetime | None:
    spec, status = body["spec"], body["status"]
    outcome = training.outcome_of(client, body)
    allowed = spec.get("activeDeadlineSeconds")
    limit = timedelta(seconds=int(allowed)) if allowed is not None else outcome.duration
    has_timed_out = limit < outcome.duration
    end = start + client.settings.pod_start + min(limit, outcome.duration)
    if client.now < end:
        client.status(body, {**status, "ready": pods}, _MANAGER)
        return end
    done: dict[str, Any] = {"startTime": status["startTime"], "ready": 0, "terminating": 0}
    if outcome.succeeded and not has_timed_out:
        why = {
            "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods",
        }
        kinds = ("SuccessCriteriaMet", "Complete")
        done |= {
            "succeeded": int(spec.get("completions") or 1),
            "completionTime": stamp(client.now),
        }
    else:
        reason = "DeadlineExceeded" if has_timed_out else "BackoffLimitExceeded"
        text = "Job was active longer than specified deadline"
        why = {
            "reason": reason,
            "message": text if has_timed_out else "Job has reached the specified backoff limit",
        }
        kinds = ("FailureTarget", "Failed")
        done["failed"] = 1 + (0 if has_timed_out else int(spec.get("backoffLimit", 6)))
    conditions: list[dict[str, Any]] = []
    for kind in kinds:
        conditions = with_condition(conditions, client.now, kind, "True", **why)
    client.status(body, {**done, "conditions": conditions}, _MANAGER)
    return client.now + client.settings.latency


def _job_expire(client: ControllerClient, body: Body) -> datetime | None:
    ttl = body["spec"].get("ttlSecondsAfterFinished")
    if ttl is None:
        return None
    ended = max(moment(c["lastTransitionTime"]) for c in body["status"]["conditions"])
    end = ended + timedelta(seconds=int(ttl))
    if client.now < end:
        return end
    client.delete(body)
    return None


_JOB = Controller("job", (GroupKind("batch", "Job"),), _job_reconcile)


PROJECT = Project((_NAMESPACE, _CLAIM, _SERVICE, _DEPLOYMENT, _STATEFUL_SET, _JOB))
