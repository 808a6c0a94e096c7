"""Claims are bound at once."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk

__all__ = ["CONTROLLER"]


def _reconcile(desk: Desk, body: Body) -> None:
    spec = body["spec"]
    status = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes", []),
        "capacity": (spec.get("resources") or {}).get("requests") or {},
    }
    desk.status(body, status, "kube-controller-manager")


CONTROLLER = Controller(
    "persistent-volume-claim", (GroupKind("", "PersistentVolumeClaim"),), _reconcile
)
