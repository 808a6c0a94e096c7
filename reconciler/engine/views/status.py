"""The fleet as `status` shows it: one row per app, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.lifecycle.decision import Hold
from reconciler.unit import UnitId

__all__ = [
    "AppStatus",
    "FleetStatus",
    "Health",
    "LastRun",
    "LastTraining",
    "NextStep",
    "RolloutProgress",
    "StepKind",
]


class Health(StrEnum):
    """The health of an app, by the worst of its recorded objects. The config has no say in it, but
    for an app that is not in the cluster."""

    READY = "ready"
    IDLE = "idle"  # its objects are there, and it serves nothing
    PROGRESSING = "progressing"
    MISSING = "missing"  # some of its objects are not there
    ABSENT = "absent"  # none of its objects is there
    FAILED = "failed"
    UNKNOWN = "unknown"  # something could not be read
    HELD = "held"  # it waits for a person
    BLOCKED = "blocked"  # its config has mistakes, and the cluster has nothing of it


class StepKind(StrEnum):
    """The kinds of next steps."""

    ROLLOUT = "rollout"
    SCHEDULE = "schedule"
    PASS = "pass"  # what the next pass does because Git differs from what is applied


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last pass of this program that changed or found something, as recorded in the cluster.
    `at` is in UTC."""

    result: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LastTraining:
    """The last training that a schedule in the cluster started. `at` is in UTC; `running`: it, or
    one before it, has not finished."""

    schedule: str
    at: datetime
    running: bool = False


@dataclass(frozen=True, slots=True)
class RolloutProgress:
    """A rollout that goes on: `weight` is the live percentage of `wanted`; the rest goes to
    `stable`. `step` counts from 1; 0 before the first. `until` is when the next step is due, in
    UTC; None where that is not a matter of time. `waits` says for what it waits instead."""

    stable: str
    wanted: str
    weight: int
    step: int
    steps: int
    until: datetime | None = None
    waits: str = ""


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of an app: a step of its rollout (`text` is the reason), or the next time of a
    schedule (`text` is the name of the schedule). `at` is in UTC; None where no time is known.

    `pending`: not what is applied, but what the tree that was read would change."""

    kind: StepKind
    text: str
    at: datetime | None = None
    pending: bool = False


@dataclass(frozen=True, slots=True)
class AppStatus:
    """One app.

    `health` is None where no cluster was asked. `traffic` maps each version that runs to the
    percentage that the live route sends to it, 0 included; without a cluster, Git's target.
    `unrouted` says why that is not known, or not in force; "" otherwise. `revision` is the full
    commit that was applied last, or the name of a work tree; "" where nothing was applied.
    `blocked` holds the codes of the mistakes that block the app. `in_git` is False for an app that
    only the cluster has. `hold` says why the app waits for a person."""

    app: UnitId
    health: Health | None = None
    traffic: Mapping[str, int] = field(default_factory=dict)
    revision: str = ""
    last_run: LastRun | None = None
    next: tuple[NextStep, ...] = ()
    blocked: tuple[str, ...] = ()
    unrouted: str = ""
    last_training: LastTraining | None = None
    rollout: RolloutProgress | None = None
    hold: Hold | None = None
    in_git: bool = True

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
    """All selected apps: by the rank of their environment, then by their ids as texts."""

    apps: tuple[AppStatus, ...]
