"""The block `training:`: what is trained, when, and how the best candidate becomes a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import (
    Count,
    CronText,
    Duration,
    Image,
    Label,
    Number,
    Positive,
    Quantity,
    ShortLabel,
    Text,
)
from reconciler.spec.overlay import Overlay
from reconciler.spec.workload import EnvVar, Resources, Volume

__all__ = ["Candidate", "Evaluate", "Ingest", "Memoize", "Retry", "Schedule", "Select", "Training"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant of the training. All candidates run in parallel, and `select` chooses the
    best."""

    name: Value[ShortLabel]
    args: tuple[Value[Text], ...] = ()
    """Arguments after those of `training.args`."""
    image: Value[Image] | None = None


@dataclass(frozen=True, slots=True)
class Memoize:
    key: Value[Text]
    """Runs with an equal key reuse the output of the step. Put the data's revision into the key."""
    max_age: Value[Duration] = built_in("24h")


@dataclass(frozen=True, slots=True)
class Retry:
    limit: Value[Count]
    backoff: Value[Duration] = built_in("30s")


@dataclass(frozen=True, slots=True)
class Ingest:
    image: Value[Image]
    command: tuple[Value[Text], ...]
    args: tuple[Value[Text], ...] = ()
    memoize: Memoize | None = None
    retry: Retry | None = None
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class Evaluate:
    """A step that measures every candidate with the same test data."""

    image: Value[Image]
    command: tuple[Value[Text], ...]
    args: tuple[Value[Text], ...] = ()
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """The rule by which a candidate wins. A run without a winner succeeds and publishes nothing."""

    metric: Value[Label]
    goal: Value[Literal["maximize", "minimize"]] = built_in("maximize")
    minimum: Value[Number] | None = None
    """A candidate worse than this never wins."""
    candidates: Value[Positive] = built_in(1)
    """How many candidates must finish for one of them to win."""


@dataclass(frozen=True, slots=True)
class Schedule:
    name: Value[ShortLabel]
    cron: Value[CronText]
    """A cron expression of five fields, as robfig/cron v3 reads it. `H` becomes a number that a
    hash of the app's id and the schedule's name chooses."""
    time_zone: Value[Text]
    """The IANA name of the time zone. It is required, because a controller's default may change."""
    concurrency: Value[Literal["Allow", "Forbid", "Replace"]] = built_in("Forbid")
    starting_deadline: Value[Duration] = built_in("1h")
    suspend: Value[bool] = built_in(False)
    history: Value[Count] = built_in(3)
    """How many successful runs and how many failed runs are kept."""


@dataclass(frozen=True, slots=True)
class Training:
    run_in: tuple[Value[Text], ...]
    """The groups in which the model is trained, as `environment/group`."""
    framework: Value[Label]
    """The backend that draws the job: kubedl-tfjob, kubeflow-pytorchjob or job."""
    image: Value[Image]
    command: tuple[Value[Text], ...]
    args: tuple[Value[Text], ...] = ()
    orchestrator: Value[Label] = built_in("argo")
    """The backend that starts runs by schedule and runs their steps."""
    workers: Value[Positive] = built_in(1)
    resources: Resources | None = None
    env: tuple[EnvVar, ...] = ()
    """Variables of the trainer and of the ingest and evaluate steps. DATASET_URI and
    DATASET_REVISION are added when `dataset` has them."""
    volumes: tuple[Volume, ...] = ()
    pool: Value[Label] | None = None
    """The name of a pool of the group."""
    deadline: Value[Duration] = built_in("6h")
    """The longest time of a run. After it the run fails."""
    candidates: tuple[Candidate, ...] = ()
    ingest: Ingest | None = None
    evaluate: Evaluate | None = None
    select: Select | None = None
    schedules: tuple[Schedule, ...] = ()
    step_image: Value[Image] | None = None
    """The image of the program's own steps (train, select, publish, finish). The default is the
    image of this version of the program."""
    step_resources: Resources | None = None
    shared_memory: Value[Quantity] | None = None
    """The size of /dev/shm, for data loaders."""
    pod: Overlay | None = None
    """More of the pods: fields of Kubernetes' PodSpec, `container`, `labels` and `annotations`."""
