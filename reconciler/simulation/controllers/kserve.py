"""KServe in Standard mode: makes a Deployment and a Service `<name>-predictor` for an
InferenceService, which is ready when the model is loaded; a failing version is blocked.

As in the real controller, the InferenceService's labels are copied to its children, and
`observedGeneration` is copied from the Deployment, so it does not tell which generation of the
InferenceService was handled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation.controller import (
    Controller,
    ControllerClient,
    Project,
    owner_reference,
    with_condition,
)
from reconciler.simulation.object_bodies import Body, stamp

__all__ = ["PROJECT"]

_MANAGER = "kserve-controller"
_VERSION = "ml-reconciler.dev/version"
_SERVER = "registry.example/kserve/server:v0.20.0"


def _reconcile(client: ControllerClient, body: Body) -> datetime | None:
    child = client.get(("apps", "Deployment"), body["metadata"]["namespace"], _child_name(body))
    wanted = _deployment(body)
    if child is None:
        child = client.create(wanted, _MANAGER)
        client.create(_service(body), _MANAGER)
    else:
        child = _update_deployment(client, child, wanted)
    client.status(body, _status(client, body, child), _MANAGER)
    return None


def _child_name(body: Body) -> str:
    return f"{body['metadata']['name']}-predictor"


def _update_deployment(client: ControllerClient, child: Body, wanted: Body) -> Body:
    """Updates the Deployment's replicas and template to those of the InferenceService."""
    old, new = child["spec"], wanted["spec"]
    container, model = old["template"]["spec"]["containers"][0], new["template"]["spec"]
    same_model = all(
        container.get(field) == model["containers"][0].get(field) for field in ("image", "args")
    )
    labels = new["template"]["metadata"]["labels"]
    if (
        old["replicas"] == new["replicas"]
        and same_model
        and old["template"]["metadata"]["labels"] == labels
    ):
        return child

    def change(fresh: Body) -> None:
        fresh["spec"]["replicas"] = new["replicas"]
        fresh["spec"]["template"]["metadata"]["labels"] = labels
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
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [server]}},
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
    wanted = int(predictor.get("minReplicas", 1))
    current = seen.get("observedGeneration") == child.get("metadata", {}).get("generation")
    total, updated, up = (
        int(seen.get(name, 0)) for name in ("replicas", "updatedReplicas", "readyReplicas")
    )
    ready = current and min(up, updated) >= wanted and total <= updated
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
        "modelStatus": _model_status(ready, blocked and started, before, client.now),
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
    ready: bool, blocked: bool, before: dict[str, Any], now: datetime
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
            "copies": {"failedCopies": 0, "totalCopies": 1},
            "states": {"activeModelState": "Loaded", "targetModelState": "Loaded"},
            "transitionStatus": "UpToDate",
        }
    return {
        "states": {"activeModelState": "", "targetModelState": "Pending"},
        "transitionStatus": "InProgress",
    }


_KSERVE = Controller("kserve", (GroupKind("serving.kserve.io", "InferenceService"),), _reconcile)

PROJECT = Project((_KSERVE,))
