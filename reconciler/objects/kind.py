"""The types that describe a kind of object. The kinds themselves stand in `reconciler.kinds`.

In a run with a cluster, the API server's discovery decides plural and scope. A `Kind` gives them
to offline runs and to the embedded cluster, and gives what no server knows: wave, prune class,
readiness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, TypeAlias

from reconciler.objects.key import GroupKind, ObjectKey

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
    """Whether an object does its work. `text` says to people why it does not."""

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
    """The state of a job, from its status. `reason` is the controller's text. The times are in UTC;
    None for a time that the status lacks. A suspended job has no pods until it is resumed."""

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
    """Functions that read a job of this kind.

    `state` reads the status. `chief` gives the labels that select the pod whose result decides the
    job's result. `roles` gives the wanted number of pods per replica type."""

    state: Callable[[Body], JobState]
    chief: Callable[[Body], Mapping[str, str]]
    roles: Callable[[Body], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Kind:
    """The facts about a kind that need no server. `plural` and `version` are "" for a kind that no
    file describes: discovery gives them.

    `list_keys` names the lists that the server merges by key: the field's name → the keys of an
    element, for example `containers` → `("name",)`. The server replaces every other list as a
    whole. None means that nobody knows: then the usual keys match the elements (`usual_keys`).
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
    """The object's name becomes a Service's name (RFC 1035): it must begin with a letter and hold
    no dots."""
    has_status_subresource: bool = True
    """False: a write of the status raises `metadata.generation`."""
    ready_at_once: bool = False
    """The object is ready as soon as it exists, so a run does not wait for it."""
    job: JobKind | None = None
    child: Callable[[Body], ObjectKey] | None = None
    """The object through which a controller does the work of this one. Its readiness counts too,
    because the own status may be that of an earlier generation."""
    lags: Callable[[Body, Body], str] | None = None
    """Why the child, the second body, does not belong to the present spec; "" when it does."""
    scales: bool = False
    """The object is an autoscaler: it owns the replicas of the object that `spec.scaleTargetRef`
    names."""
    routes: bool = False
    """The object is a route: `spec.rules[].backendRefs[]` send traffic by weight."""
    carries: bool = False
    """The object's strings may hold whole objects as JSON text, which its steps create."""
