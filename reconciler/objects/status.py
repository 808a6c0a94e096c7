"""Reading the status of a live object: conditions, counters, and the general readiness rules.

A status is another program's text. No status means "in progress"; a wrong type counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.objects.kind import Body, Readiness, ReadinessState

__all__ = [
    "READY",
    "always_ready",
    "condition",
    "condition_reason",
    "condition_text",
    "failed",
    "is_observed",
    "kstatus",
    "progressing",
    "status_of",
    "time_of",
]

READY = Readiness(ReadinessState.READY)


def progressing(text: str) -> Readiness:
    return Readiness(ReadinessState.PROGRESSING, text)


def failed(text: str) -> Readiness:
    return Readiness(ReadinessState.FAILED, text)


def status_of(body: Body) -> Mapping[str, Any]:
    """The status of an object, {} where it has none."""
    found = body.get("status")
    return found if isinstance(found, Mapping) else {}


def _entry(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for entry in status.get("conditions") or ():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return entry
    return {}


def condition(status: Mapping[str, Any], kind: str) -> str:
    """The status of a condition by its type (`True`, `False`, …), "" where there is none."""
    return str(_entry(status, kind).get("status", ""))


def condition_reason(status: Mapping[str, Any], kind: str) -> str:
    return str(_entry(status, kind).get("reason") or "")


def condition_text(status: Mapping[str, Any], kind: str) -> str:
    """The message of a condition, else its reason."""
    entry = _entry(status, kind)
    return str(entry.get("message") or entry.get("reason") or "")


def time_of(text: Any) -> datetime | None:
    """A Kubernetes time in UTC; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def is_observed(body: Body) -> bool:
    """Whether the controller has looked at this generation; True where it does not say."""
    generation = (body.get("metadata") or {}).get("generation")
    seen = status_of(body).get("observedGeneration")
    return seen is None or generation is None or seen >= generation


def always_ready(_body: Body) -> Readiness:
    """For kinds that do their work by being there."""
    return READY


def kstatus(body: Body) -> Readiness:
    """The general rules of kstatus: the condition Ready decides where there is one; an object
    whose kind keeps no conditions is ready when it exists."""
    status = status_of(body)
    if not is_observed(body):
        return progressing("the controller has not seen it yet")
    if condition(status, "Stalled") == "True":
        return failed(condition_text(status, "Stalled"))
    if condition(status, "Reconciling") == "True":
        return progressing(condition_text(status, "Reconciling"))
    if condition(status, "Ready") in ("True", ""):
        return READY
    return progressing(condition_text(status, "Ready"))
