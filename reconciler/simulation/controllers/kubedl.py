"""KubeDL v0.5.0 with its real defects: training jobs, model versions, inference."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation import kubedl, training
from reconciler.simulation.controller import (
    Controller,
    ControllerClient,
    Project,
    moment,
    owner_reference,
)
from reconciler.simulation.object_bodies import Body, stamp

__all__ = ["PROJECT"]

# -- kubedl job ------------------------------------------------------------------------------------

# KubeDL's training jobs. A TFJob or PyTorchJob with a model version publishes it on success.
#
# The ModelVersion is named `mv-<job>-<first five characters of the job's uid>`. Its local storage
# gets the node of the finished pod, but only when the job gave a node name.

_JOB_DIALECT = training.Dialect("kubedl-manager", "Job")
_JOB_XGBOOST = training.Dialect("kubedl-manager", "Job", default_ttl=100)
_JOB_KINDS = ("TFJob", "PyTorchJob", "XGBoostJob", "XDLJob", "MPIJob", "MarsJob", "ElasticDLJob")
_JOB_NODE = "simulated-node-1"


def _job_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    if (again := kubedl.retry_time(client)) is not None:
        return again
    if training.state_of(body) == "Succeeded" and "modelVersionName" not in body["status"]:
        _job_publish(client, body)
        body = client.get((_job_group(body), body["kind"]), *_job_place(body)) or body
    return training.advance(
        client, body, _JOB_XGBOOST if body["kind"] == "XGBoostJob" else _JOB_DIALECT
    )


def _job_group(body: Body) -> str:
    return str(body["apiVersion"]).partition("/")[0]


def _job_place(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _job_publish(client: ControllerClient, body: Body) -> None:
    wanted = body["spec"].get("modelVersion")
    if body["kind"] not in ("TFJob", "PyTorchJob") or wanted is None:
        return
    namespace, job = _job_place(body)
    spec = copy.deepcopy(wanted)
    local = (spec.get("storage") or {}).get("localStorage") or {}
    if local.get("nodeName"):
        local["nodeName"] = _JOB_NODE
    spec["createdBy"] = job
    name = f"mv-{job}-{body['metadata']['uid'][:5]}"
    version = {
        "apiVersion": "model.kubedl.io/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    client.create(version, _JOB_DIALECT.manager)
    client.status(body, {**body["status"], "modelVersionName": name}, _JOB_DIALECT.manager)


_JOB = Controller(
    "kubedl-job",
    tuple(GroupKind("training.kubedl.io", kind) for kind in _JOB_KINDS),
    _job_reconcile,
)


# -- kubedl model version --------------------------------------------------------------------------

# KubeDL's ModelVersion: builds an image, with the real controller's defects.
#
# The model's `latestVersion` changes when a build starts, and does not go back when the build
# fails. A tag that was used before counts as built and leaves `status.image` empty. A version
# without storage, or with local storage without a node name, is never built. A finished version is
# never reconciled again.

_MANAGER = "kubedl-manager"
_VERSION_MODEL_LABEL = "model.kubedl.io/model-name"
_VERSION_POD_ANNOTATION = "model.kubedl.io/img-build-pod-name"


def _version_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    if (again := kubedl.retry_time(client)) is not None:
        return again
    status = body.get("status") or {}
    if status.get("imageBuildPhase") in ("ImageBuildSucceeded", "ImageBuildFailed"):
        return None
    spec = body["spec"]
    model = _version_model(client, body)
    storage = spec.get("storage") or {}
    local = storage.get("localStorage")
    if not storage or (local is not None and not local.get("nodeName")):
        return None  # the real controller logs an error, and in some cases retries for ever
    tag = spec.get("imageTag") or body["metadata"]["uid"][:5]
    name = f"image-build-{spec.get('modelName', '')}-{tag}"
    namespace = body["metadata"]["namespace"]
    pod = client.get(("", "Pod"), namespace, name)
    if pod is None:
        pod = client.create(_version_pod(body, name), _MANAGER)
        image = f"{spec.get('imageRepo', '')}:{tag}"
        _version_begin(client, body, model, name, image)
        latest = {"modelVersion": body["metadata"]["name"], "imageName": image}
        client.status(model, {"latestVersion": latest}, _MANAGER)
    end = moment(pod["metadata"]["creationTimestamp"]) + client.settings.image_build
    if client.now < end:
        return end
    if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        failed = body["metadata"]["name"] in client.settings.failing_builds
        client.status(pod, {"phase": "Failed" if failed else "Succeeded"}, "kubelet")
        pod = client.get(("", "Pod"), namespace, name) or pod
    _version_end(client, body, succeeded=pod["status"]["phase"] == "Succeeded")
    return None


def _version_model(client: ControllerClient, body: Body) -> Body:
    """The Model that the version names; created when it is absent."""
    namespace, name = body["metadata"]["namespace"], str(body["spec"].get("modelName", ""))
    found = client.get(kubedl.MODEL, namespace, name)
    if found is not None:
        return found
    fresh = {
        "apiVersion": "model.kubedl.io/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
    }
    return client.create(fresh, _MANAGER)


def _version_pod(body: Body, name: str) -> Body:
    metadata = {
        "name": name,
        "namespace": body["metadata"]["namespace"],
        "ownerReferences": [owner_reference(body)],
    }
    container = {"name": "image-build", "image": "kubedl/kaniko:latest"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _version_begin(client: ControllerClient, body: Body, model: Body, pod: str, image: str) -> None:
    """Writes the object and its status in one update: the kind has no status subresource."""

    def change(fresh: dict[str, Any]) -> None:
        metadata = fresh["metadata"]
        metadata.setdefault("labels", {})[_VERSION_MODEL_LABEL] = model["metadata"]["name"]
        metadata.setdefault("annotations", {})[_VERSION_POD_ANNOTATION] = pod
        owners = metadata.setdefault("ownerReferences", [])
        if not any(owner["uid"] == model["metadata"]["uid"] for owner in owners):
            owners.append(owner_reference(model, controller=False))
        fresh["status"] = {
            "image": image,
            "imageBuildPhase": "ImageBuilding",
            "message": "Image building started.",
        }

    client.change(body, change, _MANAGER)


def _version_end(client: ControllerClient, body: Body, *, succeeded: bool) -> None:
    def change(fresh: dict[str, Any]) -> None:
        fresh["status"] = {
            **(fresh.get("status") or {}),
            "imageBuildPhase": "ImageBuildSucceeded" if succeeded else "ImageBuildFailed",
            "message": "Image build succeeded." if succeeded else "Image build failed.",
            "finishTime": stamp(client.now),
        }

    client.change(body, change, _MANAGER)


_VERSION = Controller(
    "kubedl-model-version", (GroupKind(*kubedl.MODEL_VERSION),), _version_reconcile
)


# -- kubedl inference ------------------------------------------------------------------------------

# KubeDL's Inference, with the real controller's defects.
#
# A predictor's Deployment and Service are created once, and never changed or deleted. The entry
# Service has no owner, and remains when the Inference is deleted. When a model version is not built
# yet, nothing happens until the Inference or one of its Deployments changes. Weights do not split
# traffic. Two predictors crash the manager (see `simulation.kubedl`).

_INFERENCE_ENTRY_LABEL = "kubedl.io/inference-name"
_INFERENCE_PREDICTOR_LABEL = "kubedl.io/predictor-name"
_INFERENCE_MISSING_RETRY = timedelta(minutes=1)
_INFERENCE_PORTS = (("http", 8080), ("grpc", 9000))


def _inference_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    predictors = kubedl.deployable(client, body)
    crashed = kubedl.crash_cause(client)
    if crashed and not crashed.startswith(f"Inference {namespace}/{name}:"):
        return kubedl.retry_time(client)
    if client.get(("", "Service"), namespace, name) is None:
        # Without an owner reference: the Service outlives the Inference.
        client.create(
            _inference_service(name, namespace, {_INFERENCE_ENTRY_LABEL: name}, []),
            _MANAGER,
        )
    for predictor in predictors:
        _inference_deploy(client, body, predictor)
    if crashed:
        return kubedl.retry_time(client)  # the panic comes after the children are created
    client.status(body, _inference_status(client, body, predictors), _MANAGER)
    for predictor in body["spec"].get("predictors") or ():
        version = predictor.get("modelVersion")
        if version and client.get(kubedl.MODEL_VERSION, namespace, version) is None:
            return (
                client.now + _INFERENCE_MISSING_RETRY
            )  # an error is tried again; an unbuilt one is not
    return None


def _inference_deploy(client: ControllerClient, body: Body, predictor: Body) -> None:
    namespace, inference = body["metadata"]["namespace"], body["metadata"]["name"]
    name = f"{inference}-{predictor['name']}"
    owners = [owner_reference(body)]
    labels = {_INFERENCE_ENTRY_LABEL: inference, _INFERENCE_PREDICTOR_LABEL: predictor["name"]}
    if client.get(("apps", "Deployment"), namespace, name) is None:
        template = copy.deepcopy(predictor.get("template") or {})
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        if version := predictor.get("modelVersion"):
            _inference_load_model(client, body, template["spec"], predictor, version)
        client.create(
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
    if client.get(("", "Service"), namespace, name) is None:
        client.create(_inference_service(name, namespace, labels, owners), _MANAGER)


def _inference_load_model(
    client: ControllerClient, body: Body, pod: dict[str, Any], predictor: Body, version: str
) -> None:
    """Adds an init container that copies the model image's files to the server's model path."""
    found = client.get(kubedl.MODEL_VERSION, body["metadata"]["namespace"], version) or {}
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


def _inference_service(
    name: str, namespace: str, selector: dict[str, str], owners: list[dict[str, Any]]
) -> Body:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if owners:
        metadata["ownerReferences"] = owners
    ports = [
        {"name": kind, "port": port, "targetPort": port, "protocol": "TCP"}
        for kind, port in _INFERENCE_PORTS
    ]
    spec = {"selector": selector, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _inference_status(
    client: ControllerClient, body: Body, predictors: list[Body]
) -> dict[str, Any]:
    namespace, inference = body["metadata"]["namespace"], body["metadata"]["name"]
    rows = []
    for predictor in predictors:
        name = f"{inference}-{predictor['name']}"
        seen = (client.get(("apps", "Deployment"), namespace, name) or {}).get("status") or {}
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


_INFERENCE = Controller("kubedl-inference", (GroupKind(*kubedl.INFERENCE),), _inference_reconcile)

PROJECT = Project((_JOB, _VERSION, _INFERENCE))
