"""A decision as data: what was decided, why, from what, and until when. The same inputs always give
the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from reconciler.origin import Origin, Value
from reconciler.unit import UnitId

__all__ = [
    "Decision",
    "Fires",
    "Hold",
    "KeptBackend",
    "Reason",
    "ReasonKind",
    "RolloutVerdict",
    "Share",
    "Weights",
]

T = TypeVar("T")


class RolloutVerdict(StrEnum):
    """Where an app's traffic stands after this decision."""

    IDLE = "idle"  # nothing to serve
    TARGET = "target"  # without a cluster: what Git asks for; the steps to it need a cluster
    STEADY = "steady"  # the wanted version has all traffic, or the split is static
    PREPARING = "preparing"  # the new version starts; no traffic yet
    STEPPING = "stepping"  # the weight changes now
    PAUSED = "paused"  # at a weight, until `due`
    WAITING = "waiting"  # the next weight is due, but too few replicas are ready
    ABORTING = "aborting"  # traffic returns to the stable version
    HELD = "held"  # given up: no traffic until Git changes or a person releases it
    UNKNOWN = "unknown"  # something could not be read: nothing moves


class ReasonKind(StrEnum):
    CAUSE = "cause"  # why something changes, or why it does not
    REFUSAL = "refusal"  # a guard refused the change; a report shows it once for all objects


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence, and the config line that it rests on."""

    text: str
    origin: Origin | None = None
    kind: ReasonKind = ReasonKind.CAUSE


@dataclass(frozen=True, slots=True)
class Share:
    """One version and its percentage of traffic. With 0 % the version runs and gets no traffic."""

    version: Value[str]
    weight: Value[int]


@dataclass(frozen=True, slots=True)
class KeptBackend:
    """A backend that the route goes on to name although Git no longer asks for it as it is: what
    takes its place is not ready. `version` is "" when nobody knows what it serves."""

    service: Value[str]
    port: Value[int]
    weight: Value[int]
    version: str = ""


@dataclass(frozen=True, slots=True)
class Weights:
    """The versions that run, the stable one first, with the weights that are drawn. A weight counts
    all backends of its version, those in `kept` included. The weights, with those of `kept` whose
    version is not among the shares, add up to 100, or there are no shares.

    `retained` maps the Service of each backend that must not be deleted yet to the reason.
    `awaited` are the Services that must be ready before the route is made: no live route serves
    meanwhile. `sheds`: a backend loses weight because it is not ready, so the route is changed
    before anything else is waited for.
    """

    shares: tuple[Share, ...] = ()
    kept: tuple[KeptBackend, ...] = ()
    retained: Mapping[str, Reason] = field(default_factory=dict)
    awaited: tuple[str, ...] = ()
    sheds: bool = False

    def of_current(self, share: Share) -> Value[int]:
        """The part of a share that goes to the backend that Git asks for."""
        older = sum(k.weight.value for k in self.kept if k.version == share.version.value)
        return share.weight.map(lambda weight: weight - older) if older else share.weight


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing moves until a person does something. `since` has a zone; None where an older state
    did not record it. `way_out` says what the person can do."""

    why: str
    way_out: str
    since: datetime | None = None

    def reasons(self, origin: Origin | None) -> tuple[Reason, Reason]:
        """The hold and the way out of it, as reasons of a decision."""
        return Reason(f"held {self}", origin), Reason(f"way out: {self.way_out}", origin)

    def __str__(self) -> str:
        since = f"since {self.since:%Y-%m-%d %H:%M %Z}: " if self.since is not None else ""
        return f"{since}{self.why}"


@dataclass(frozen=True, slots=True)
class Fires:
    """The next times of a schedule, in UTC. `cron` is the expression after `H` is resolved."""

    schedule: str
    cron: str
    zone: str
    times: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What was decided about `subject`. `state` is the new state to store with a compare-and-swap
    before the decision is carried out; None when the stored state stays. `due` is the time to
    decide again. `inputs` is a digest of all inputs. `hold` is None while the rollout goes on by
    itself."""

    subject: UnitId
    verdict: RolloutVerdict
    outcome: T
    reasons: tuple[Reason, ...] = ()
    state: Mapping[str, str] | None = None
    due: datetime | None = None
    inputs: str = ""
    hold: Hold | None = None
