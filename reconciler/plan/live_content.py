"""The content of a live object: the object without its status and without the metadata that the
server or controllers write."""

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
    """A body without the fields that the server and controllers own."""
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
    """A digest of an object's values and of their owners. A change of the status does not change
    the digest, not even for a kind without a status subresource."""
    if live.body is None or (live.key.group, live.key.kind) == ("", "Secret"):
        # The values of a Secret are masked on reading, with marks that differ from run to run. A
        # Secret has no status, so its resourceVersion changes only with its content.
        return f"r{live.resource_version}"
    content = orjson.dumps(comparable(live.body), option=orjson.OPT_SORT_KEYS)
    rows = []
    for row in (live.body.get("metadata") or {}).get("managedFields") or ():
        fields = _content_fields(row.get("fieldsV1") or {})
        if fields:
            rows.append({**row, "fieldsV1": fields})
    whole = content + owners_digest(rows).encode()
    return f"c{hashlib.blake2b(whole, digest_size=12).hexdigest()}"


def _content_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A manager's fields without the status and without the ignored annotations."""
    out = {k: v for k, v in fields.items() if k != "f:status"}
    metadata = dict(out.pop("f:metadata", None) or {})
    notes = {f"f:{name}" for name in _IGNORED_ANNOTATIONS}
    annotations = {
        k: v for k, v in (metadata.pop("f:annotations", None) or {}).items() if k not in notes
    }
    if annotations.keys() - {"."}:
        metadata["f:annotations"] = annotations
    return {**out, "f:metadata": metadata} if metadata else out
