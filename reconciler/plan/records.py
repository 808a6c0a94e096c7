"""How inventories and rollout states are stored: as ConfigMaps in the program's own namespace.

An inventory is one ApplySet-compatible parent (KEP-3659). An inventory that does not fit into one
object is spread over shards, which are named by their content. The shards are written first, then
the parent names them in one compare-and-swap, and the previous shards are deleted last. So a reader
finds either the whole old or the whole new inventory.

Schema 1 had no `tool`, `served`, `epoch` and `applyAs` in the header, and no shards. It is read,
and the next run writes it in the present schema. A newer schema is refused and not written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.objects.key import ObjectKey
from reconciler.plan.inventory import (
    INVENTORY_LABEL,
    SCHEMA_VERSION,
    Inventory,
    InventoryInvalid,
    Member,
    Phase,
    name_of,
    part_of,
)
from reconciler.unit import UnitId

__all__ = [
    "KINDS",
    "StoredInventory",
    "from_body",
    "member_of",
    "shard_key",
    "state_body",
    "state_data",
    "to_body",
    "to_objects",
]

STATE_VERSION = 1
_ID = "applyset.kubernetes.io/id"
_TOOLING = "applyset.kubernetes.io/tooling"
KINDS = "applyset.kubernetes.io/contains-group-kinds"
#: The most bytes of member lines in one ConfigMap; an object may have 1 MiB in all.
SHARD_BYTES = 700_000
_REPAIR = "`reconciler repair` shows what it can restore; until then nothing of the app is written"


@dataclass(frozen=True, slots=True)
class StoredInventory:
    """The objects that an inventory is stored in. `shards` come before the parent."""

    parent: dict[str, Any]
    shards: tuple[dict[str, Any], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(body["metadata"]["name"] for body in self.shards)


def to_objects(inventory: Inventory, most: int = SHARD_BYTES) -> StoredInventory:
    """The ConfigMaps of an inventory, with at most `most` bytes of member lines each. The parent
    carries the resourceVersion that was read, so that writing it is a compare-and-swap."""
    text = "\n".join(_line(m) for m in sorted(inventory.members))
    shards = tuple(_shard(inventory.unit, part) for part in _parts(text, most))
    metadata: dict[str, Any] = {
        "name": name_of(inventory.unit),
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": {**_labels("inventory"), _ID: part_of(inventory.unit)},
        "annotations": {
            _TOOLING: f"{reconciler.FIELD_MANAGER}/v{reconciler.__version__}",
            KINDS: ",".join(sorted({str(m.key.group_kind) for m in inventory.members})),
        },
    }
    if inventory.resource_version:
        metadata["resourceVersion"] = inventory.resource_version
    data = {
        "schemaVersion": str(SCHEMA_VERSION),
        "unit": str(inventory.unit),
        "revision": inventory.revision,
        "phase": str(inventory.phase),
        "tool": inventory.tool,
        "served": inventory.served,
        "epoch": str(inventory.epoch),
        "applyAs": inventory.apply_as,
        "membersDigest": _digest(text),
    }
    if shards:
        data["shards"] = "\n".join(body["metadata"]["name"] for body in shards)
    else:
        data["members"] = text
    return StoredInventory(_config_map(metadata, data), shards)


def to_body(inventory: Inventory) -> dict[str, Any]:
    """The parent's body without the shards."""
    return to_objects(inventory).parent


def from_body(
    body: Mapping[str, Any], shards: Mapping[str, Mapping[str, Any]] | None = None
) -> Inventory:
    """The inventory of a parent and the existing shards (name → body). Raises InventoryInvalid when
    the record is damaged, was edited, or has a newer schema."""
    metadata = body.get("metadata") or {}
    data = body.get("data") or {}
    name = metadata.get("name", "?")
    try:
        version = int(data["schemaVersion"])
        if version > SCHEMA_VERSION:
            raise InventoryInvalid(
                f"the inventory {name} has schema {version}; this program knows {SCHEMA_VERSION}: "
                f"a newer {reconciler.FIELD_MANAGER} wrote it",
                hint="upgrade this program",
            )
        unit = UnitId.parse(str(data["unit"]))
        named = tuple(str(data.get("shards") or "").split())
        text = _join_shards(name, named, shards or {}) if named else str(data["members"])
        members = tuple(member_of(line) for line in text.splitlines() if line)
        phase = Phase(data.get("phase", Phase.APPLIED))
        epoch = int(data.get("epoch") or 0)
    except (KeyError, ValueError) as cause:
        raise InventoryInvalid(f"the inventory {name} is damaged: {cause}", hint=_REPAIR) from cause
    written = data.get("membersDigest")
    if written is not None and written != _digest(text):
        raise InventoryInvalid(
            f"the inventory {name} was edited or cut off: its members are not as written",
            hint=_REPAIR,
        )
    if name_of(unit) != name:
        raise InventoryInvalid(
            f"the inventory {name} is recorded for {unit}, whose inventory has another name",
            hint=_REPAIR,
        )
    return Inventory(
        unit,
        members,
        str(data.get("revision", "")),
        phase,
        metadata.get("resourceVersion", ""),
        metadata.get("uid", ""),
        str(data.get("tool", "")),
        str(data.get("served", "")),
        epoch,
        str(data.get("applyAs", "")),
        version,
        (*named, *sorted(_stray_shards(unit, named, shards or {}))),
    )


