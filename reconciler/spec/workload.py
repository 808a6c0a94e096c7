"""The fields that training and serving share: resources, variables, volumes."""

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
    """The resources of a container. Requests and limits are both set to these amounts."""

    cpu: Value[Quantity] | None = None
    memory: Value[Quantity] | None = None
    gpu: Value[Count] | None = None
    """The number of GPUs. The pool says which extended resource is meant."""


@dataclass(frozen=True, slots=True)
class EnvVar:
    name: Value[VariableName]
    value: Value[EnvText]
    """A text, number or boolean, or `!secret name/key` for a key of a Secret."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A claim that is mounted into the workload's container at `path`. It is named by `pvc` or by
    `claim`, not by both."""

    path: Value[AbsolutePath]
    pvc: Value[Label] | None = None
    """The PersistentVolumeClaim in the group's namespace."""
    claim: Value[Label] | None = None
    """The logical name of the claim, an entry of `group.claims`."""
    read_only: Value[bool] | None = None

    @property
    def physical(self) -> Value[Label]:
        """The PersistentVolumeClaim that is mounted; `apps.claims` has put it in for `claim`."""
        assert self.pvc is not None
        return self.pvc
