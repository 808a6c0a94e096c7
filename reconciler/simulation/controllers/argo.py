"""Argo Workflows: CronWorkflows and the Workflows that they start, in simulated time."""

from __future__ import annotations

import copy
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from reconciler.objects.key import GroupKind
from reconciler.simulation.controller import (
    Controller,
    ControllerClient,
    Project,
    moment,
    owner_reference,
    with_condition,
)
from reconciler.simulation.object_bodies import Body, Problems, stamp
from reconciler.simulation.run import Run

if TYPE_CHECKING:
    from reconciler.lifecycle.cron import Schedule

__all__ = ["PROJECT"]

# -- argo cron workflow ----------------------------------------------------------------------------

# Argo's CronWorkflows: fire times, concurrency, deadlines and history as in the real controller.
#
# When ticks could not fire (suspended, forbidden, a run still active), the newest missed tick fires
# later, while it is within `startingDeadlineSeconds`, and only if this schedule has fired before.
# `Replace` terminates the Workflow and leaves its job running.

_MANAGER = "workflow-controller"
_CRON_WORKFLOW = ("argoproj.io", "Workflow")
_CRON_LABEL = "workflows.argoproj.io/cron-workflow"
_CRON_LAST_USED = "cronworkflows.argoproj.io/last-used-schedule"
_FINISHED = ("Succeeded", "Failed", "Error")
#: A tick that fires within this time is on time.
_CRON_ON_TIME = timedelta(seconds=10)
_CRON_HORIZON = timedelta(days=366 * 5)


def _cron_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    spec, status = body["spec"], copy.deepcopy(body.get("status") or {})
    _cron_tidy(client, body, status)
    schedules = _cron_schedules(client, body, status)
    due = None
    fired: datetime | None = None
    if schedules:
        tick = None if spec.get("suspend") else _cron_tick(client, body, status, schedules)
        if tick is not None and _cron_fire(client, body, status, tick):
            fired = tick
        due = min((n for s in schedules if (n := s.next(client.now)) is not None), default=None)
    _cron_write(client, body, status, fired)
    return None if spec.get("suspend") else due


# -- times -----------------------------------------------------------------------------------------


def _cron_schedules(client: ControllerClient, body: Body, status: dict[str, Any]) -> list[Schedule]:
    """The parsed schedules; [] and the condition SpecError when one of them is invalid."""
    from reconciler.lifecycle import cron

    spec = body["spec"]
    try:
        found = [cron.parse(text, spec.get("timezone", "")) for text in spec["schedules"]]
    except cron.CronInvalid as invalid:
        _cron_condition(
            client, status, "SpecError", "True", message=f"cron schedule {invalid.message}"
        )
        return []
    if any(c["type"] == "SpecError" for c in status.get("conditions") or ()):
        _cron_condition(client, status, "SpecError", "False")
    return found


def _cron_tick(
    client: ControllerClient, body: Body, status: dict[str, Any], schedules: list[Schedule]
) -> datetime | None:
    """The newest tick that is due and has not fired; None when there is none."""
    last = status.get("lastScheduledTime")
    deadline = timedelta(seconds=int(body["spec"].get("startingDeadlineSeconds") or 0))
    anchor = moment(last) if last else moment(body["metadata"]["creationTimestamp"])
    since = max(anchor, client.now - max(deadline, _CRON_ON_TIME) - timedelta(seconds=1))
    ticks = [t for s in schedules for t in s.fires(since, client.now, 100_000)]
    if not ticks:
        return None
    newest = max(ticks)
    late = client.now - newest
    if late <= _CRON_ON_TIME:
        return newest
    used = (body["metadata"].get("annotations") or {}).get(_CRON_LAST_USED)
    recovers = last is not None and used == _cron_text(body["spec"]) and late <= deadline
    return newest if recovers else None


def _cron_text(spec: Body) -> str:
    zone = f"CRON_TZ={spec['timezone']} " if spec.get("timezone") else ""
    return ",".join(f"{zone}{text}" for text in spec["schedules"])


# -- firing ----------------------------------------------------------------------------------------


