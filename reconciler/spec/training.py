"""What is trained when, and how the best candidate becomes a version."""

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
from reconciler.spec.workload import EnvVar, Resources, Volume

__all__ = ["Candidate", "Evaluate", "Ingest", "Memoize", "Retry", "Schedule", "Select", "Training"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One variant of the training; all run side by side and the best is selected."""

    name: Value[ShortLabel]
    args: tuple[Value[Text], ...] = ()
    """Added to the training's own arguments."""
    image: Value[Image] | None = None


@dataclass(frozen=True, slots=True)
class Memoize:
    key: Value[Text]
    """Runs with an equal key reuse the outputs; put the data's revision into it."""
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
    """A step that measures every candidate on the same held-out data."""

    image: Value[Image]
    command: tuple[Value[Text], ...]
    args: tuple[Value[Text], ...] = ()
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class Select:
    """Which candidate wins. No winner is a success: nothing is published."""

    metric: Value[Label]
    goal: Value[Literal["maximize", "minimize"]] = built_in("maximize")
    minimum: Value[Number] | None = None
    """A candidate worse than this never wins."""
    candidates: Value[Positive] = built_in(1)
    """How many candidates must have finished."""


@dataclass(frozen=True, slots=True)
class Schedule:
    name: Value[ShortLabel]
    cron: Value[CronText]
    """Five fields as robfig/cron v3 reads them; `H` is resolved from a hash of the app's id."""
    time_zone: Value[Text]
    """IANA name, always given: the controller's own zone is nobody's choice."""
    concurrency: Value[Literal["Allow", "Forbid", "Replace"]] = built_in("Forbid")
    starting_deadline: Value[Duration] = built_in("1h")
    suspend: Value[bool] = built_in(False)
    history: Value[Count] = built_in(3)
    """How many finished runs of each outcome are kept."""


@dataclass(frozen=True, slots=True)
class Training:
    run_in: tuple[Value[Text], ...]
    """The groups that train, as `environment/group`."""
    framework: Value[Label]
    """The backend that draws the job: kubedl-tfjob, kubeflow-pytorchjob, job."""
    image: Value[Image]
    command: tuple[Value[Text], ...]
    args: tuple[Value[Text], ...] = ()
    orchestrator: Value[Label] = built_in("argo")
    """What fires schedules and runs the steps."""
    workers: Value[Positive] = built_in(1)
    resources: Resources | None = None
    env: tuple[EnvVar, ...] = ()
    """Variables of the trainer, and of the ingest and evaluate steps; DATASET_URI and
    DATASET_REVISION come with the dataset."""
    volumes: tuple[Volume, ...] = ()
    pool: Value[Label] | None = None
    """A pool of the group."""
    deadline: Value[Duration] = built_in("6h")
    """After this a run is failed."""
    candidates: tuple[Candidate, ...] = ()
    ingest: Ingest | None = None
    evaluate: Evaluate | None = None
    select: Select | None = None
    schedules: tuple[Schedule, ...] = ()
    step_image: Value[Image] | None = None
    """The image of the steps that judge (select, publish); the program's own."""
    step_resources: Resources | None = None
    shared_memory: Value[Quantity] | None = None
    """The size of /dev/shm, for data loaders."""
