"""The types that describe a kind of object. The kinds themselves stand in `reconciler.kinds`.

The API server's discovery is the authority on plural and scope. What a `Kind` says serves offline
runs, the embedded cluster, and the decisions that no server can tell: wave, prune class, readiness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

from reconciler.objects.key import GroupKind

__all__ = [
    "Body",
    "JobKind",
    "JobPhase",
    "JobState",
    "Kind",
    "PruneClass",
    "Readiness",
    "ReadinessState",
    "Wave",
]

#: A plain object as a server returns it.
Body: TypeAlias = Mapping[str, Any]


class Wave(IntEnum):
    """Objects are applied in this order and deleted in the reverse order. The run waits for health
    between two waves."""

    DEFINITIONS = 0  # CRDs
    FOUNDATION = 1  # namespaces, quotas, accounts
    CONFIG = 2  # ConfigMaps, model versions, workflow templates
    WORKLOADS = 3  # what runs
    ROUTING = 4  # what sends traffic


class PruneClass(StrEnum):
    """What happens to a recorded object that Git no longer wants."""

    FREE = "free"  # it is deleted
    SCHEDULE = "schedule"  # it is suspended first, and deleted when none of its runs is active
    RUN = "run"  # it works once: an active one is kept until it has finished
    STATEFUL = "stateful"  # it is never deleted by default
    PROTECTED = "protected"  # deleting it needs a recorded approval


class ReadinessState(StrEnum):
    READY = "ready"
    PROGRESSING = "progressing"
    FAILED = "failed"
    TERMINATING = "terminating"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an object does its work; `text` says why not, for people."""

    state: ReadinessState
    text: str = ""

    @property
    def is_ready(self) -> bool:
        return self.state is ReadinessState.READY


class JobPhase(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobState:
    """What a job's status says. `reason` is the controller's own word; the times are in UTC, None
    where the status has none. `suspended`: the job keeps no pods until somebody resumes it."""

    phase: JobPhase
    reason: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    suspended: bool = False

    @property
    def is_finished(self) -> bool:
        return self.phase in (JobPhase.SUCCEEDED, JobPhase.FAILED)


@dataclass(frozen=True, slots=True)
class JobKind:
    """How a kind of job is read.

    `state` reads the status. `chief` gives the labels that select the pod whose result counts.
    `roles` gives the wanted number of pods per replica type."""

    state: Callable[[Body], JobState]
    chief: Callable[[Body], Mapping[str, str]]
    roles: Callable[[Body], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a kind before any server was asked. `plural` and `version` are "" for a kind
    that only discovery knows.

    `list_keys` names the lists that the server merges by key: the field's name → the keys of an
    element. The server replaces every other list as a whole. None: not known, so a list of maps is
    matched by the usual keys.
    """

    group_kind: GroupKind
    plural: str
    version: str
    ready: Callable[[Body], Readiness]
    wave: Wave = Wave.WORKLOADS
    namespaced: bool = True
    prune: PruneClass = PruneClass.FREE
    list_keys: Mapping[str, tuple[str, ...]] | None = field(default_factory=dict)
    longest_name: int = 253
    longest_suffix: int = 0
    """How many characters controllers append to the name."""
    service_name: bool = False
    """Its name becomes a Service's name (RFC 1035): it begins with a letter and holds no dots."""
    has_status_subresource: bool = True
    """False: a write of the status moves the generation."""
    ready_at_once: bool = False
    """It is ready as soon as it exists, so nobody waits for it."""
    job: JobKind | None = None
    scales: bool = False
    """`spec.scaleTargetRef` names the object whose replicas it owns."""
    routes: bool = False
    """`spec.rules[].backendRefs[]` send traffic by weight."""
    carries: bool = False
    """Its strings may hold whole objects as JSON text, which its steps create."""
