"""Model versions that training published in the cluster, and the record files that make these
versions promotable.

A training pipeline publishes a version as an object with the label `published`: a ModelVersion, or
a ConfigMap where the cluster does not serve that kind. The pipeline writes to no object of Git. The
record file is a proposal: people review the record, and it does not change once it is merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

import reconciler
from reconciler.apps.app import Fleet, Selection
from reconciler.engine import load
from reconciler.engine.targets import Targets, split_fleet, targets_of
from reconciler.engine.views.versions import Published
from reconciler.layers.emit import emit
from reconciler.objects.key import GroupKind
from reconciler.objects.observed import Observed
from reconciler.ports import ClusterReader, Tree
from reconciler.spec.model import Storage

__all__ = ["published", "records"]

_DOMAIN = reconciler.API_DOMAIN
_LABEL = f"{_DOMAIN}/published"
_KINDS = (GroupKind("model.kubedl.io", "ModelVersion"), GroupKind("", "ConfigMap"))
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBERED = re.compile(r"v(\d+)")
_SCHEMA = "# yaml-language-server: $schema=../../../schemas/version-record.json"


def published(
    tree: Tree, selection: Selection, reader: ClusterReader | Targets[ClusterReader] | None
) -> tuple[Published, ...]:
    """Every version of the selected models, per model recorded ones first.

    Costs two LISTs per cluster. Raises ClusterUnreadable."""
    fleet = load.load_fleet(tree, selection)
    out: dict[tuple[str, str], Published] = {}
    for app in fleet.apps:
        for name, record in app.records.items():
            lineage = record.lineage
            out[app.model, record.digest.value] = Published(
                app.model,
                name,
                record.digest.value,
                {key: metric.value for key, metric in record.metrics.items()},
                record.trained_at.value if record.trained_at is not None else "",
                lineage.run.value if lineage is not None and lineage.run is not None else "",
            )
    models = {app.model for app in fleet.apps}
    targets = targets_of(reader) if reader is not None else None
    for place, part in split_fleet(fleet, targets) if targets is not None else ():
        assert targets is not None
        stores = _list_stores(part)
        for kind in _KINDS:
            for item in targets.clients[place].list(kind, labels={_LABEL: "model-version"}).items:
                found = _read_published(item)
                if found is not None and found.model in models:
                    store = stores.get((item.key.namespace, found.model))
                    found = replace(found, storage_uri=_name_claim(found.storage_uri, store))
                    out.setdefault((found.model, found.digest), found)
    return tuple(sorted(out.values(), key=lambda p: (p.model, not p.version, p.trained_at, p.run)))


def _list_stores(fleet: Fleet) -> dict[tuple[str, str], Storage]:
    """(namespace, model) → where the model's artefacts are written, of every app that trains."""
    return {
        (app.namespace, app.model): app.spec.versions.storage
        for app in fleet.apps
        if app.trains and app.spec.versions is not None and app.spec.versions.storage is not None
    }


def _name_claim(uri: str, store: Storage | None) -> str:
    """The URI with the claim's logical name where training has one: other groups have the name, and
    a claim of their own behind it."""
    if store is None or store.claim is None or store.pvc is None:
        return uri
    head = f"pvc://{store.pvc.value}/"
    return f"claim://{store.claim.value}/{uri.removeprefix(head)}" if uri.startswith(head) else uri


def _read_published(item: Observed) -> Published | None:
    """The version that an object publishes; None without a model label or a valid digest."""
    body: Mapping[str, Any] = item.body or {}
    metadata = body.get("metadata") or {}
    prefix = f"{_DOMAIN}/"
    annotations = metadata.get("annotations") or {}
    facts = {k.removeprefix(prefix): v for k, v in annotations.items() if k.startswith(prefix)}
    facts |= body.get("data") or {}
    digest = facts.get("digest", "")
    model = (metadata.get("labels") or {}).get(f"{_DOMAIN}/model", "")
    if not model or _DIGEST.fullmatch(digest) is None:
        return None
    try:
        metrics = orjson.loads(facts.get("metrics", "{}"))
    except orjson.JSONDecodeError:
        metrics = {}
    numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
    return Published(
        model,
        "",
        digest,
        numbers,
        facts.get("trained-at", ""),
        facts.get("run", ""),
        facts.get("candidate", ""),
        facts.get("dataset", ""),
        facts.get("storage-uri", ""),
        f"{item.key.kind}/{item.key.name}",
    )


def records(found: Iterable[Published]) -> dict[str, bytes]:
    """Path → content of a record file for each version without a record. The new versions are
    named `v<n>`, in the given order, counting on from the highest number of the model."""
    found = tuple(found)
    highest: dict[str, int] = {}
    for item in found:
        match = _NUMBERED.fullmatch(item.version)
        number = int(match[1]) if match is not None else 0
        highest[item.model] = max(highest.get(item.model, 0), number)
    out: dict[str, bytes] = {}
    for item in found:
        if item.version:
            continue
        highest[item.model] += 1
        version = f"v{highest[item.model]}"
        path = f"models/{item.model}/versions/{version}.yaml"
        out[path] = f"{_SCHEMA}\n{emit(_record(item, version))}".encode()
    return out


def _record(item: Published, version: str) -> dict[str, Any]:
    lineage = {"run": item.run, "dataset": item.dataset, "candidate": item.candidate}
    record: dict[str, Any] = {
        "version": version,
        "digest": item.digest,
        "storageUri": item.storage_uri,
        "metrics": dict(sorted(item.metrics.items())),
        "lineage": {key: text for key, text in lineage.items() if text},
        "trainedAt": item.trained_at,
    }
    return {key: value for key, value in record.items() if value}
