"""What is true of a model everywhere, and its immutable version records."""

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
    """The team that answers for the model."""
    description: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where training reads from: a claim and a path in it, or a URI."""

    pvc: Value[Label] | None = None
    path: Value[AbsolutePath] | None = None
    uri: Value[StorageUri] | None = None
    revision: Value[Text] | None = None
    """The immutable state of the data that a run reads; part of memo keys and lineage."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where trained artefacts are written."""

    pvc: Value[Label] | None = None
    path: Value[AbsolutePath] | None = None
    local_path: Value[AbsolutePath] | None = None
    """A host path (KubeDL's localStorage); the node is the one that the job ran on."""


@dataclass(frozen=True, slots=True)
class Versions:
    """How trained artefacts become model versions."""

    registry: Value[Literal["kubedl", "configmap"]]
    """`kubedl`: ModelVersion objects; `configmap`: labelled ConfigMaps."""
    image_repo: Value[Image] | None = None
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Lineage:
    run: Value[Text] | None = None
    """The training run (workflow name, or the registry's run id)."""
    commit: Value[Text] | None = None
    """The config repo's commit that the run was rendered from."""
    dataset: Value[Text] | None = None
    candidate: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """models/<model>/versions/<version>.yaml: written by the tool, reviewed by people, never
    changed."""

    version: Value[VersionName]
    digest: Value[Digest]
    """The artefact's content; approvals and soak times are bound to it."""
    image: Value[Image] | None = None
    """The model image, where the artefact is one."""
    storage_uri: Value[StorageUri] | None = None
    """Where a server loads the artefact from (`pvc://models/mnist/v3`, `oci://…`)."""
    model_version: Value[Label] | None = None
    """The KubeDL ModelVersion object of the artefact."""
    metrics: Mapping[str, Value[Number]] = field(default_factory=dict)
    lineage: Lineage | None = None
    trained_at: Value[Time] | None = None
    licence: Value[Text] | None = None
