"""Every namespace gets its `default` service account."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk

__all__ = ["CONTROLLER"]


def _reconcile(desk: Desk, body: Body) -> None:
    namespace = body["metadata"]["name"]
    if desk.get(("", "ServiceAccount"), namespace, "default") is None:
        account = {"name": "default", "namespace": namespace}
        desk.create(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account},
            "kube-controller-manager",
        )


CONTROLLER = Controller("namespace", (GroupKind("", "Namespace"),), _reconcile)
