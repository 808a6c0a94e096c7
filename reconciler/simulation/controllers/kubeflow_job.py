"""Kubeflow Training Operator v1: PyTorchJob, TFJob and the others of its kind."""

from __future__ import annotations

from datetime import datetime

from reconciler.objects.key import GroupKind
from reconciler.simulation import training
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk

__all__ = ["CONTROLLER"]

_DIALECT = training.Dialect("training-operator", "{kind}", ("runPolicy",))
_KINDS = ("PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob")


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    return training.advance(desk, body, _DIALECT)


CONTROLLER = Controller(
    "kubeflow-job", tuple(GroupKind("kubeflow.org", kind) for kind in _KINDS), _reconcile
)
