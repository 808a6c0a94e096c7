"""How traffic moves from the stable version to the wanted one."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Duration, Percent

__all__ = ["Rollout", "Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """A step is either a weight for the new version, in percent, or a pause at the weight of the
    step before."""

    weight: Value[Percent] | None = None
    pause: Value[Duration] | None = None


@dataclass(frozen=True, slots=True)
class Rollout:
    """The weight of the new version rises step by step. After the last step the new version has all
    traffic."""

    steps: tuple[Step, ...]
    progress_deadline: Value[Duration] = built_in("30m")
    """The longest time in which a new version must become ready. After it all traffic returns to
    the stable version, and the new version is held until Git changes."""
