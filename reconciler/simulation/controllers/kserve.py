"""KServe in Standard mode: makes a Deployment and a Service `<name>-predictor` for an
InferenceService, which is ready when the model is loaded; a failing version is blocked.

As in the real controller, the InferenceService's labels are copied to its children, and
`observedGeneration` is copied from the Deployment, so it does not tell which generation of the
InferenceService was handled.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation.controller import (
    Controller,
    ControllerClient,
    Project,
    moment,
    owner_reference,
    with_condition,
)
from reconciler.simulation.object_bodies import Body, stamp

__all__ = ["PROJECT"]

_MANAGER = "kserve-controller"
_VERSION = "ml-reconciler.dev/version"
_AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
#: How long an autoscaler takes to lift a new Deployment to its least number of pods.
_AUTOSCALER = timedelta(seconds=15)
_SERVER = "registry.example/kserve/server:v0.20.0"


def _reconcile(client: ControllerClient, body: Body) -> datetime | None:
    child = client.get(("apps", "Deployment"), body["metadata"]["namespace"], _child_name(body))
    wanted = _deployment(body)
    least = int((body["spec"].get("predictor") or {}).get("minReplicas", 1))
    due = None
    if child is None:
        if not _is_fixed(body):
            wanted["spec"]["replicas"] = 1
        child = client.create(wanted, _MANAGER)
        client.create(_service(body), _MANAGER)
    else:
        lifted = moment(child["metadata"]["creationTimestamp"]) + _AUTOSCALER
        if not _is_fixed(body) and client.now < lifted:
            wanted["spec"]["replicas"] = min(least, int(child["spec"].get("replicas", 1)))
        if _is_scaled_by_others(body):
            wanted["spec"]["replicas"] = child["spec"].get("replicas", 1)
        child = _update_deployment(client, child, wanted)
    if int(child["spec"].get("replicas", 1)) < least:
        due = moment(child["metadata"]["creationTimestamp"]) + _AUTOSCALER
    client.status(body, _status(client, body, child), _MANAGER)
    return due


def _is_fixed(body: Body) -> bool:
    """Whether the Deployment has its replicas from the start: with an autoscaler it has one pod,
    until the autoscaler lifts it to the least number."""
    return (body["metadata"].get("annotations") or {}).get(_AUTOSCALER_CLASS) == "none"


def _is_scaled_by_others(body: Body) -> bool:
    """Whether the real controller leaves the Deployment's replicas alone for good."""
    return (body["metadata"].get("annotations") or {}).get(_AUTOSCALER_CLASS) == "external"


def _child_name(body: Body) -> str:
    return f"{body['metadata']['name']}-predictor"


def _update_deployment(client: ControllerClient, child: Body, wanted: Body) -> Body:
    """Updates the Deployment's replicas and template to those of the InferenceService."""
    old, new = child["spec"], wanted["spec"]
    container, model = old["template"]["spec"]["containers"][0], new["template"]["spec"]
    same_model = all(
        container.get(field) == model["containers"][0].get(field) for field in ("image", "args")
    )
    metadata = new["template"]["metadata"]
    same_pods = all(old["template"]["metadata"].get(name) == metadata[name] for name in metadata)
    if old["replicas"] == new["replicas"] and same_model and same_pods:
        return child

    def change(fresh: Body) -> None:
        fresh["spec"]["replicas"] = new["replicas"]
        fresh["spec"]["template"]["metadata"] |= metadata
        fresh["spec"]["template"]["spec"]["containers"][0] |= model["containers"][0]

    return client.change(child, change, _MANAGER)


def _metadata(body: Body) -> dict[str, Any]:
    metadata = body["metadata"]
    return {
        "name": _child_name(body),
        "namespace": metadata["namespace"],
        "labels": {
            **(metadata.get("labels") or {}),
            "serving.kserve.io/inferenceservice": metadata["name"],
            "component": "predictor",
        },
        "ownerReferences": [owner_reference(body)],
    }


