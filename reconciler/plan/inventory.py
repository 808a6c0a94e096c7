"""Which objects of a unit are ours, by UID: one ApplySet-compatible ConfigMap a unit.

An entry leaves the inventory only when the object was seen to be absent or no longer ours. The
labels follow KEP-3659, so that `kubectl` sees the same membership. Large ones are sharded by a
later version; a `schemaVersion` that is newer than ours is refused untouched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import reconciler
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.objects.draft import Draft
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import facts_of
from reconciler.objects.observed import Observed
from reconciler.plan.content import content_digest

__all__ = [
    "INVENTORY_LABEL",
    "Inventory",
    "InventoryInvalid",
    "Member",
    "Phase",
    "from_body",
    "inventory_key",
    "live_digest",
    "name_of",
    "part_of",
    "state_body",
    "state_key",
    "to_body",
    "unit_of",
    "with_membership",
]

SCHEMA_VERSION = 1
PART_OF = "applyset.kubernetes.io/part-of"
_ID = "applyset.kubernetes.io/id"
_TOOLING = "applyset.kubernetes.io/tooling"
_KINDS = "applyset.kubernetes.io/contains-group-kinds"
_DOMAIN = reconciler.API_DOMAIN
#: On every ConfigMap of ours: `inventory` or `rollout`.
INVENTORY_LABEL = f"{_DOMAIN}/state"


class InventoryInvalid(ReconcilerError):
    """An inventory was tampered with, or a newer version of the program wrote it: nothing is
    written for its unit."""

    code = "E_INVENTORY"
    exit_code = ExitCode.REFUSED


class Phase(StrEnum):
    APPLYING = "Applying"
    APPLIED = "Applied"
    INCOMPLETE = "Incomplete"


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One object that is ours. `uid` is "" until the object was seen; `live` is the digest of what
    was seen (see `live_digest`)."""

    key: ObjectKey
    api_version: str
    uid: str = ""
    manifest: str = ""
    live: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    unit: str
    members: tuple[Member, ...]
    revision: str = ""
    phase: Phase = Phase.APPLIED
    resource_version: str = ""
    uid: str = ""

    def find(self, key: ObjectKey) -> Member | None:
        return next((m for m in self.members if m.key == key), None)

    def union(self, members: Iterable[Member]) -> Inventory:
        """Old ∪ new: what is already recorded keeps its uid, so nothing is forgotten."""
        merged = {m.key: m for m in self.members}
        for member in members:
            before = merged.get(member.key)
            if before is None or not before.uid:
                merged[member.key] = member
        return replace(self, members=tuple(sorted(merged.values())))


def name_of(unit: str, what: str = "inventory") -> str:
    """`prod/hz-a/mnist` to `prod.hz-a.mnist.inventory`; a foundation's name needs a letter."""
    parts = [part.replace("_", "x-") for part in unit.split("/")]
    return f"{'.'.join(parts)}.{what}"


def unit_of(name: str, what: str = "inventory") -> str:
    """The unit that a name of `name_of` speaks of; "" for a name that is none."""
    parts = name.removesuffix(f".{what}").split(".")
    if not name.endswith(f".{what}") or len(parts) != 3:
        return ""
    return "/".join(part.replace("x-", "_", 1) if part == "x-group" else part for part in parts)


