"""The merged values of one app, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Text
from reconciler.spec.environment import Environment, Group
from reconciler.spec.model import Dataset, Model, Versions
from reconciler.spec.serving import Serving
from reconciler.spec.training import Training

__all__ = ["Application", "Moved"]


@dataclass(frozen=True, slots=True)
class Moved:
    """Renames an app without an outage: this app takes over the objects of the app `from`, and they
    are not pruned."""

    from_: Value[Text]


@dataclass(frozen=True, slots=True)
class Application:
    model: Model
    environment: Environment
    group: Group
    dataset: Dataset | None = None
    training: Training | None = None
    versions: Versions | None = None
    serving: Serving | None = None
    manifests: tuple[Value[Text], ...] = ()
    """Files with plain Kubernetes manifests, beside the file that lists them or beside model.yaml.
    Their objects belong to the app."""
    labels: Mapping[str, Value[Text]] = field(default_factory=dict)
    """Added to every object of the app."""
    moved: Moved | None = None
    suspend: Value[bool] = built_in(False)
    """Whether the app is left as it is: a plan shows its differences, and no run writes or prunes
    its objects."""
    vars: Any = None
    """Values of any kind, to which other values refer as `${{ vars.… }}`."""
