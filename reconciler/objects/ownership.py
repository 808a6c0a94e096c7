"""managedFields: which manager owns which field (structured-merge-diff's FieldsV1 notation).

Paths here are tuples of FieldsV1 steps: `f:name` for a map key, `k:{...}` for an element of a
keyed list, `v:...` for an element of a set, `i:n` for a position, `.` for the node itself.
Source of the notation: k8s.io/apimachinery, FieldsV1, and sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import orjson

import reconciler

__all__ = [
    "AUTOSCALER",
    "FieldSet",
    "FieldStep",
    "field_paths",
    "fields_v1",
    "owned_by",
    "owners_digest",
]

#: The annotation that names the autoscaler that owns an object's replicas.
AUTOSCALER = f"{reconciler.API_DOMAIN}/autoscaler"

FieldStep: TypeAlias = str
FieldSet: TypeAlias = frozenset[tuple[FieldStep, ...]]


def owners_digest(managed_fields: Iterable[Mapping[str, Any]]) -> str:
    """A digest of which manager owns which fields, without times and without the entries of the
    status subresource. "" when there are no entries."""
    rows = sorted(
        orjson.dumps(
            [row.get("manager"), row.get("operation"), row.get("fieldsV1")],
            option=orjson.OPT_SORT_KEYS,
        )
        for row in managed_fields
        if row.get("subresource") != "status"
    )
    return hashlib.blake2b(b"\n".join(rows), digest_size=12).hexdigest() if rows else ""


def field_paths(fields: Mapping[str, Any]) -> FieldSet:
    """The paths of the leaves and of the explicitly owned nodes in a FieldsV1 tree."""

    def steps(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if not node:
            yield path
        for step, child in node.items():
            if step == ".":
                yield path
            else:
                yield from steps(child, (*path, step))

    return frozenset(p for p in steps(fields, ()) if p)


def fields_v1(paths: Iterable[tuple[FieldStep, ...]]) -> dict[str, Any]:
    """The FieldsV1 tree of a set of paths; the inverse of `field_paths`."""
    root: dict[str, Any] = {}
    ordered = sorted(paths)
    owned = set(ordered)
    for path in ordered:
        node = root
        for depth, step in enumerate(path):
            node = node.setdefault(step, {})
            if path[: depth + 1] in owned and depth + 1 < len(path):
                node.setdefault(".", {})
    return root


def owned_by(managed_fields: Iterable[Mapping[str, Any]]) -> dict[str, FieldSet]:
    """The paths that each manager owns, without the entries of the status subresource."""
    out: dict[str, FieldSet] = {}
    for row in managed_fields:
        if row.get("subresource") == "status":
            continue
        paths = field_paths(row.get("fieldsV1") or {})
        name = str(row.get("manager", ""))
        out[name] = out.get(name, frozenset()) | paths
    return out