def part_of(unit: str) -> str:
    """The ApplySet id of a unit's parent (KEP-3659: name, namespace, kind, group)."""
    text = f"{name_of(unit)}.{reconciler.TOOL_NAMESPACE}.ConfigMap."
    digest = hashlib.sha256(text.encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def with_membership(drafts: Iterable[Draft], unit: str) -> tuple[Draft, ...]:
    """A unit's drafts with the label that says which ApplySet they belong to."""
    parent = part_of(unit)
    return tuple(_labelled(draft, parent) for draft in drafts)


def _labelled(draft: Draft, parent: str) -> Draft:
    metadata = draft.tree["metadata"]
    labels = {**metadata.get("labels", {}), PART_OF: parent}
    tree = {**draft.tree, "metadata": {**metadata, "labels": labels}}
    return Draft(draft.key, draft.api_version, tree, draft.rule)


def live_digest(live: Observed) -> str:
    """What must be equal for an object to count as unchanged since it was recorded: generation and
    owners where a status never moves the generation, a digest of the content elsewhere."""
    if live.generation and facts_of(live.key.group_kind).has_status_subresource:
        return f"g{live.generation}.{live.owners}"
    return content_digest(live)


def to_body(inventory: Inventory) -> dict[str, Any]:
    """The ConfigMap. A resourceVersion makes writing it a compare-and-swap."""
    kinds = sorted({str(m.key.group_kind) for m in inventory.members})
    lines = [
        " ".join(
            (
                m.key.group or "-",
                m.api_version.rpartition("/")[2],
                m.key.kind,
                m.key.namespace or "-",
                m.key.name,
                m.uid or "-",
                m.manifest or "-",
                m.live or "-",
            )
        )
        for m in sorted(inventory.members)
    ]
    metadata: dict[str, Any] = {
        "name": name_of(inventory.unit),
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": {
            _ID: part_of(inventory.unit),
            INVENTORY_LABEL: "inventory",
            "app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER,
        },
        "annotations": {
            _TOOLING: f"{reconciler.FIELD_MANAGER}/v{reconciler.__version__}",
            _KINDS: ",".join(kinds),
        },
    }
    if inventory.resource_version:
        metadata["resourceVersion"] = inventory.resource_version
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {
            "schemaVersion": str(SCHEMA_VERSION),
            "unit": inventory.unit,
            "revision": inventory.revision,
            "phase": str(inventory.phase),
            "members": (text := "\n".join(lines)),
            "membersDigest": _digest(text),
        },
    }


def from_body(body: Mapping[str, Any]) -> Inventory:
    """The inventory in a ConfigMap. Raises InventoryInvalid for what cannot be trusted."""
    metadata = body.get("metadata") or {}
    data = body.get("data") or {}
    name = metadata.get("name", "?")
    try:
        version = int(data["schemaVersion"])
        unit = str(data["unit"])
        members = tuple(_member(line) for line in str(data["members"]).splitlines() if line)
        phase = Phase(data.get("phase", Phase.APPLIED))
    except (KeyError, ValueError) as cause:
        raise InventoryInvalid(
            f"the inventory {name} is damaged: {cause}",
            hint="nothing of its app is written or deleted until it is repaired or removed",
        ) from cause
    written = data.get("membersDigest")
    if written is not None and written != _digest(str(data["members"])):
        raise InventoryInvalid(
            f"the inventory {name} was edited or cut off: its members are not as written",
            hint="nothing of its app is written or deleted until it is repaired or removed",
        )
    if version > SCHEMA_VERSION:
        raise InventoryInvalid(
            f"the inventory {name} was written by a newer version of {reconciler.FIELD_MANAGER}",
            hint="upgrade this program",
        )
    if name_of(unit) != name:
        raise InventoryInvalid(f"the inventory {name} speaks of {unit}")
    return Inventory(
        unit,
        members,
        str(data.get("revision", "")),
        phase,
        metadata.get("resourceVersion", ""),
        metadata.get("uid", ""),
    )


def _digest(members: str) -> str:
    return hashlib.sha256(members.encode()).hexdigest()[:16]


def _member(line: str) -> Member:
    fields = line.split(" ")
    if len(fields) != 8:
        raise ValueError(f"a line has {len(fields)} fields, not 8")
    group, version, kind, namespace, name, uid, manifest, live = (
        "" if field == "-" else field for field in fields
    )
    api_version = f"{group}/{version}" if group else version
    return Member(ObjectKey(group, kind, namespace, name), api_version, uid, manifest, live)


def inventory_key(unit: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit))


def state_key(unit: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit, "rollout"))


def state_body(unit: str, data: Mapping[str, str], resource_version: str) -> dict[str, Any]:
    """The ConfigMap that holds a rollout's state."""
    metadata: dict[str, Any] = {
        "name": name_of(unit, "rollout"),
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": {
            INVENTORY_LABEL: "rollout",
            "app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER,
        },
    }
    if resource_version:
        metadata["resourceVersion"] = resource_version
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"unit": unit, **data},
    }