def _cron_fire(
    client: ControllerClient, body: Body, status: dict[str, Any], tick: datetime
) -> bool:
    """Submits the run, unless the concurrency policy forbids it; returns whether it fired."""
    policy = body["spec"].get("concurrencyPolicy") or "Allow"
    active = status.get("active") or []
    if policy == "Forbid" and active:
        return False  # lastScheduledTime stays, so that the tick may fire later
    if policy == "Replace":
        for reference in active:
            _cron_terminate(client, body, reference["name"])
    status["lastScheduledTime"] = stamp(tick)
    name = f"{body['metadata']['name']}-{int(tick.timestamp())}"
    missing = _cron_missing_template(client, body)
    if missing:
        message = f'workflowtemplates.argoproj.io "{missing}" not found'
        _cron_condition(client, status, "SubmissionError", "True", message=message)
        status["failed"] = int(status.get("failed", 0)) + 1
        return True
    created = client.create(_cron_workflow(body, name, tick), _MANAGER)
    reference = {
        "apiVersion": created["apiVersion"],
        "kind": "Workflow",
        "name": name,
        "namespace": created["metadata"]["namespace"],
        "resourceVersion": created["metadata"]["resourceVersion"],
        "uid": created["metadata"]["uid"],
    }
    if all(a["uid"] != reference["uid"] for a in active):
        status["active"] = [*active, reference]
    status["phase"] = "Active"
    if any(c["type"] == "SubmissionError" for c in status.get("conditions") or ()):
        _cron_condition(client, status, "SubmissionError", "False")
    return True


def _cron_missing_template(client: ControllerClient, body: Body) -> str:
    reference = (body["spec"].get("workflowSpec") or {}).get("workflowTemplateRef")
    if not reference:
        return ""
    name = str(reference["name"])
    if reference.get("clusterScope"):
        found = client.get(("argoproj.io", "ClusterWorkflowTemplate"), "", name)
    else:
        place = body["metadata"]["namespace"]
        found = client.get(("argoproj.io", "WorkflowTemplate"), place, name)
    return "" if found is not None else name


def _cron_workflow(body: Body, name: str, tick: datetime) -> Body:
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


def _cron_terminate(client: ControllerClient, body: Body, name: str) -> None:
    workflow = client.get(_CRON_WORKFLOW, body["metadata"]["namespace"], name)
    if workflow is not None:
        client.change(workflow, lambda w: w["spec"].update(shutdown="Terminate"), _MANAGER)


# -- afterwards ------------------------------------------------------------------------------------


def _cron_tidy(client: ControllerClient, body: Body, status: dict[str, Any]) -> None:
    """Removes finished runs from `active`, and deletes Workflows beyond the history limits."""
    namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
    runs = {
        w["metadata"]["uid"]: w for w in client.list(_CRON_WORKFLOW, namespace, {_CRON_LABEL: name})
    }
    still_active = []
    for reference in status.get("active") or ():
        workflow = runs.get(reference["uid"])
        phase = ((workflow or {}).get("status") or {}).get("phase")
        if workflow is not None and phase not in _FINISHED:
            still_active.append(reference)
        elif workflow is not None:
            counter = "succeeded" if phase == "Succeeded" else "failed"
            status[counter] = int(status.get(counter, 0)) + 1
    if still_active:
        status["active"] = still_active
    else:
        status.pop("active", None)
    spec = body["spec"]
    for good, limit in (
        (True, spec.get("successfulJobsHistoryLimit", 3)),
        (False, spec.get("failedJobsHistoryLimit", 1)),
    ):
        ended = [w for w in runs.values() if _cron_phase(w) in _FINISHED]
        ended = [w for w in ended if (_cron_phase(w) == "Succeeded") is good]
        ended.sort(key=lambda w: (w["status"]["finishedAt"], w["metadata"]["name"]))
        for workflow in ended[: max(0, len(ended) - max(0, int(limit)))]:
            client.delete(workflow)


def _cron_phase(workflow: Body) -> str:
    return str((workflow.get("status") or {}).get("phase", ""))


def _cron_condition(
    client: ControllerClient, status: dict[str, Any], kind: str, value: str, **more: str
) -> None:
    before = status.get("conditions") or []
    conditions = with_condition(before, client.now, kind, value, **more)
    # Argo's conditions have no times.
    status["conditions"] = [
        {k: v for k, v in c.items() if k != "lastTransitionTime"} for c in conditions
    ]


def _cron_write(
    client: ControllerClient, body: Body, status: dict[str, Any], fired: datetime | None
) -> None:
    if fired is None and status == (body.get("status") or {}):
        return

    def change(fresh: Body) -> None:
        if status:
            fresh["status"] = status
        if fired is not None:
            fresh["metadata"].setdefault("annotations", {})[_CRON_LAST_USED] = _cron_text(
                fresh["spec"]
            )

    client.change(body, change, _MANAGER)


_CRON = Controller(
    "argo-cron-workflow", (GroupKind("argoproj.io", "CronWorkflow"),), _cron_reconcile
)


# -- argo workflow ---------------------------------------------------------------------------------

# Argo's Workflows: a DAG of steps that take simulated time, with fan-out and an exit handler.
#
# A Workflow does not own the jobs that its steps create: as in Argo, they run on when the Workflow
# is terminated. Status, labels and the resolved template are written into the object itself,
# because the kind has no status subresource.

