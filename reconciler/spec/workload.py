"""The fields that training and serving share: resources, variables, volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """The resources of a container. `cpu`, `memory` and `gpu` are its requests and its limits at
    once; `requests` and `limits` name any resource, each one apart."""

    cpu: Value[Quantity] | None = None
    memory: Value[Quantity] | None = None
    gpu: Value[Count] | None = None
    """The number of GPUs. The pool of the workload says which extended resource is meant."""
    requests: Mapping[str, Value[Quantity]] = field(default_factory=dict)
    """What the scheduler keeps free for the container, by resource name (`cpu: 500m`). Of an
    extended resource or of huge pages one of `requests` and `limits` is enough: they are equal."""
    limits: Mapping[str, Value[Quantity]] = field(default_factory=dict)
    """What the container may use at most, by resource name (`nvidia.com/mig-1g.5gb: 1`)."""


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
