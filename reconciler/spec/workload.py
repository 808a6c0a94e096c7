"""What training and serving pods have in common."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.origin import Value
from reconciler.spec.constraint import (
    AbsolutePath,
    Count,
    EnvText,
    Label,
    Quantity,
    VariableName,
)

__all__ = ["EnvVar", "Resources", "Volume"]


@dataclass(frozen=True, slots=True)
class Resources:
    """Requests and limits at once: an ML workload is sized, not stretched."""

    cpu: Value[Quantity] | None = None
    memory: Value[Quantity] | None = None
    gpu: Value[Count] | None = None
    """Whole devices; the pool says which extended resource they are."""


@dataclass(frozen=True, slots=True)
class EnvVar:
    name: Value[VariableName]
    value: Value[EnvText]
    """A text, number or bool, or `!secret name/key` for a key of a Secret."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A claim mounted into the workload's container."""

    pvc: Value[Label]
    path: Value[AbsolutePath]
    read_only: Value[bool] | None = None
