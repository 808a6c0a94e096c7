"""The fleet as `status` shows it: one row per app, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.unit import UnitId

__all__ = ["AppStatus", "FleetStatus", "Health", "LastRun", "NextStep", "StepKind"]


class Health(StrEnum):
    """The health of an app, by the worst of its objects."""

    READY = "ready"
    IDLE = "idle"  # its objects are there, and it serves nothing
    PROGRESSING = "progressing"
    MISSING = "missing"  # some of its objects are not there
    ABSENT = "absent"  # none of its objects is there
    FAILED = "failed"
    UNKNOWN = "unknown"  # something could not be read
    HELD = "held"  # its rollout goes back, or waits for a person
    BLOCKED = "blocked"  # its config has mistakes


class StepKind(StrEnum):
    """The kinds of next steps."""

    ROLLOUT = "rollout"
    SCHEDULE = "schedule"


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run that changed or found something, as recorded in the cluster. `at` is in UTC."""

    result: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of an app: a step of its rollout (`text` is the reason), or the next time of a
    schedule (`text` is the name of the schedule). `at` is in UTC; None where no time is known."""

    kind: StepKind
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AppStatus:
    """One app.

    `health` is None where no cluster was asked. `traffic` maps each version that runs to its
    percentage, 0 included. `revision` is the full commit that was applied last, or the name of a
    work tree; "" where nothing was applied. `blocked` holds the codes of the mistakes that block
    the app."""

    app: UnitId
    health: Health | None = None
    traffic: Mapping[str, int] = field(default_factory=dict)
    revision: str = ""
    last_run: LastRun | None = None
    next: tuple[NextStep, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def serving(self) -> Mapping[str, int]:
        """The versions that get traffic."""
        return {version: weight for version, weight in self.traffic.items() if weight}

    @property
    def version(self) -> str:
        """The version that gets all traffic; "" where none gets traffic, or several do."""
        serving = list(self.serving)
        return serving[0] if len(serving) == 1 else ""


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """All selected apps, sorted by their ids as texts."""

    apps: tuple[AppStatus, ...]
