"""Reads the status of a live object: conditions, counts, times, and the general rules of readiness.

Another program writes the status, so a field may be missing or have a wrong type. An object without
a status is in progress. A field that is read and has a wrong type raises `Unreadable`, and the
object's readiness is unknown: it may be anything but ready. A condition that its controller wrote
for an earlier generation of the object counts as `Unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconciler.objects.kind import Body, Readiness, ReadinessState

__all__ = [
    "READY",
    "UNREADABLE",
    "Unreadable",
    "always_ready",
    "condition",
    "condition_reason",
    "condition_text",
    "count_of",
    "failed",
    "is_observed",
    "kstatus",
    "mapping_of",
    "mappings_of",
    "progressing",
    "shorten",
    "status_of",
    "text_of",
    "time_of",
]

READY = Readiness(ReadinessState.READY)

#: The most characters of a text that another program wrote.
_LONGEST_TEXT = 1000
_KINDS = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}


class Unreadable(Exception):
    """A field of a live object has a type that it cannot have."""

    def __init__(self, field: str, found: Any) -> None:
        kind = "a map" if isinstance(found, Mapping) else _KINDS.get(type(found), "nothing")
        super().__init__(f"its {field} is {kind}")


#: What reading a live object of any shape may raise: each means that nobody knows.
UNREADABLE = (
    Unreadable, TypeError, ValueError, AttributeError, LookupError, OverflowError, RecursionError,
)  # fmt: skip


def shorten(text: str, most: int = _LONGEST_TEXT) -> str:
    """The text, cut behind a whole word where it is long, because half of a secret would not be
    recognized as one. Line breaks become blanks."""
    text = " ".join(text[: 2 * most].split()) if "\n" in text else text
    if len(text) <= most:
        return text
    head = text[:most]
    end = max(head.rfind(" "), head.rfind(","))
    return f"{head[: max(end, 0)]} …".lstrip()


def mapping_of(parent: Any, field: str) -> Mapping[str, Any]:
    """A field that is a map; {} when it is missing. Raises Unreadable."""
    found = parent.get(field) if isinstance(parent, Mapping) else None
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise Unreadable(field, found)
    return found


def mappings_of(parent: Any, field: str) -> list[Mapping[str, Any]]:
    """A field that is a list of maps; [] when it is missing. Raises Unreadable."""
    found = parent.get(field) if isinstance(parent, Mapping) else None
    if found is None:
        return []
    if not isinstance(found, list | tuple):
        raise Unreadable(field, found)
    for entry in found:
        if not isinstance(entry, Mapping):
            raise Unreadable(f"entry of {field}", entry)
    return list(found)


def text_of(parent: Mapping[str, Any], field: str) -> str:
    """A field that is a text, cut where it is long; "" when it is missing. Raises Unreadable."""
    found = parent.get(field)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise Unreadable(field, found)
    return shorten(found)


def progressing(text: str) -> Readiness:
    return Readiness(ReadinessState.PROGRESSING, text)


def failed(text: str) -> Readiness:
    return Readiness(ReadinessState.FAILED, text)


def status_of(body: Body) -> Mapping[str, Any]:
    """The status of an object; {} when the object has none. Conditions of an earlier generation
    have the status `Unknown`. Raises Unreadable."""
    status = mapping_of(body, "status")
    conditions = mappings_of(status, "conditions")
    generation = mapping_of(body, "metadata").get("generation")
    if not any(_is_stale(entry, generation) for entry in conditions):
        return status
    current = [
        {**entry, "status": "Unknown", "reason": "", "message": "of an earlier generation"}
        if _is_stale(entry, generation)
        else entry
        for entry in conditions
    ]
    return {**status, "conditions": current}


def _is_stale(entry: Mapping[str, Any], generation: Any) -> bool:
    observed = entry.get("observedGeneration")
    if observed is None:
        return False
    if not _is_count(observed):
        raise Unreadable("observedGeneration of a condition", observed)
    return _is_count(generation) and observed < generation


def _is_count(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found >= 0


def _entry(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    for entry in mappings_of(status, "conditions"):
        if entry.get("type") == kind:
            return entry
    return {}


def condition(status: Mapping[str, Any], kind: str) -> str:
    """The status of the condition of type `kind`: `True`, `False` or `Unknown`; "" when there is no
    such condition. Raises Unreadable for any other text."""
    found = _entry(status, kind).get("status", "")
    if found not in ("", "True", "False", "Unknown"):
        raise Unreadable(f"condition {kind}", found)
    return str(found)


def condition_reason(status: Mapping[str, Any], kind: str) -> str:
    return text_of(_entry(status, kind), "reason")


def condition_text(status: Mapping[str, Any], kind: str) -> str:
    """The message of a condition; its reason when it has no message."""
    entry = _entry(status, kind)
    return text_of(entry, "message") or text_of(entry, "reason")


def count_of(counts: Any, name: str, default: int = 0) -> int:
    """A count of a status or a spec; `default` when the field is missing. Raises Unreadable."""
    found = counts.get(name) if isinstance(counts, Mapping) else None
    if found is None:
        return default
    if not _is_count(found):
        raise Unreadable(name, found)
    return int(found)


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
    """Whether the controller has observed this generation. True when the status does not say.
    Raises Unreadable."""
    generation = mapping_of(body, "metadata").get("generation")
    observed = status_of(body).get("observedGeneration")
    if observed is None or generation is None:
        return True
    if not _is_count(observed):
        raise Unreadable("observedGeneration", observed)
    return bool(observed >= generation)


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
