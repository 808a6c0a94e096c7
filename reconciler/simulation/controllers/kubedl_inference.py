"""KubeDL's Inference, with what its controller gets wrong.

A predictor's Deployment and Service are made once and never changed or deleted; the entry Service
has no owner and is left behind; a model version that is not built yet is not waited for: nothing
happens until the Inference or one of its Deployments changes. Weights split nothing. Two
predictors crash the manager (see `simulation.kubedl`).
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation import kubedl
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk, owner_reference

__all__ = ["CONTROLLER"]

_MANAGER = "kubedl-manager"
_ENTRY_LABEL = "kubedl.io/inference-name"
_PREDICTOR_LABEL = "kubedl.io/predictor-name"
_MISSING_RETRY = timedelta(minutes=1)
_PORTS = (("http", 8080), ("grpc", 9000))


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    predictors = kubedl.deployable(desk, body)
    crashed = kubedl.crash_cause(desk)
    if crashed and not crashed.startswith(f"Inference {namespace}/{name}:"):
        return kubedl.down(desk)
    if desk.get(("", "Service"), namespace, name) is None:
        # No owner reference: it outlives the Inference.
        desk.create(_service(name, namespace, {_ENTRY_LABEL: name}, []), _MANAGER)
    for predictor in predictors:
        _deploy(desk, body, predictor)
    if crashed:
        return kubedl.down(desk)  # the panic comes after the children are made
    desk.status(body, _status(desk, body, predictors), _MANAGER)
    for predictor in body["spec"].get("predictors") or ():
        version = predictor.get("modelVersion")
        if version and desk.get(kubedl.MODEL_VERSION, namespace, version) is None:
            return desk.now + _MISSING_RETRY  # an error is tried again; an unbuilt one is not
    return None


def _deploy(desk: Desk, body: Body, predictor: Body) -> None:
    namespace, inference = body["metadata"]["namespace"], body["metadata"]["name"]
    name = f"{inference}-{predictor['name']}"
    owners = [owner_reference(body)]
    labels = {_ENTRY_LABEL: inference, _PREDICTOR_LABEL: predictor["name"]}
    if desk.get(("apps", "Deployment"), namespace, name) is None:
        template = copy.deepcopy(predictor.get("template") or {})
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        if version := predictor.get("modelVersion"):
            _load_model(desk, body, template["spec"], predictor, version)
        desk.create(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": labels,
                    "ownerReferences": owners,
                },
                "spec": {
                    "replicas": int(predictor.get("replicas", 1)),
                    "selector": {"matchLabels": labels},
                    "template": template,
                },
            },
            _MANAGER,
        )
    if desk.get(("", "Service"), namespace, name) is None:
        desk.create(_service(name, namespace, labels, owners), _MANAGER)


def _load_model(desk: Desk, body: Body, pod: dict[str, Any], predictor: Body, version: str) -> None:
    """An init container copies the model image's files to where the server looks."""
    found = desk.get(kubedl.MODEL_VERSION, body["metadata"]["namespace"], version) or {}
    image = (found.get("status") or {}).get("image") or "missing"
    path = predictor.get("modelPath") or f"/kubedl-model/{version}"
    mount = {"name": "kubedl-model", "mountPath": path}
    pod.setdefault("volumes", []).append({"name": "kubedl-model", "emptyDir": {}})
    pod.setdefault("initContainers", []).append(
        {"name": "kubedl-model-loader", "image": image, "volumeMounts": [mount]}
    )
    for container in pod.get("containers") or ():
        container.setdefault("volumeMounts", []).append(mount)
        variable = {"name": "KUBEDL_MODEL_PATH", "value": path}
        container.setdefault("env", []).append(variable)


def _service(
    name: str, namespace: str, selector: dict[str, str], owners: list[dict[str, Any]]
) -> Body:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if owners:
        metadata["ownerReferences"] = owners
    ports = [
        {"name": kind, "port": port, "targetPort": port, "protocol": "TCP"} for kind, port in _PORTS
    ]
    spec = {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _status(desk: Desk, body: Body, predictors: list[Body]) -> dict[str, Any]:
    namespace, inference = body["metadata"]["namespace"], body["metadata"]["name"]
    rows = []
    for predictor in predictors:
        name = f"{inference}-{predictor['name']}"
        seen = (desk.get(("apps", "Deployment"), namespace, name) or {}).get("status") or {}
        rows.append(
            {
                "name": predictor["name"],
                "replicas": int(seen.get("replicas", 0)),
                "readyReplicas": int(seen.get("readyReplicas", 0)),
                "endpoint": f"{name}.{namespace}.svc",
                "trafficPercent": 100,
            }
        )
    return {"inferenceEndpoint": f"{inference}.{namespace}", "predictorStatuses": rows}


CONTROLLER = Controller("kubedl-inference", (GroupKind(*kubedl.INFERENCE),), _reconcile)
