"""The parts of a pod that people add: `pod:` of an environment, a group, a pool, `training` or
`serving`."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.origin import Branch

__all__ = ["Overlay"]


@dataclass(frozen=True, slots=True)
class Overlay:
    """Fields of Kubernetes' PodSpec, and beside them `container` (fields of the main container),
    `labels` and `annotations` of the pod.

    `tree` holds them as they are merged from the layers; `apps.overlays` checks them against the
    schema of pods."""

    tree: Branch
