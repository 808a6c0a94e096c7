"""KubeDL's training jobs. A TFJob or PyTorchJob with a model version publishes it on success.

The ModelVersion is `mv-<job>-<first five of the job's uid>`; its local storage gets the node of
the finished pod, but only where the job gave any node name at all.
"""

from __future__ import annotations

import copy
from datetime import datetime

from reconciler.objects.key import GroupKind
from reconciler.simulation import kubedl, training
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk

__all__ = ["CONTROLLER"]

_DIALECT = training.Dialect("kubedl-manager", "Job")
_XGBOOST = training.Dialect("kubedl-manager", "Job", default_ttl=100)
_KINDS = ("TFJob", "PyTorchJob", "XGBoostJob", "XDLJob", "MPIJob", "MarsJob", "ElasticDLJob")
_NODE = "simulated-node-1"


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    if (again := kubedl.down(desk)) is not None:
        return again
    if training.state_of(body) == "Succeeded" and "modelVersionName" not in body["status"]:
        _publish(desk, body)
        body = desk.get((_group(body), body["kind"]), *_place(body)) or body
    return training.advance(desk, body, _XGBOOST if body["kind"] == "XGBoostJob" else _DIALECT)


def _group(body: Body) -> str:
    return str(body["apiVersion"]).partition("/")[0]


def _place(body: Body) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _publish(desk: Desk, body: Body) -> None:
    wanted = body["spec"].get("modelVersion")
    if body["kind"] not in ("TFJob", "PyTorchJob") or wanted is None:
        return
    namespace, job = _place(body)
    spec = copy.deepcopy(wanted)
    local = (spec.get("storage") or {}).get("localStorage") or {}
    if local.get("nodeName"):
        local["nodeName"] = _NODE
    spec["createdBy"] = job
    name = f"mv-{job}-{body['metadata']['uid'][:5]}"
    version = {
        "apiVersion": "model.kubedl.io/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    desk.create(version, _DIALECT.manager)
    desk.status(body, {**body["status"], "modelVersionName": name}, _DIALECT.manager)


CONTROLLER = Controller(
    "kubedl-job", tuple(GroupKind("training.kubedl.io", kind) for kind in _KINDS), _reconcile
)
