"""The inputs of a rollout's decision: the facts read from the cluster, and the stored state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["PREPARING", "Capacity", "RolloutFacts", "RolloutState"]

#: The stage of a rollout whose new version has no traffic yet.
PREPARING = -1


@dataclass(frozen=True, slots=True)
class Capacity:
    """The ready and desired replicas of one version's backend. `failed` says why the version can
    never become ready; "" otherwise."""

    ready: int
    desired: int
    failed: str = ""

    def carries(self, weight: int) -> bool:
        """Whether the ready replicas can take `weight` percent of the traffic: at least one replica
        is ready, and at least that share of the desired replicas."""
        return self.ready >= max(1, math.ceil(self.desired * weight / 100))


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
