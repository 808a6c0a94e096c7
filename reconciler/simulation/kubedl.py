"""KubeDL's manager: one process with all KubeDL controllers, and the objects that crash it.

A panic in one controller stops all of them: while an object that causes a panic exists, no KubeDL
object makes progress. The causes were found in KubeDL's source (v0.5.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from reconciler.simulation.controller import ControllerClient
from reconciler.simulation.object_bodies import Body

__all__ = ["INFERENCE", "MODEL", "MODEL_VERSION", "crash_cause", "deployable", "retry_time"]

INFERENCE = ("serving.kubedl.io", "Inference")
MODEL = ("model.kubedl.io", "Model")
MODEL_VERSION = ("model.kubedl.io", "ModelVersion")
_TRAINERS = ("TFJob", "PyTorchJob")
_BACK_OFF = timedelta(minutes=5)


def retry_time(client: ControllerClient) -> datetime | None:
    """When to try again while the manager is in CrashLoopBackOff; None when it runs."""
    return client.now + _BACK_OFF if crash_cause(client) else None


def crash_cause(client: ControllerClient) -> str:
    """Why the manager crashes; "" when it runs."""
    return next(_causes(client), "")


def _causes(client: ControllerClient) -> Iterator[str]:
    for body in client.list(INFERENCE):
        predictors = deployable(client, body)
        where = f"Inference {body['metadata']['namespace']}/{body['metadata']['name']}"
        if len(predictors) > 1:
            yield f"{where}: a second predictor is out of the index's range"
        weights = [predictor.get("trafficWeight", 100) for predictor in predictors]
        if weights and not sum(weights):
            yield f"{where}: the weights sum to zero"
    for kind in _TRAINERS:
        for body in client.list(("training.kubedl.io", kind)):
            where = f"{kind} {body['metadata']['namespace']}/{body['metadata']['name']}"
            model = body["spec"].get("modelVersion")
            if model is not None and "localStorage" not in (model.get("storage") or {}):
                yield f"{where}: its model storage is not local"
            if kind == "TFJob" and client.settings.kubedl_job_coordinator:
                yield f"{where}: the JobCoordinator could not write its status"
    for body in client.list(("training.kubedl.io", "MPIJob")):
        if not body["spec"].get("cleanPodPolicy"):
            where = f"MPIJob {body['metadata']['namespace']}/{body['metadata']['name']}"
            yield f"{where}: it has no cleanPodPolicy"


def deployable(client: ControllerClient, body: Body) -> list[Body]:
    """The predictors that the controller deploys: those whose model version is built."""
    out = []
    for predictor in body["spec"].get("predictors") or ():
        name = predictor.get("modelVersion")
        if not name:
            out.append(predictor)
            continue
        version = client.get(MODEL_VERSION, body["metadata"]["namespace"], name)
        status = (version or {}).get("status") or {}
        if status.get("imageBuildPhase") == "ImageBuildSucceeded":
            out.append(predictor)
    return out
