"""How traffic moves from the stable version to the wanted one."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Duration, Percent

__all__ = ["Rollout", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """One of: a weight for the new version, or a pause at the weight before."""

    weight: Value[Percent] | None = None
    pause: Value[Duration] | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """Weights rise step by step; after the last step the new version has all traffic."""

    steps: tuple[Step, ...]
    progress_deadline: Value[Duration] = built_in("30m")
    """A new version that is not ready this long after its start is given up: traffic returns to the
    stable version and the version is held."""
