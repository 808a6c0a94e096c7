"""Kubeflow Training Operator v1: PyTorchJob, TFJob and the others of its kind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler.objects.key import GroupKind
from reconciler.simulation import training
from reconciler.simulation.controller import Controller, ControllerClient, Project
from reconciler.simulation.object_bodies import Body, Problems

__all__ = ["PROJECT"]

_DIALECT = training.Dialect("training-operator", "{kind}", ("runPolicy",))
_KINDS = ("PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob")


def _reconcile(client: ControllerClient, body: Body) -> datetime | None:
    return training.advance(client, body, _DIALECT)


_KUBEFLOW_JOB = Controller(
    "kubeflow-job", tuple(GroupKind("kubeflow.org", kind) for kind in _KINDS), _reconcile
)


def _trainer(field: str, container: str) -> Callable[[Body], Problems]:
    """The check of the training operator's webhook."""

    def rule(spec: Body) -> Problems:
        replicas = spec.get(field)
        if not replicas:
            yield f"spec.{field}", "Required value: must be specified"
            return
        for role, one in replicas.items():
            pod = ((one.get("template") or {}).get("spec") or {}).get("containers") or []
            if container not in {c.get("name") for c in pod}:
                at = f"spec.{field}[{role}].template.spec.containers"
                yield at, f"Required value: must have a container with name {container}"

    return rule


PROJECT = Project(
    (_KUBEFLOW_JOB,),
    problems={
        GroupKind("kubeflow.org", "PyTorchJob"): _trainer("pytorchReplicaSpecs", "pytorch"),
        GroupKind("kubeflow.org", "TFJob"): _trainer("tfReplicaSpecs", "tensorflow"),
    },
)
