"""Argo's CronWorkflows: fire times, concurrency, deadlines, history, as the real controller.

A tick that could not fire (suspended, forbidden, a run still active) is made up for at most once,
with the newest one, while it is inside `startingDeadlineSeconds`, and only under a schedule that
has fired before. `Replace` terminates the Workflow and leaves its job running.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body, stamp
from reconciler.simulation.controller import (
    Controller,
    Desk,
    moment,
    owner_reference,
    with_condition,
)

if TYPE_CHECKING:
    from reconciler.lifecycle.cron import Schedule

__all__ = ["CONTROLLER"]

_MANAGER = "workflow-controller"
_WORKFLOW = ("argoproj.io", "Workflow")
_CRON_LABEL = "workflows.argoproj.io/cron-workflow"
_LAST_USED = "cronworkflows.argoproj.io/last-used-schedule"
_FINISHED = ("Succeeded", "Failed", "Error")
#: A tick this young is on time.
_ON_TIME = timedelta(seconds=10)
_HORIZON = timedelta(days=366 * 5)


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    spec, status = body["spec"], copy.deepcopy(body.get("status") or {})
    _tidy(desk, body, status)
    schedules = _schedules(desk, body, status)
    due = None
    fired: datetime | None = None
    if schedules:
        tick = None if spec.get("suspend") else _tick(desk, body, status, schedules)
        if tick is not None and _fire(desk, body, status, tick):
            fired = tick
        due = min((n for s in schedules if (n := s.next(desk.now)) is not None), default=None)
    _write(desk, body, status, fired)
    return None if spec.get("suspend") else due


# -- when ------------------------------------------------------------------------------------------


def _schedules(desk: Desk, body: Body, status: dict[str, Any]) -> list[Schedule]:
    """The parsed schedules; [] and a SpecError when one of them cannot be read."""
    from reconciler.lifecycle import cron

    spec = body["spec"]
    try:
        found = [cron.parse(text, spec.get("timezone", "")) for text in spec["schedules"]]
    except cron.CronInvalid as invalid:
        _condition(desk, status, "SpecError", "True", message=f"cron schedule {invalid.message}")
        return []
    if any(c["type"] == "SpecError" for c in status.get("conditions") or ()):
        _condition(desk, status, "SpecError", "False")
    return found


def _tick(
    desk: Desk, body: Body, status: dict[str, Any], schedules: list[Schedule]
) -> datetime | None:
    """The newest tick that should have fired by now and has not."""
    last = status.get("lastScheduledTime")
    deadline = timedelta(seconds=int(body["spec"].get("startingDeadlineSeconds") or 0))
    anchor = moment(last) if last else moment(body["metadata"]["creationTimestamp"])
    since = max(anchor, desk.now - max(deadline, _ON_TIME) - timedelta(seconds=1))
    ticks = [t for s in schedules for t in s.fires(since, desk.now, 100_000)]
    if not ticks:
        return None
    newest = max(ticks)
    late = desk.now - newest
    if late <= _ON_TIME:
        return newest
    used = (body["metadata"].get("annotations") or {}).get(_LAST_USED)
    recovers = last is not None and used == _spelt(body["spec"]) and late <= deadline
    return newest if recovers else None


def _spelt(spec: Body) -> str:
    zone = f"CRON_TZ={spec['timezone']} " if spec.get("timezone") else ""
    return ",".join(f"{zone}{text}" for text in spec["schedules"])


# -- firing ----------------------------------------------------------------------------------------


def _fire(desk: Desk, body: Body, status: dict[str, Any], tick: datetime) -> bool:
    """Submits the run unless the concurrency policy holds it back."""
    policy = body["spec"].get("concurrencyPolicy") or "Allow"
    active = status.get("active") or []
    if policy == "Forbid" and active:
        return False  # lastScheduledTime stays: the tick may be made up for
    if policy == "Replace":
        for reference in active:
            _terminate(desk, body, reference["name"])
    status["lastScheduledTime"] = stamp(tick)
    name = f"{body['metadata']['name']}-{int(tick.timestamp())}"
    missing = _missing_template(desk, body)
    if missing:
        message = f'workflowtemplates.argoproj.io "{missing}" not found'
        _condition(desk, status, "SubmissionError", "True", message=message)
        status["failed"] = int(status.get("failed", 0)) + 1
        return True
    made = desk.create(_workflow(body, name, tick), _MANAGER)
    reference = {
        "apiVersion": made["apiVersion"],
        "kind": "Workflow",
        "name": name,
        "namespace": made["metadata"]["namespace"],
        "resourceVersion": made["metadata"]["resourceVersion"],
        "uid": made["metadata"]["uid"],
    }
    if all(a["uid"] != reference["uid"] for a in active):
        status["active"] = [*active, reference]
    status["phase"] = "Active"
    if any(c["type"] == "SubmissionError" for c in status.get("conditions") or ()):
        _condition(desk, status, "SubmissionError", "False")
    return True


def _missing_template(desk: Desk, body: Body) -> str:
    reference = (body["spec"].get("workflowSpec") or {}).get("workflowTemplateRef")
    if not reference:
        return ""
    name = str(reference["name"])
    if reference.get("clusterScope"):
        found = desk.get(("argoproj.io", "ClusterWorkflowTemplate"), "", name)
    else:
        place = body["metadata"]["namespace"]
        found = desk.get(("argoproj.io", "WorkflowTemplate"), place, name)
    return "" if found is not None else name


def _workflow(body: Body, name: str, tick: datetime) -> Body:
    spec = body["spec"]
    extra = spec.get("workflowMetadata") or {}
    local = tick.astimezone(ZoneInfo(spec.get("timezone") or "UTC"))
    scheduled = {"workflows.argoproj.io/scheduled-time": local.isoformat()}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "name": name,
            "namespace": body["metadata"]["namespace"],
            "labels": {_CRON_LABEL: body["metadata"]["name"], **(extra.get("labels") or {})},
            "annotations": {**scheduled, **(extra.get("annotations") or {})},
            "ownerReferences": [owner_reference(body)],
        },
        "spec": copy.deepcopy(spec["workflowSpec"]),
    }


def _terminate(desk: Desk, body: Body, name: str) -> None:
    workflow = desk.get(_WORKFLOW, body["metadata"]["namespace"], name)
    if workflow is not None:
        desk.change(workflow, lambda w: w["spec"].update(shutdown="Terminate"), _MANAGER)


# -- afterwards ------------------------------------------------------------------------------------


def _tidy(desk: Desk, body: Body, status: dict[str, Any]) -> None:
    """Finished runs leave `active`; history beyond the limits is deleted, jobs' owners included."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    runs = {w["metadata"]["uid"]: w for w in desk.list(_WORKFLOW, namespace, {_CRON_LABEL: name})}
    left = []
    for reference in status.get("active") or ():
        workflow = runs.get(reference["uid"])
        phase = ((workflow or {}).get("status") or {}).get("phase")
        if workflow is not None and phase not in _FINISHED:
            left.append(reference)
        elif workflow is not None:
            counter = "succeeded" if phase == "Succeeded" else "failed"
            status[counter] = int(status.get(counter, 0)) + 1
    if left:
        status["active"] = left
    else:
        status.pop("active", None)
    spec = body["spec"]
    for good, limit in (
        (True, spec.get("successfulJobsHistoryLimit", 3)),
        (False, spec.get("failedJobsHistoryLimit", 1)),
    ):
        ended = [w for w in runs.values() if _phase(w) in _FINISHED]
        ended = [w for w in ended if (_phase(w) == "Succeeded") is good]
        ended.sort(key=lambda w: (w["status"]["finishedAt"], w["metadata"]["name"]))
        for workflow in ended[: max(0, len(ended) - max(0, int(limit)))]:
            desk.delete(workflow)


def _phase(workflow: Body) -> str:
    return str((workflow.get("status") or {}).get("phase", ""))


def _condition(desk: Desk, status: dict[str, Any], kind: str, value: str, **more: str) -> None:
    before = status.get("conditions") or []
    conditions = with_condition(before, desk.now, kind, value, **more)
    # Argo's conditions have no times.
    status["conditions"] = [
        {k: v for k, v in c.items() if k != "lastTransitionTime"} for c in conditions
    ]


def _write(desk: Desk, body: Body, status: dict[str, Any], fired: datetime | None) -> None:
    if fired is None and status == (body.get("status") or {}):
        return

    def change(fresh: Body) -> None:
        if status:
            fresh["status"] = status
        if fired is not None:
            fresh["metadata"].setdefault("annotations", {})[_LAST_USED] = _spelt(fresh["spec"])

    desk.change(body, change, _MANAGER)


CONTROLLER = Controller(
    "argo-cron-workflow", (GroupKind("argoproj.io", "CronWorkflow"),), _reconcile
)
