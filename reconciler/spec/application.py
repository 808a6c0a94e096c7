"""The merged values of one app, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Text
from reconciler.spec.environment import Environment, Group
from reconciler.spec.model import Dataset, Model, Versions
from reconciler.spec.serving import Serving
from reconciler.spec.training import Training

__all__ = ["Application", "Manifest", "Moved"]


@dataclass(frozen=True, slots=True)
class Moved:
    """Renames an app without an outage: this app takes over the objects of the app `from`, and they
    are not pruned."""

    from_: Value[Text]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file with plain Kubernetes manifests. A text stands for `{file: text}`."""

    SHORT_FORM: ClassVar[str] = "file"

    file: Value[Text]
    """The file, beside the file that lists it or beside model.yaml."""
    where: Value[Literal["training", "serving"]] | None = None
    """The groups in which the objects are drawn: those that train the model or those that serve
    it. Without it, all groups of the model."""


@dataclass(frozen=True, slots=True)
class Application:
    model: Model
    environment: Environment
    group: Group
    dataset: Dataset | None = None
    training: Training | None = None
    versions: Versions | None = None
    serving: Serving | None = None
    manifests: tuple[Manifest, ...] = ()
    """Files with plain Kubernetes manifests. Their objects belong to the app, and they may refer to
    its values: `${{ app.serving.version }}`."""
    labels: Mapping[str, Value[Text]] = field(default_factory=dict)
    """Added to every object of the app."""
    moved: Moved | None = None
    suspend: Value[bool] = built_in(False)
    """Whether the app is left as it is: a plan shows its differences, and no run writes or prunes
    its objects."""
    vars: Any = None
    """Values of any kind, to which other values refer as `${{ vars.… }}`."""

    def trains_in(self, group: str) -> bool:
        """Whether `training.runIn` names a group, `environment/group`."""
        return self.training is not None and any(g.value == group for g in self.training.run_in)

    def serves_in(self, group: str) -> bool:
        """Whether `serving.runIn` names a group, or it is empty and the group does not train."""
        if self.serving is None:
            return False
        if self.serving.run_in:
            return any(g.value == group for g in self.serving.run_in)
        return not self.trains_in(group)
