"""StatefulSets: ready after a while, by the time of the newest spec write."""

from __future__ import annotations

from datetime import datetime

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body
from reconciler.simulation.controller import Controller, Desk, moment

__all__ = ["CONTROLLER"]


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    metadata, wanted = body["metadata"], int(body["spec"].get("replicas", 1))
    rows = [r for r in metadata.get("managedFields", ()) if r.get("subresource") != "status"]
    written = max((r["time"] for r in rows), default=metadata["creationTimestamp"])
    done = moment(written) + desk.settings.pod_start
    images = [c.get("image") for c in body["spec"]["template"]["spec"]["containers"]]
    failing = desk.fails(metadata["name"], *images)
    ready = wanted if desk.now >= done and not failing else 0
    status = {"observedGeneration": metadata["generation"], "replicas": wanted}
    if ready:
        status |= {"readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": ready}
    desk.status(body, status, "kube-controller-manager")
    return done if desk.now < done else None


CONTROLLER = Controller("statefulset", (GroupKind("apps", "StatefulSet"),), _reconcile)