_WORKFLOW_TEMPLATE = ("argoproj.io", "WorkflowTemplate")
_WORKFLOW_CLUSTER_TEMPLATE = ("argoproj.io", "ClusterWorkflowTemplate")


def _workflow_reconcile(client: ControllerClient, body: Body) -> datetime | None:
    status: dict[str, Any] = copy.deepcopy(body.get("status") or {})
    if status.get("phase") in _FINISHED:
        return _workflow_expire(client, body, status)
    if not status.get("phase"):
        error = _workflow_begin(client, body, status)
        if error:
            status |= {"phase": "Error", "message": error, "finishedAt": stamp(client.now)}
            _workflow_write(client, body, status)
            return None
    if body["spec"].get("suspend"):
        _workflow_write(client, body, status)
        return None
    run = Run(client, body, status)
    shutdown = body["spec"].get("shutdown")
    if shutdown:
        run.stop(f"workflow shutdown with strategy:  {shutdown}")
        if shutdown == "Terminate":
            # No further pod is started, not even that of the exit handler.
            run.close("Failed", f"Stopped with strategy '{shutdown}'")
            _workflow_write(client, body, status)
            return client.now + client.settings.latency
    again = run.advance()
    _workflow_write(client, body, status)
    return again if status["phase"] not in _FINISHED else client.now + client.settings.latency


def _workflow_begin(client: ControllerClient, body: Body, status: dict[str, Any]) -> str:
    """Resolves the template and starts the run; returns the mistake, or ""."""
    spec = dict(body["spec"])
    status["startedAt"] = stamp(client.now)
    reference = spec.pop("workflowTemplateRef", None)
    if reference is not None:
        template = _workflow_template(client, body, reference)
        if template is None:
            return f'workflowtemplates.argoproj.io "{reference["name"]}" not found'
        spec = {**template["spec"], **spec}
        # A later change of the template does not affect this run.
        status["storedWorkflowTemplateSpec"] = spec
    if spec.get("entrypoint") not in {t.get("name") for t in spec.get("templates") or ()}:
        return f"template name '{spec.get('entrypoint', '')}' undefined"
    status |= {"phase": "Running", "nodes": {}, "progress": "0/0"}
    return ""


def _workflow_template(
    client: ControllerClient, body: Body, reference: dict[str, Any]
) -> Body | None:
    if reference.get("clusterScope"):
        return client.get(_WORKFLOW_CLUSTER_TEMPLATE, "", reference["name"])
    return client.get(_WORKFLOW_TEMPLATE, body["metadata"]["namespace"], reference["name"])


def _workflow_write(client: ControllerClient, body: Body, status: dict[str, Any]) -> None:
    finished = status["phase"] in _FINISHED

    def change(fresh: Body) -> None:
        labels = fresh["metadata"].setdefault("labels", {})
        labels["workflows.argoproj.io/phase"] = status["phase"]
        labels["workflows.argoproj.io/completed"] = "true" if finished else "false"
        fresh["status"] = status

    if status != body.get("status"):
        client.change(body, change, _MANAGER)


def _workflow_expire(
    client: ControllerClient, body: Body, status: dict[str, Any]
) -> datetime | None:
    spec = status.get("storedWorkflowTemplateSpec") or body["spec"]
    strategy = spec.get("ttlStrategy") or {}
    special = "secondsAfterSuccess" if status["phase"] == "Succeeded" else "secondsAfterFailure"
    seconds = strategy.get(special, strategy.get("secondsAfterCompletion"))
    if seconds is None:
        return None
    end = moment(status["finishedAt"]) + timedelta(seconds=int(seconds))
    if client.now < end:
        return end
    client.delete(body)
    return None


_WORKFLOW_RUNS = Controller(
    "argo-workflow", (GroupKind("argoproj.io", "Workflow"),), _workflow_reconcile
)

_ARGO_CRON = re.compile(
    r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every\s+\S+"
    r"|[A-Za-z0-9*,/?-]+(\s+[A-Za-z0-9*,/?-]+){4})$"
)


def _cron_problems(spec: Body) -> Problems:
    schedules = spec.get("schedules") or []
    if not schedules:
        yield "spec.schedules", "Required value"
    for index, text in enumerate(schedules):
        if _ARGO_CRON.match(str(text)) is None:
            yield f"spec.schedules[{index}]", f'Invalid value: "{text}": should match the pattern'
    policy = spec.get("concurrencyPolicy", "")
    if policy not in ("Allow", "Forbid", "Replace", ""):
        yield "spec.concurrencyPolicy", f'Unsupported value: "{policy}"'


PROJECT = Project(
    (_CRON, _WORKFLOW_RUNS),
    problems={GroupKind("argoproj.io", "CronWorkflow"): _cron_problems},
)
