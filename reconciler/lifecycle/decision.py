"""A decision as data: what was decided, why, from what, and until when.

Replayable: the same inputs give the same decision; `state` is what a compare-and-swap must record
for it to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from reconciler.origin import Origin, Value
from reconciler.unit import UnitId

__all__ = ["Decision", "Fires", "Reason", "ReasonKind", "RolloutVerdict", "Share", "Weights"]

T = TypeVar("T")


class RolloutVerdict(StrEnum):
    """Where an app's traffic stands after this decision."""

    IDLE = "idle"  # nothing to serve
    TARGET = "target"  # offline: Git's wish; only a cluster decides the way there
    STEADY = "steady"  # the wanted version has all traffic, or the split is static
    PREPARING = "preparing"  # the new version starts; no traffic yet
    STEPPING = "stepping"  # the weight changes now
    PAUSED = "paused"  # at a weight, until `due`
    WAITING = "waiting"  # the next weight is due but capacity is not there
    ABORTING = "aborting"  # traffic returns to the stable version
    HELD = "held"  # refused until Git changes or a person releases it
    UNKNOWN = "unknown"  # something could not be read: nothing moves


class ReasonKind(StrEnum):
    CAUSE = "cause"  # why something changes, or why it does not
    REFUSAL = "refusal"  # a guard refused it; reports say so once, for all objects together


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, and the config line or reading that it rests on."""

    text: str
    origin: Origin | None = None
    kind: ReasonKind = ReasonKind.CAUSE


@dataclass(frozen=True, slots=True)
class Share:
    """One version and its percentage of traffic. Zero: it runs and gets none."""

    version: Value[str]
    weight: Value[int]


@dataclass(frozen=True, slots=True)
class Weights:
    """The versions that run, stable first; weights of `shares` add up to 100 (or none run).

    `draining` lists versions that the live route still names: drawn once more so that a backend
    never goes before its route.
    """

    shares: tuple[Share, ...] = ()
    draining: tuple[Value[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fires:
    """A schedule's next times, in UTC; `cron` is the resolved expression (no `H`)."""

    schedule: str
    cron: str
    zone: str
    times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """`state` is None when nothing needs recording; `due` is when the decision is worth looking at
    again; `inputs` is a digest of everything that it was made from."""

    subject: UnitId
    verdict: RolloutVerdict
    outcome: T
    reasons: tuple[Reason, ...] = ()
    state: Mapping[str, str] | None = None
    due: datetime | None = None
    inputs: str = ""
