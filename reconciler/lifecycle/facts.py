"""What a rollout is decided from: what the cluster says, and what is remembered between runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["PREPARING", "Capacity", "RolloutFacts", "RolloutState"]

#: The stage of a rollout whose new version has no traffic yet.
PREPARING = -1


@dataclass(frozen=True, slots=True)
class Capacity:
    """Ready and desired replicas of one version's backend; `failed` is a terminal reason."""

    ready: int
    desired: int
    failed: str = ""

    def carries(self, weight: int) -> bool:
        """Whether the ready replicas can take this share: at least one, and in proportion."""
        return self.ready >= max(1, math.ceil(self.desired * weight / 100))


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """What the cluster says. A version missing from `capacity` could not be read; `weights` is the
    live route's split (None: no route exists; `route_unread`: unknown); `routed` is False for an
    app whose router splits nothing. `accepted`: the controller has seen the route as it is."""

    capacity: Mapping[str, Capacity]
    weights: Mapping[str, int] | None = None
    route_unread: bool = False
    routed: bool = True
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What is remembered between runs, in one ConfigMap per app."""

    stable: str = ""
    wanted: str = ""
    wanted_digest: str = ""
    weights: str = ""
    """The stages' weights that `stage` counts in: steps may be edited under way."""
    stage: int = PREPARING
    started_at: str = ""
    entered_at: str = ""
    unready_since: str = ""
    held_digest: str = ""
    held_why: str = ""

    def to_data(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items() if value != ""}

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> RolloutState:
        """Unknown keys are left out; a garbled stage counts as not begun."""
        known = {k: v for k, v in data.items() if k in cls.__slots__ and k != "stage"}
        try:
            stage = int(data.get("stage", PREPARING))
        except ValueError:
            stage = PREPARING
        return cls(stage=stage, **known)
