"""When an object in the cluster starts runs, read from its spec and status.

Others may have written both, so a field of a wrong type counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reconciler
from reconciler.objects.kind import Body
from reconciler.objects.status import status_of, time_of

__all__ = ["Timetable", "read_timetable"]

_SCHEDULE = f"{reconciler.API_DOMAIN}/schedule"


@dataclass(frozen=True, slots=True)
class Timetable:
    """The cron expressions of an object, in `zone` ("" for the controller's own). `last` is when
    its last run started, in UTC; `running` counts the runs that have not finished. `name` is that
    of the schedule in Git; "" when the object does not say."""

    crons: tuple[str, ...]
    zone: str = ""
    suspended: bool = False
    last: datetime | None = None
    running: int = 0
    name: str = ""


def read_timetable(body: Body) -> Timetable:
    """The timetable of an Argo CronWorkflow, a CronJob or a KubeDL Cron: the fields of all three
    have the same names but for their spelling."""
    spec = _map(body.get("spec"))
    status = status_of(body)
    several = spec.get("schedules")
    crons = several if isinstance(several, list) else [spec.get("schedule")]
    active = status.get("active")
    labels = _map(_map(spec.get("workflowMetadata")).get("labels"))
    return Timetable(
        tuple(text for text in crons if isinstance(text, str) and text),
        _text(spec.get("timezone")) or _text(spec.get("timeZone")),
        spec.get("suspend") is True,
        time_of(status.get("lastScheduledTime") or status.get("lastScheduleTime")),
        len(active) if isinstance(active, list) else 0,
        _text(labels.get(_SCHEDULE)),
    )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
