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
# The ModelVersion is `mv-<job>-<first five of the job's uid>`; its local storage gets the node of
# the finished pod, but only where the job gave any node name at all.

_JOB_DIALECT = training.Dialect("kubedl-manager", "Job")
_JOB_XGBOOST = training.Dialect("kubedl-manager", "Job", default_ttl=100)
_JOB_KINDS = ("TFJob", "PyTorchJob", "XGBoostJob", "XDLJob", "MPIJob", "MarsJob", "ElasticDLJob")
_JOB_NODE = "simulated-node-1"


def _job_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    if (again := kubedl.retry_time(desk)) is not None:
        return again
    if training.state_of(body) == "Succeeded" and "modelVersionName" not in body["status"]:
        _job_publish(desk, body)
        body = desk.get((_job_group(body), body["kind"]), *_job_place(body)) or body
    return training.advance(
        desk, body, _JOB_XGBOOST if body["kind"] == "XGBoostJob" else _JOB_DIALECT
    )


def _job_group(body: Body) -> str:
    return str(body["apiVersion"]).partition("/")[0]


def _job_place(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _job_publish(desk: ControllerClient, body: Body) -> None:
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
    desk.create(version, _JOB_DIALECT.manager)
    desk.status(body, {**body["status"], "modelVersionName": name}, _JOB_DIALECT.manager)


_JOB = Controller(
    "kubedl-job",
    tuple(GroupKind("training.kubedl.io", kind) for kind in _JOB_KINDS),
    _job_reconcile,
)


# -- kubedl model version --------------------------------------------------------------------------

# KubeDL's ModelVersion: builds an image, with what its controller gets wrong.
#
# The model's `latestVersion` moves when a build starts and never back; a tag that was used before
# counts as built and leaves `status.image` empty; without storage, or local storage without a node
# name, nothing ever happens; a finished version is never looked at again.

_MANAGER = "kubedl-manager"
_VERSION_MODEL_LABEL = "model.kubedl.io/model-name"
_VERSION_POD_ANNOTATION = "model.kubedl.io/img-build-pod-name"


def _version_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    if (again := kubedl.retry_time(desk)) is not None:
        return again
    status = body.get("status") or {}
    if status.get("imageBuildPhase") in ("ImageBuildSucceeded", "ImageBuildFailed"):
        return None
    spec = body["spec"]
    model = _version_model(desk, body)
    storage = spec.get("storage") or {}
    local = storage.get("localStorage")
    if not storage or (local is not None and not local.get("nodeName")):
        return None  # the real one logs an error and, at best, tries for ever
    tag = spec.get("imageTag") or body["metadata"]["uid"][:5]
    name = f"image-build-{spec.get('modelName', '')}-{tag}"
    namespace = body["metadata"]["namespace"]
    pod = desk.get(("", "Pod"), namespace, name)
    if pod is None:
        pod = desk.create(_version_pod(body, name), _MANAGER)
        image = f"{spec.get('imageRepo', '')}:{tag}"
        _version_begin(desk, body, model, name, image)
        latest = {"modelVersion": body["metadata"]["name"], "imageName": image}
        desk.status(model, {"latestVersion": latest}, _MANAGER)
    end = moment(pod["metadata"]["creationTimestamp"]) + desk.settings.image_build
    if desk.now < end:
        return end
    if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        failed = body["metadata"]["name"] in desk.settings.failing_builds
        desk.status(pod, {"phase": "Failed" if failed else "Succeeded"}, "kubelet")
        pod = desk.get(("", "Pod"), namespace, name) or pod
    _version_end(desk, body, succeeded=pod["status"]["phase"] == "Succeeded")
    return None


def _version_model(desk: ControllerClient, body: Body) -> Body:
    """The Model that the version names; made when it is missing."""
    namespace, name = body["metadata"]["namespace"], str(body["spec"].get("modelName", ""))
    found = desk.get(kubedl.MODEL, namespace, name)
    if found is not None:
        return found
    fresh = {
        "apiVersion": "model.kubedl.io/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
    }
    return desk.create(fresh, _MANAGER)


def _version_pod(body: Body, name: str) -> Body:
    metadata = {
        "name": name,
        "namespace": body["metadata"]["namespace"],
        "ownerReferences": [owner_reference(body)],
    }
    container = {"name": "image-build", "image": "kubedl/kaniko:latest"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _version_begin(desk: ControllerClient, body: Body, model: Body, pod: str, image: str) -> None:
    """One update of the whole object, status included: the kind has no status subresource."""

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

    desk.change(body, change, _MANAGER)


def _version_end(desk: ControllerClient, body: Body, *, succeeded: bool) -> None:
    def change(fresh: dict[str, Any]) -> None:
        fresh["status"] = {
            **(fresh.get("status") or {}),
            "imageBuildPhase": "ImageBuildSucceeded" if succeeded else "ImageBuildFailed",
            "message": "Image build succeeded." if succeeded else "Image build failed.",
            "finishTime": stamp(desk.now),
        }

    desk.change(body, change, _MANAGER)


_VERSION = Controller(
    "kubedl-model-version", (GroupKind(*kubedl.MODEL_VERSION),), _version_reconcile
)


# -- kubedl inference ------------------------------------------------------------------------------

# KubeDL's Inference, with what its controller gets wrong.
#
# A predictor's Deployment and Service are made once and never changed or deleted; the entry Service
# has no owner and is left behind; a model version that is not built yet is not waited for: nothing
# happens until the Inference or one of its Deployments changes. Weights split nothing. Two
# predictors crash the manager (see `simulation.kubedl`).

_INFERENCE_ENTRY_LABEL = "kubedl.io/inference-name"
_INFERENCE_PREDICTOR_LABEL = "kubedl.io/predictor-name"
_INFERENCE_MISSING_RETRY = timedelta(minutes=1)
_INFERENCE_PORTS = (("http", 8080), ("grpc", 9000))


def _inference_reconcile(desk: ControllerClient, body: Body) -> datetime | None:
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    predictors = kubedl.deployable(desk, body)
    crashed = kubedl.crash_cause(desk)
    if crashed and not crashed.startswith(f"Inference {namespace}/{name}:"):
        return kubedl.retry_time(desk)
    if desk.get(("", "Service"), namespace, name) is None:
        # No owner reference: it outlives the Inference.
        desk.create(
            _inference_service(name, namespace, {_INFERENCE_ENTRY_LABEL: name}, []),
            _MANAGER,
        )
    for predictor in predictors:
        _inference_deploy(desk, body, predictor)
    if crashed:
        return kubedl.retry_time(desk)  # the panic comes after the children are made
    desk.status(body, _inference_status(desk, body, predictors), _MANAGER)
    for predictor in body["spec"].get("predictors") or ():
        version = predictor.get("modelVersion")
        if version and desk.get(kubedl.MODEL_VERSION, namespace, version) is None:
            return (
                desk.now + _INFERENCE_MISSING_RETRY
            )  # an error is tried again; an unbuilt one is not
    return None


def _inference_deploy(desk: ControllerClient, body: Body, predictor: Body) -> None:
    namespace, inference = body["metadata"]["namespace"], body["metadata"]["name"]
    name = f"{inference}-{predictor['name']}"
    owners = [owner_reference(body)]
    labels = {_INFERENCE_ENTRY_LABEL: inference, _INFERENCE_PREDICTOR_LABEL: predictor["name"]}
    if desk.get(("apps", "Deployment"), namespace, name) is None:
        template = copy.deepcopy(predictor.get("template") or {})
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
        if version := predictor.get("modelVersion"):
            _inference_load_model(desk, body, template["spec"], predictor, version)
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
        desk.create(_inference_service(name, namespace, labels, owners), _MANAGER)


def _inference_load_model(
    desk: ControllerClient, body: Body, pod: dict[str, Any], predictor: Body, version: str
) -> None:
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


def _inference_status(desk: ControllerClient, body: Body, predictors: list[Body]) -> dict[str, Any]:
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


_INFERENCE = Controller("kubedl-inference", (GroupKind(*kubedl.INFERENCE),), _inference_reconcile)

PROJECT = Project((_JOB, _VERSION, _INFERENCE))
