"""What of a live object counts as its content: not its status, and nothing that the server or
controllers keep in its metadata."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from reconciler.objects.observed import Observed
from reconciler.objects.ownership import owners_digest

__all__ = ["comparable", "content_digest"]

_IGNORED_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/revision",
    "cronworkflows.argoproj.io/last-used-schedule",
)


def comparable(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body without what the server and controllers own."""
    out = {k: v for k, v in body.items() if k not in ("status", "metadata")}
    metadata = body.get("metadata") or {}
    kept: dict[str, Any] = {}
    if metadata.get("labels"):
        kept["labels"] = metadata["labels"]
    annotations = {
        k: v
        for k, v in (metadata.get("annotations") or {}).items()
        if k not in _IGNORED_ANNOTATIONS
    }
    if annotations:
        kept["annotations"] = annotations
    if kept:
        out["metadata"] = kept
    return out


def content_digest(live: Observed) -> str:
    """A digest of an object's values and of who owns them. Status moves it not, be it written
    through a subresource or, where a kind has none, into the object itself."""
    if live.body is None or (live.key.group, live.key.kind) == ("", "Secret"):
        # A Secret's values are masked when they are read, by marks that are another run's others;
        # and it has no status, so that its version moves with its content alone.
        return f"r{live.resource_version}"
    content = orjson.dumps(comparable(live.body), option=orjson.OPT_SORT_KEYS)
    rows = []
    for row in (live.body.get("metadata") or {}).get("managedFields") or ():
        fields = _counted(row.get("fieldsV1") or {})
        if fields:
            rows.append({**row, "fieldsV1": fields})
    whole = content + owners_digest(rows).encode()
    return f"c{hashlib.blake2b(whole, digest_size=12).hexdigest()}"


def _counted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A manager's fields without its status and its notes to itself."""
    out = {k: v for k, v in fields.items() if k != "f:status"}
    metadata = dict(out.pop("f:metadata", None) or {})
    notes = {f"f:{name}" for name in _IGNORED_ANNOTATIONS}
    annotations = {
        k: v for k, v in (metadata.pop("f:annotations", None) or {}).items() if k not in notes
    }
    if annotations.keys() - {"."}:
        metadata["f:annotations"] = annotations
    return {**out, "f:metadata": metadata} if metadata else out