def _deployment(body: Body) -> Body:
    predictor = body["spec"].get("predictor") or {}
    model = predictor.get("model") or {}
    selector = {"app": f"isvc.{_child_name(body)}"}
    labels = {**selector, **(body["metadata"].get("labels") or {}), **predictor.get("labels", {})}
    annotations = predictor.get("annotations") or {}
    uri = str(model.get("storageUri", ""))
    server = {
        "name": "kserve-container",
        "image": model.get("image") or _SERVER,
        "args": [f"--model_name={body['metadata']['name']}", f"--model_uri={uri}"],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(body),
        "spec": {
            "replicas": int(predictor.get("minReplicas", 1)),
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": labels, "annotations": dict(annotations)},
                "spec": {"containers": [server]},
            },
        },
    }


def _service(body: Body) -> Body:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    selector = {"app": f"isvc.{_child_name(body)}"}
    metadata = _metadata(body)
    spec = {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _status(client: ControllerClient, body: Body, child: Body) -> dict[str, Any]:
    metadata, before = body["metadata"], body.get("status") or {}
    seen = child.get("status") or {}
    predictor = body["spec"].get("predictor") or {}
    # The Deployment's condition Available, which a rolling update keeps: so the status stays ready
    # through a change, and it is ready with the one pod that an autoscaler starts with.
    wanted = int(child["spec"].get("replicas", 1))
    total, up = (int(seen.get(name, 0)) for name in ("replicas", "readyReplicas"))
    ready = up >= wanted
    version = (metadata.get("labels") or {}).get(_VERSION)
    uri = (predictor.get("model") or {}).get("storageUri")
    blocked = client.fails(metadata["name"], version, uri)
    started = total > 0
    conditions = before.get("conditions") or []
    why = (
        {}
        if ready
        else {"reason": "MinimumReplicasUnavailable", "message": _unready_message(child)}
    )
    for kind in ("IngressReady", "PredictorReady", "Ready"):
        conditions = with_condition(
            conditions, client.now, kind, "True" if ready else "False", **why
        )
    conditions = with_condition(conditions, client.now, "Stopped", "False", severity="Info")
    host = f"{metadata['name']}-{metadata['namespace']}.example.com"
    service = f"{_child_name(body)}.{metadata['namespace']}.svc.cluster.local"
    status: dict[str, Any] = {
        "components": {"predictor": {}},
        "conditions": sorted(conditions, key=lambda c: str(c["type"])),
        "deploymentMode": "Standard",
        "modelStatus": _model_status(ready, blocked and started, before, client.now, up),
    }
    if "observedGeneration" in seen:
        status["observedGeneration"] = seen["observedGeneration"]
    if ready:
        status["url"] = f"http://{host}"
        status["address"] = {"url": f"http://{service}"}
        status["components"]["predictor"]["url"] = f"http://{_child_name(body)}-{host}"
    return status


def _unready_message(child: Body) -> str:
    name = child.get("metadata", {}).get("name", "")
    return f"Deployment {name} does not have minimum availability."


def _model_status(
    ready: bool, blocked: bool, before: dict[str, Any], now: datetime, pods: int
) -> dict[str, Any]:
    if blocked:
        last = (before.get("modelStatus") or {}).get("lastFailureInfo") or {}
        failure = {
            "exitCode": 1,
            "message": "the model server could not load the model",
            "reason": "ModelLoadFailed",
            "time": last.get("time", stamp(now)),
        }
        states = {"activeModelState": "", "targetModelState": "FailedToLoad"}
        return {
            "copies": {"failedCopies": 1, "totalCopies": 1},
            "lastFailureInfo": failure,
            "states": states,
            "transitionStatus": "BlockedByFailedLoad",
        }
    if ready:
        return {
            "copies": {"failedCopies": 0, "totalCopies": pods},
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        }
    return {
        "states": {"activeModelState": "", "targetModelState": "Pending"},
        "transitionStatus": "InProgress",
    }


_KSERVE = Controller("kserve", (GroupKind("serving.kserve.io", "InferenceService"),), _reconcile)

PROJECT = Project((_KSERVE,))
