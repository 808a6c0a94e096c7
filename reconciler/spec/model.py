"""The fields of a model that hold in every environment, and its version records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.origin import Value
from reconciler.spec.constraint import (
    AbsolutePath,
    Digest,
    Image,
    Label,
    Number,
    StorageUri,
    Text,
    Time,
    VersionName,
)

__all__ = ["Dataset", "Lineage", "Model", "Storage", "VersionRecord", "Versions"]


@dataclass(frozen=True, slots=True)
class Model:
    type: Value[Label]
    """The application type: its layer is environments/types/<type>.yaml."""
    owner: Value[Label]
    """The team that is responsible for the model."""
    description: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data that training reads: a claim and the path of its mount, or a URI."""

    pvc: Value[Label] | None = None
    """The PersistentVolumeClaim in the group's namespace. Excludes `claim`."""
    claim: Value[Label] | None = None
    """The logical name of the claim, an entry of `group.claims`. Excludes `pvc`."""
    path: Value[AbsolutePath] | None = None
    uri: Value[StorageUri] | None = None
    revision: Value[Text] | None = None
    """The revision of the data that a run reads. It becomes a part of the lineage."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The place to which trained artefacts are written."""

    pvc: Value[Label] | None = None
    """The PersistentVolumeClaim in the group's namespace. Excludes `claim`."""
    claim: Value[Label] | None = None
    """The logical name of the claim, an entry of `group.claims`. Excludes `pvc`."""
    path: Value[AbsolutePath] | None = None
    local_path: Value[AbsolutePath] | None = None
    """A path on the node that the job ran on (KubeDL's localStorage)."""


@dataclass(frozen=True, slots=True)
class Versions:
    """How trained artefacts become model versions."""

    registry: Value[Literal["kubedl", "configmap"]]
    """Where versions are registered. `kubedl`: ModelVersion objects; `configmap`: ConfigMaps with
    labels."""
    image_repo: Value[Image] | None = None
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    run: Value[Text] | None = None
    """The training run: the workflow's name, or the run's id in the registry."""
    commit: Value[Text] | None = None
    """The commit of the config repo from which the run was drawn."""
    dataset: Value[Text] | None = None
    candidate: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """models/<model>/versions/<version>.yaml: the tool writes it, people review it, and nobody
    changes it."""

    version: Value[VersionName]
    digest: Value[Digest]
    """The digest of the artefact's content. Approvals and soak times are bound to it."""
    image: Value[Image] | None = None
    """The model's image, when the artefact is an image."""
    storage_uri: Value[StorageUri] | None = None
    """The URI from which a server loads the artefact (`pvc://models/mnist/v3`, `oci://…`).
    `claim://<name>/…` names the claim by its logical name, as each group has it."""
    model_version: Value[Label] | None = None
    """The KubeDL ModelVersion object of the artefact."""
    metrics: Mapping[str, Value[Number]] = field(default_factory=dict)
    lineage: Lineage | None = None
    trained_at: Value[Time] | None = None
    licence: Value[Text] | None = None
