"""KubeDL's ModelVersion: builds an image, with what its controller gets wrong.

The model's `latestVersion` moves when a build starts and never back; a tag that was used before
counts as built and leaves `status.image` empty; without storage, or local storage without a node
name, nothing ever happens; a finished version is never looked at again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation import kubedl
from reconciler.simulation.bodies import Body, stamp
from reconciler.simulation.controller import Controller, Desk, moment, owner_reference

__all__ = ["CONTROLLER"]

_MANAGER = "kubedl-manager"
_MODEL_LABEL = "model.kubedl.io/model-name"
_POD_ANNOTATION = "model.kubedl.io/img-build-pod-name"


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    if (again := kubedl.down(desk)) is not None:
        return again
    status = body.get("status") or {}
    if status.get("imageBuildPhase") in ("ImageBuildSucceeded", "ImageBuildFailed"):
        return None
    spec = body["spec"]
    model = _model(desk, body)
    storage = spec.get("storage") or {}
    local = storage.get("localStorage")
    if not storage or (local is not None and not local.get("nodeName")):
        return None  # the real one logs an error and, at best, tries for ever
    tag = spec.get("imageTag") or body["metadata"]["uid"][:5]
    name = f"image-build-{spec.get('modelName', '')}-{tag}"
    namespace = body["metadata"]["namespace"]
    pod = desk.get(("", "Pod"), namespace, name)
    if pod is None:
        pod = desk.create(_pod(body, name), _MANAGER)
        image = f"{spec.get('imageRepo', '')}:{tag}"
        _begin(desk, body, model, name, image)
        latest = {"modelVersion": body["metadata"]["name"], "imageName": image}
        desk.status(model, {"latestVersion": latest}, _MANAGER)
    end = moment(pod["metadata"]["creationTimestamp"]) + desk.settings.image_build
    if desk.now < end:
        return end
    if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
        failed = body["metadata"]["name"] in desk.settings.failing_builds
        desk.status(pod, {"phase": "Failed" if failed else "Succeeded"}, "kubelet")
        pod = desk.get(("", "Pod"), namespace, name) or pod
    _end(desk, body, succeeded=pod["status"]["phase"] == "Succeeded")
    return None


def _model(desk: Desk, body: Body) -> Body:
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


def _pod(body: Body, name: str) -> Body:
    metadata = {
        "name": name,
        "namespace": body["metadata"]["namespace"],
        "ownerReferences": [owner_reference(body)],
    }
    container = {"name": "image-build", "image": "kubedl/kaniko:latest"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _begin(desk: Desk, body: Body, model: Body, pod: str, image: str) -> None:
    """One update of the whole object, status included: the kind has no status subresource."""

    def change(fresh: dict[str, Any]) -> None:
        metadata = fresh["metadata"]
        metadata.setdefault("labels", {})[_MODEL_LABEL] = model["metadata"]["name"]
        metadata.setdefault("annotations", {})[_POD_ANNOTATION] = pod
        owners = metadata.setdefault("ownerReferences", [])
        if not any(owner["uid"] == model["metadata"]["uid"] for owner in owners):
            owners.append(owner_reference(model, controller=False))
        fresh["status"] = {
            "image": image,
            "imageBuildPhase": "ImageBuilding",
            "message": "Image building started.",
        }

    desk.change(body, change, _MANAGER)


def _end(desk: Desk, body: Body, *, succeeded: bool) -> None:
    def change(fresh: dict[str, Any]) -> None:
        fresh["status"] = {
            **(fresh.get("status") or {}),
            "imageBuildPhase": "ImageBuildSucceeded" if succeeded else "ImageBuildFailed",
            "message": "Image build succeeded." if succeeded else "Image build failed.",
            "finishTime": stamp(desk.now),
        }

    desk.change(body, change, _MANAGER)


CONTROLLER = Controller("kubedl-model-version", (GroupKind(*kubedl.MODEL_VERSION),), _reconcile)