def shard_key(name: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name)


def state_body(unit: UnitId, data: Mapping[str, str], resource_version: str) -> dict[str, Any]:
    """The ConfigMap that holds a rollout's state."""
    metadata: dict[str, Any] = {
        "name": name_of(unit, "rollout"),
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": _labels("rollout"),
    }
    if resource_version:
        metadata["resourceVersion"] = resource_version
    return _config_map(metadata, {"schemaVersion": str(STATE_VERSION), "unit": str(unit), **data})


def state_data(body: Mapping[str, Any]) -> dict[str, str]:
    """A rollout's state as stored. Raises InventoryInvalid for a newer schema."""
    data = dict(body.get("data") or {})
    name = (body.get("metadata") or {}).get("name", "?")
    version = str(data.pop("schemaVersion", STATE_VERSION))
    data.pop("unit", None)
    if not version.isdigit() or int(version) > STATE_VERSION:
        raise InventoryInvalid(
            f"the rollout state {name} has schema {version}; this program knows {STATE_VERSION}",
            hint="upgrade this program",
        )
    return data


# -- bodies and lines ------------------------------------------------------------------------------


def _config_map(metadata: dict[str, Any], data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _labels(what: str) -> dict[str, str]:
    return {INVENTORY_LABEL: what, "app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER}


def _shard(unit: UnitId, text: str) -> dict[str, Any]:
    metadata = {
        "name": f"{name_of(unit)}.{_digest(text)}",
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": _labels("shard"),
    }
    return _config_map(metadata, {"unit": str(unit), "members": text})


def _parts(text: str, most: int) -> Iterator[str]:
    """Groups of whole lines, at most `most` bytes each; none when the text fits into the parent."""
    if len(text.encode()) <= most:
        return
    lines: list[str] = []
    size = 0
    for line in text.splitlines():
        length = len(line.encode()) + 1
        if lines and size + length > most:
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += length
    yield "\n".join(lines)


def _stray_shards(
    unit: UnitId, named: tuple[str, ...], shards: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Shards of a unit that its parent does not name, left by a killed run. The next write of the
    inventory deletes them."""
    for name, body in shards.items():
        if name not in named and (body.get("data") or {}).get("unit") == str(unit):
            yield name


def _join_shards(name: str, named: tuple[str, ...], shards: Mapping[str, Mapping[str, Any]]) -> str:
    missing = [shard for shard in named if shard not in shards]
    if missing:
        raise InventoryInvalid(f"the inventory {name} lacks its shard {missing[0]}", hint=_REPAIR)
    return "\n".join(str((shards[shard].get("data") or {}).get("members", "")) for shard in named)


def _digest(members: str) -> str:
    return hashlib.sha256(members.encode()).hexdigest()[:16]


def _line(member: Member) -> str:
    key = member.key
    version = member.api_version.rpartition("/")[2]
    fields = (
        *(key.group, version, key.kind, key.namespace, key.name),
        *(member.uid, member.manifest, member.live),
    )
    return " ".join(field or "-" for field in fields)


def member_of(line: str) -> Member:
    """The member on a line of an inventory. Raises ValueError for a line of another form."""
    fields = line.split(" ")
    if len(fields) != 8:
        raise ValueError(f"a line has {len(fields)} fields, not 8")
    group, version, kind, namespace, name, uid, manifest, live = (
        "" if field == "-" else field for field in fields
    )
    api_version = f"{group}/{version}" if group else version
    return Member(ObjectKey(group, kind, namespace, name), api_version, uid, manifest, live)
