"""Reads the status of a live object: conditions, times, and the general rules of readiness.

Another program writes the status, so a field may be missing or have a wrong type. A field of a
wrong type counts as missing. An object without a status is in progress.
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
    "count_of",
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
    """The status of an object; {} when the object has none."""
    found = body.get("status")
    return found if isinstance(found, Mapping) else {}


def _entry(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for entry in status.get("conditions") or ():
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            return entry
    return {}


def condition(status: Mapping[str, Any], kind: str) -> str:
    """The status of the condition of type `kind`: `True`, `False` or `Unknown`; "" when there is no
    such condition."""
    return str(_entry(status, kind).get("status", ""))


def condition_reason(status: Mapping[str, Any], kind: str) -> str:
    return str(_entry(status, kind).get("reason") or "")


def condition_text(status: Mapping[str, Any], kind: str) -> str:
    """The message of a condition; its reason when it has no message."""
    entry = _entry(status, kind)
    return str(entry.get("message") or entry.get("reason") or "")


def count_of(counts: Any, name: str, default: int = 0) -> int:
    """A count of a status or a spec. `default` when the field is missing or is no whole number."""
    found = counts.get(name) if isinstance(counts, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def time_of(text: Any) -> datetime | None:
    """A Kubernetes time in UTC. None for a value that is not a time with a zone."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def is_observed(body: Body) -> bool:
    """Whether the controller has observed this generation. True when the status does not say."""
    generation = (body.get("metadata") or {}).get("generation")
    observed = status_of(body).get("observedGeneration")
    return observed is None or generation is None or observed >= generation


def always_ready(_body: Body) -> Readiness:
    """The readiness rule of kinds that only need to exist, for example a ConfigMap."""
    return READY


def kstatus(body: Body) -> Readiness:
    """The general rules of kstatus: the condition Ready decides. An object without that condition
    is ready as soon as its controller has observed it. Source: sigs.k8s.io/cli-utils,
    pkg/kstatus."""
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
