"""Reading live objects: conditions, counters, readiness of each kind.

No status means "in progress"; terminal reasons fail fast; what could not be read is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.objects.kind import facts_of
from reconciler.objects.observed import Observed, Presence

__all__ = ["Health", "HealthState", "condition", "health"]


class HealthState(StrEnum):
    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"
    TERMINATING = "terminating"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Health:
    state: HealthState
    text: str = ""

    @property
    def is_ready(self) -> bool:
        return self.state is HealthState.READY


def condition(status: Mapping[str, Any], kind: str) -> str:
    """The status of a condition by its type, "" when it is not there."""
    for entry in status.get("conditions") or ():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return str(entry.get("status", ""))
    return ""


def _message(status: Mapping[str, Any], kind: str) -> str:
    for entry in status.get("conditions") or ():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return str(entry.get("message") or entry.get("reason") or "")
    return ""


def health(live: Observed) -> Health:
    """Whether an object does its work, by the rule that its kind declares."""
    if live.presence is Presence.UNREAD:
        return Health(HealthState.UNKNOWN, live.why)
    if live.presence is Presence.ABSENT:
        return Health(HealthState.ABSENT, "does not exist")
    if live.is_terminating:
        return Health(HealthState.TERMINATING, "is being deleted")
    body = live.body or {}
    rule = _RULES.get(facts_of(live.key.group_kind).readiness, _kstatus)
    return rule(body)


_READY = Health(HealthState.READY)


def _progress(text: str) -> Health:
    return Health(HealthState.PROGRESSING, text)


def _exists(_body: Mapping[str, Any]) -> Health:
    return _READY


def _seen(body: Mapping[str, Any]) -> bool:
    """The controller has looked at this generation."""
    generation = (body.get("metadata") or {}).get("generation")
    seen = (body.get("status") or {}).get("observedGeneration")
    return seen is None or generation is None or seen >= generation


def _kstatus(body: Mapping[str, Any]) -> Health:
    """The generic rules of kstatus: Ready decides where there is one; an object whose kind keeps
    no conditions is ready when it exists."""
    status = body.get("status") or {}
    if not _seen(body):
        return _progress("the controller has not seen it yet")
    if condition(status, "Stalled") == "True":
        return Health(HealthState.FAILED, _message(status, "Stalled"))
    if condition(status, "Reconciling") == "True":
        return _progress(_message(status, "Reconciling"))
    match condition(status, "Ready"):
        case "True":
            return _READY
        case "":
            return _READY
        case _:
            return _progress(_message(status, "Ready"))


def _deployment(body: Mapping[str, Any]) -> Health:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    if condition(status, "Progressing") == "False":
        return Health(HealthState.FAILED, _message(status, "Progressing") or "deadline exceeded")
    wanted = int(spec.get("replicas", 1))
    if not status or not _seen(body) or status.get("observedGeneration") is None:
        return _progress(f"0 of {wanted} ready")
    updated, ready = int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0))
    if updated < wanted or ready < wanted or int(status.get("replicas", 0)) > updated:
        return _progress(f"{min(ready, updated)} of {wanted} ready")
    return _READY


def _statefulset(body: Mapping[str, Any]) -> Health:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    wanted, ready = int(spec.get("replicas", 1)), int(status.get("readyReplicas", 0))
    return (
        _READY
        if status and _seen(body) and ready >= wanted
        else _progress(f"{ready} of {wanted} ready")
    )


def _inferenceservice(body: Mapping[str, Any]) -> Health:
    # observedGeneration is copied from a child object: it says nothing here.
    status = body.get("status") or {}
    model = status.get("modelStatus") or {}
    if model.get("transitionStatus") in ("BlockedByFailedLoad", "InvalidSpec"):
        reason = (model.get("lastFailureInfo") or {}).get("reason") or model["transitionStatus"]
        return Health(HealthState.FAILED, str(reason))
    if condition(status, "Ready") == "True":
        return _READY
    return _progress(_message(status, "Ready") or "not ready yet")


def _inference(body: Mapping[str, Any]) -> Health:
    """KubeDL keeps no conditions: every predictor must have its replicas ready."""
    predictors = (body.get("spec") or {}).get("predictors") or []
    seen = {p.get("name"): p for p in (body.get("status") or {}).get("predictorStatuses") or []}
    for predictor in predictors:
        wanted = int(predictor.get("replicas", 1))
        ready = int((seen.get(predictor.get("name")) or {}).get("readyReplicas", 0))
        if ready < wanted:
            return _progress(f"{ready} of {wanted} ready")
    return _READY


def _httproute(body: Mapping[str, Any]) -> Health:
    parents = (body.get("status") or {}).get("parents") or []
    if not parents:
        return _progress("no gateway has taken it yet")
    generation = (body.get("metadata") or {}).get("generation")
    for parent in parents:
        for kind in ("Accepted", "ResolvedRefs"):
            for entry in parent.get("conditions") or ():
                if entry.get("type") != kind:
                    continue
                if entry.get("observedGeneration", generation) != generation:
                    return _progress("the gateway has not seen this generation yet")
                if entry.get("status") != "True":
                    return _progress(str(entry.get("message") or entry.get("reason") or kind))
    return _READY


def _modelversion(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    match status.get("imageBuildPhase"):
        case "ImageBuildSucceeded":
            if not status.get("image"):
                return Health(HealthState.FAILED, "built without an image: the tag was used before")
            return _READY
        case "ImageBuildFailed":
            return Health(HealthState.FAILED, str(status.get("message") or "the build failed"))
        case _:
            return _progress("the image is being built")


def _job(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    if condition(status, "Failed") == "True":
        return Health(HealthState.FAILED, _message(status, "Failed"))
    return _READY if condition(status, "Complete") == "True" else _progress("running")


def _training_job(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    if condition(status, "Failed") == "True":
        return Health(HealthState.FAILED, _message(status, "Failed"))
    return _READY if condition(status, "Succeeded") == "True" else _progress("running")


def _workflow(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    match status.get("phase"):
        case "Succeeded":
            return _READY
        case "Failed" | "Error":
            return Health(HealthState.FAILED, str(status.get("message") or status["phase"]))
        case _:
            return _progress("running")


def _cronworkflow(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    for kind in ("SpecError", "SubmissionError"):
        if condition(status, kind) == "True":
            return Health(HealthState.FAILED, _message(status, kind))
    return _READY


def _crd(body: Mapping[str, Any]) -> Health:
    status = body.get("status") or {}
    if condition(status, "NamesAccepted") == "False":
        return Health(HealthState.FAILED, _message(status, "NamesAccepted"))
    return _READY if condition(status, "Established") == "True" else _progress("not established")


def _namespace(body: Mapping[str, Any]) -> Health:
    phase = (body.get("status") or {}).get("phase", "Active")
    return _READY if phase == "Active" else _progress(str(phase))


_RULES = {
    "exists": _exists,
    "kstatus": _kstatus,
    "deployment": _deployment,
    "statefulset": _statefulset,
    "inferenceservice": _inferenceservice,
    "inference": _inference,
    "httproute": _httproute,
    "modelversion": _modelversion,
    "job": _job,
    "training-job": _training_job,
    "workflow": _workflow,
    "cronworkflow": _cronworkflow,
    "crd": _crd,
    "namespace": _namespace,
}
