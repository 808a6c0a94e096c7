"""The inputs of a rollout's decision: the facts read from the cluster, and the stored state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["PREPARING", "Capacity", "LiveBackend", "RolloutFacts", "RolloutState"]

#: The stage of a rollout whose new version has no traffic yet.
PREPARING = -1


@dataclass(frozen=True, slots=True)
class Capacity:
    """The ready and desired replicas of one backend. `failed` says why it can never become ready,
    and `trouble` what keeps it from becoming ready so far; "" otherwise."""

    ready: int
    desired: int
    failed: str = ""
    trouble: str = ""

    def carries(self, weight: int) -> bool:
        """Whether the ready replicas can take `weight` percent of the traffic: at least one replica
        is ready, and at least that share of the desired replicas."""
        return self.ready >= max(1, math.ceil(self.desired * weight / 100))

    @property
    def share(self) -> int:
        """The percentage of the traffic that the ready replicas can take."""
        if self.ready <= 0:
            return 0
        return min(100, 100 * self.ready // self.desired) if self.desired > 0 else 100

    def __str__(self) -> str:
        text = f"{self.ready} of {self.desired} replicas ready"
        return f"{text}: {self.trouble}" if self.trouble else text


@dataclass(frozen=True, slots=True)
class LiveBackend:
    """A backend of the live route: its Service, the port, its weight in percent, and the version
    that it serves; "" for a backend that this program did not make."""

    service: str
    port: int
    weight: int
    version: str = ""


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """Facts read from the cluster. A version that is missing in `capacity` could not be read.
    `weights` is the live route's split in percent; None when there is no route, or when the route
    could not be read (`route_unread`). `routed` is False when the app's router cannot split
    traffic. `accepted`: the gateway has accepted the route."""

    capacity: Mapping[str, Capacity]
    weights: Mapping[str, int] | None = None
    route_unread: bool = False
    routed: bool = True
    accepted: bool = True
    route_text: str = ""
    """Why the gateway has not accepted the route."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Version → the Service of the backend that Git asks for. A missing one has the version's
    name."""
    backends: tuple[LiveBackend, ...] = ()
    """The backends of the live route."""
    ready: Mapping[str, Capacity] = field(default_factory=dict)
    """Service → its capacity, for each backend of the live route that could be read."""
    running: tuple[str, ...] = ()
    """The Services of the serving objects that are recorded and exist."""


@dataclass(frozen=True, slots=True)
class RolloutState:
    """The state of a rollout that is stored between runs, in one ConfigMap per app. The times are
    ISO texts with a zone; "" means that there is no such time."""

    stable: str = ""
    wanted: str = ""
    wanted_digest: str = ""
    weights: str = ""
    """The weights of all stages when `stage` was stored (`10,50,100`). The steps in Git may change
    during a rollout, and then `stage` counts in other steps."""
    stage: int = PREPARING
    started_at: str = ""
    entered_at: str = ""
    unready_since: str = ""
    held_digest: str = ""
    held_why: str = ""
    held_since: str = ""
    previous: str = ""
    """The version that was stable before `stable`, and the digest of its record: a return to it
    while it still runs skips the steps."""
    previous_digest: str = ""
    left: str = ""
    """`SERVICE=TIME` words: since when the accepted route does without a backend that still
    runs."""

    def to_data(self) -> dict[str, str]:
        """The data of the ConfigMap; empty fields are left out."""
        return {key: str(value) for key, value in asdict(self).items() if value != ""}

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> RolloutState:
        """The state of a ConfigMap's data. Unknown keys are ignored; a `stage` that is no number
        becomes PREPARING."""
        known = {k: v for k, v in data.items() if k in cls.__slots__ and k != "stage"}
        try:
            stage = int(data.get("stage", PREPARING))
        except ValueError:
            stage = PREPARING
        return cls(stage=stage, **known)
