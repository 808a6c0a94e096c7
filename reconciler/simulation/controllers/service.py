"""Services of type LoadBalancer get an address; the others need nothing."""

from __future__ import annotations

import hashlib

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk

__all__ = ["CONTROLLER"]


def _reconcile(desk: Desk, body: Body) -> None:
    if body["spec"].get("type") != "LoadBalancer":
        return
    last = hashlib.sha256(body["metadata"]["uid"].encode()).digest()[0] % 253 + 1
    address = {"ip": f"192.0.2.{last}", "ipMode": "VIP"}
    desk.status(body, {"loadBalancer": {"ingress": [address]}}, "cloud-controller-manager")


CONTROLLER = Controller("service", (GroupKind("", "Service"),), _reconcile)
