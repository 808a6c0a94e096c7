"""Argo's Workflows: a DAG of steps that take simulated time, with fan-out and an exit handler.

A job that a step has created is not the Workflow's: terminating the run leaves it alone, as Argo
does. Status, labels and the resolved template are written into the object itself: the kind has no
status subresource.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body, stamp
from reconciler.simulation.controller import Controller, Desk, moment
from reconciler.simulation.run import Run

__all__ = ["CONTROLLER"]

_MANAGER = "workflow-controller"
_TEMPLATE = ("argoproj.io", "WorkflowTemplate")
_CLUSTER_TEMPLATE = ("argoproj.io", "ClusterWorkflowTemplate")
_FINISHED = ("Succeeded", "Failed", "Error")


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    status: dict[str, Any] = copy.deepcopy(body.get("status") or {})
    if status.get("phase") in _FINISHED:
        return _expire(desk, body, status)
    if not status.get("phase"):
        error = _begin(desk, body, status)
        if error:
            status |= {"phase": "Error", "message": error, "finishedAt": stamp(desk.now)}
            _write(desk, body, status)
            return None
    if body["spec"].get("suspend"):
        _write(desk, body, status)
        return None
    run = Run(desk, body, status)
    shutdown = body["spec"].get("shutdown")
    if shutdown:
        run.stop(f"workflow shutdown with strategy:  {shutdown}")
        if shutdown == "Terminate":
            # No further pod is started, the exit handler's neither.
            run.close("Failed", f"Stopped with strategy '{shutdown}'")
            _write(desk, body, status)
            return desk.now + desk.settings.latency
    again = run.advance()
    _write(desk, body, status)
    return again if status["phase"] not in _FINISHED else desk.now + desk.settings.latency


def _begin(desk: Desk, body: Body, status: dict[str, Any]) -> str:
    """Resolves the template and starts; what is wrong, "" when nothing is."""
    spec = dict(body["spec"])
    status["startedAt"] = stamp(desk.now)
    reference = spec.pop("workflowTemplateRef", None)
    if reference is not None:
        template = _template(desk, body, reference)
        if template is None:
            return f'workflowtemplates.argoproj.io "{reference["name"]}" not found'
        spec = {**template["spec"], **spec}
        # The run keeps what it started with, however the template changes.
        status["storedWorkflowTemplateSpec"] = spec
    if spec.get("entrypoint") not in {t.get("name") for t in spec.get("templates") or ()}:
        return f"template name '{spec.get('entrypoint', '')}' undefined"
    status |= {"phase": "Running", "nodes": {}, "progress": "0/0"}
    return ""


def _template(desk: Desk, body: Body, reference: dict[str, Any]) -> Body | None:
    if reference.get("clusterScope"):
        return desk.get(_CLUSTER_TEMPLATE, "", reference["name"])
    return desk.get(_TEMPLATE, body["metadata"]["namespace"], reference["name"])


def _write(desk: Desk, body: Body, status: dict[str, Any]) -> None:
    finished = status["phase"] in _FINISHED

    def change(fresh: Body) -> None:
        labels = fresh["metadata"].setdefault("labels", {})
        labels["workflows.argoproj.io/phase"] = status["phase"]
        labels["workflows.argoproj.io/completed"] = "true" if finished else "false"
        fresh["status"] = status

    if status != body.get("status"):
        desk.change(body, change, _MANAGER)


def _expire(desk: Desk, body: Body, status: dict[str, Any]) -> datetime | None:
    spec = status.get("storedWorkflowTemplateSpec") or body["spec"]
    strategy = spec.get("ttlStrategy") or {}
    special = "secondsAfterSuccess" if status["phase"] == "Succeeded" else "secondsAfterFailure"
    seconds = strategy.get(special, strategy.get("secondsAfterCompletion"))
    if seconds is None:
        return None
    end = moment(status["finishedAt"]) + timedelta(seconds=int(seconds))
    if desk.now < end:
        return end
    desk.delete(body)
    return None


CONTROLLER = Controller("argo-workflow", (GroupKind("argoproj.io", "Workflow"),), _reconcile)
