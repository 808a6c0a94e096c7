"""Bodies in requests and answers of the server: fields that a client may not set, the content of an
object, and the message of a field conflict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson

from reconciler.objects.key import ObjectKey
from reconciler.objects.outcome import RefusalCause
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.fieldset import show
from reconciler.simulation.merge import Conflict
from reconciler.simulation.schema import SERVER_OWNED
from reconciler.simulation.served import ServedKind

__all__ = [
    "Body",
    "Problems",
    "clone",
    "conflict_fault",
    "content",
    "default",
    "fields_of_creator",
    "map_in",
    "maps_in",
    "stamp",
    "strip_server_fields",
    "stub",
]

Body = dict[str, Any]
#: (field, text) of each mistake in an object.
Problems = Iterator[tuple[str, str]]
_T = TypeVar("_T")


def clone(body: _T) -> _T:
    """A deep copy; bodies are JSON."""
    copied: _T = orjson.loads(orjson.dumps(body))
    return copied


def stamp(moment: datetime) -> str:
    """A UTC time as Kubernetes writes it, in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def stub(key: ObjectKey, row: ServedKind) -> Body:
    metadata = {"name": key.name, "namespace": key.namespace}
    return {"apiVersion": row.api_version, "kind": row.kind.kind, "metadata": metadata}


def strip_server_fields(body: Mapping[str, Any], row: ServedKind | None) -> Body:
    """A body without the metadata that the server writes. With `row`, also without nulls, which
    mean that no value is given, and without a status that has its own endpoint."""
    metadata = {k: v for k, v in body["metadata"].items() if k not in SERVER_OWNED}
    out = {**body, "metadata": metadata}
    if row is None:
        return out
    if row.status:
        out.pop("status", None)
    clean: Body = _without_nulls(out)
    return clean


def _without_nulls(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {k: _without_nulls(v) for k, v in node.items() if v is not None}
    if isinstance(node, list | tuple):
        return [_without_nulls(v) for v in node]
    return node


def content(body: Mapping[str, Any], row: ServedKind) -> Body:
    """The part of a body whose changes raise the generation: everything but the metadata, and but a
    status that has its own endpoint."""
    ignored = ("metadata", "status") if row.status else ("metadata",)
    return {k: v for k, v in body.items() if k not in ignored}


#: Fields of `spec` that the server sets when an object is created; nobody owns them.
_ALLOCATED: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Namespace"): ("finalizers",),
    ("", "Pod"): ("preemptionPolicy", "priority", "tolerations"),
    ("", "Service"): ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
}


def fields_of_creator(body: Mapping[str, Any], after: Body, row: ServedKind) -> Body:
    """The part of a created object that its creator owns: without a status that has its own
    endpoint, and without fields that the server allocated, unless the creator gave them."""
    out = {k: v for k, v in after.items() if k != "status" or not row.status}
    given = body.get("spec") or {}
    allocated = [name for name in _ALLOCATED.get(row.kind, ()) if name not in given]
    if allocated and "spec" in out:
        out["spec"] = {k: v for k, v in out["spec"].items() if k not in allocated}
    return out


def conflict_fault(conflict: Conflict, api_version: str) -> ApiFault:
    fields: list[str] = []
    managers: list[str] = []
    texts: list[str] = []
    for entry, paths in conflict.fields:
        part = f' with subresource "{entry.subresource}"' if entry.subresource else ""
        owner = f'"{entry.manager}"{part} using {api_version}'
        shown = [show(path) for path in paths]
        fields += shown
        managers += [entry.manager] * len(shown)
        texts.append(f"conflict with {owner}: {', '.join(shown)}")
    count = f"{len(fields)} conflict{'s' if len(fields) != 1 else ''}"
    message = f"Apply failed with {count}: {'; '.join(texts)}"
    return ApiFault(RefusalCause.FIELD_CONFLICT, 409, message, tuple(fields), tuple(managers))


def default(node: dict[str, Any], **values: Any) -> None:
    for name, value in values.items():
        if node.get(name) is None:
            node[name] = value


def map_in(node: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(node.get(name), dict):
        node[name] = {}
    found: dict[str, Any] = node[name]
    return found


def maps_in(node: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    for element in node.get(name) or ():
        if isinstance(element, dict):
            yield element
