"""What a plan changes of models: versions, traffic, training, serving. It is what people decide on;
the objects of the plan follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.lifecycle.decision import Fires
from reconciler.origin import Origin, Site
from reconciler.unit import UnitId

__all__ = ["ModelAction", "ModelChange", "Profile", "QosChange", "SettingChange", "VersionMove"]


class ModelAction(StrEnum):
    NEW = "new"  # none of the app's objects is there
    CHANGED = "changed"
    REMOVED = "removed"  # the app is gone from Git


@dataclass(frozen=True, slots=True)
class VersionMove:
    """The traffic of an app: version → percent.

    `before` is what the live route, or the base revision, has; empty where nothing serves. `now` is
    what this run draws, and `after` what Git asks for. `steps` are the weights on the way, the last
    one 100; empty for a move in one step. `seconds` is the sum of the pauses."""

    before: Mapping[str, int]
    now: Mapping[str, int]
    after: Mapping[str, int]
    steps: tuple[int, ...] = ()
    seconds: float = 0.0
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A value of the config that changes, by its path in the merged config.

    `before` is the value of the base revision, or of the live objects that are made of it; None
    where there was none. `is_known` is False where a live object holds the value only as a part of
    another text, so that the value before is not known. `after` is None for a removed value."""

    path: str
    before: str | None
    after: str | None
    origin: Origin | None = None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class QosChange:
    """The quality-of-service class of the pods of a workload (`serving` or `training`), which
    changes or, with `before` None, is new. Pods of several classes have all of them in the text;
    `unknown` where the class rests on a controller."""

    workload: str
    before: str | None
    after: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What an app is, for an app that is new. Texts are "" and numbers 0 where it has none."""

    backend: str = ""
    server: str = ""
    """The server's image."""
    replicas: int = 0
    gpus: int = 0
    """The GPUs of one replica."""
    hostnames: tuple[str, ...] = ()
    framework: str = ""
    trainer: str = ""
    """The training's image."""
    workers: int = 0
    worker_gpus: int = 0
    """The GPUs of one worker."""
    candidates: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Name of a field above → the config line of its value."""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What changes of one app. `profile` is None but for a new app. `trainings` are the schedules
    of an app whose training is new or changes, with their next times."""

    app: UnitId
    action: ModelAction
    version: VersionMove | None = None
    settings: tuple[SettingChange, ...] = ()
    profile: Profile | None = None
    trainings: tuple[Fires, ...] = ()
    qos: tuple[QosChange, ...] = ()
    sites: frozenset[Site] = field(default_factory=frozenset)
    """The config lines of the changed values: what rests on one of these follows from it."""
    former: tuple[Fires, ...] = ()
    """The schedules as they were before, of those that `trainings` has with other times."""
