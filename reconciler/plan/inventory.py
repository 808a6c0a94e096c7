"""The inventory: which objects belong to a unit, by uid, and the labels that tell `kubectl` so.

A member leaves the inventory only when a read found its object absent or no longer this program's.
The labels follow KEP-3659 (ApplySet). `plan.records` defines how an inventory is stored.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import reconciler
from reconciler import kinds
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.objects.draft import Draft
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan.live_content import content_digest
from reconciler.unit import FOUNDATION, UnitId

__all__ = [
    "INVENTORY_LABEL",
    "Inventory",
    "InventoryInvalid",
    "Member",
    "Phase",
    "add_membership",
    "inventory_key",
    "live_digest",
    "name_of",
    "part_of",
    "state_key",
    "unit_of",
]

SCHEMA_VERSION = 2
PART_OF = "applyset.kubernetes.io/part-of"
_DOMAIN = reconciler.API_DOMAIN
#: The label on every ConfigMap of this program: `inventory`, `shard` (a part of a large inventory),
#: `rollout` or `status`.
INVENTORY_LABEL = f"{_DOMAIN}/state"


class InventoryInvalid(ReconcilerError):
    """An inventory was edited or damaged, or a newer version of the program wrote it. Nothing of
    its unit is written."""

    code = "E_INVENTORY"
    exit_code = ExitCode.REFUSED


class Phase(StrEnum):
    APPLYING = "Applying"
    APPLIED = "Applied"
    INCOMPLETE = "Incomplete"


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One object of a unit. `uid` is "" until the object was read or written; `live` is the digest
    of the object as it was then (see `live_digest`)."""

    key: ObjectKey
    api_version: str
    uid: str = ""
    manifest: str = ""
    live: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """The record of a unit's objects. `tool` is the version of this program that wrote the record,
    `served` a digest of what the cluster served then, `epoch` the lease's transitions, `apply_as`
    the user that the objects were written as. `schema` is the schema version that was read.
    `shards` names the ConfigMaps that hold the members when the parent cannot."""

    unit: UnitId
    members: tuple[Member, ...]
    revision: str = ""
    phase: Phase = Phase.APPLIED
    resource_version: str = ""
    uid: str = ""
    tool: str = ""
    served: str = ""
    epoch: int = 0
    apply_as: str = ""
    schema: int = SCHEMA_VERSION
    shards: tuple[str, ...] = ()

    def find(self, key: ObjectKey) -> Member | None:
        return next((m for m in self.members if m.key == key), None)

    def union(self, members: Iterable[Member]) -> Inventory:
        """This inventory with more members. A recorded member with a uid stays as it is."""
        merged = {m.key: m for m in self.members}
        for member in members:
            before = merged.get(member.key)
            if before is None or not before.uid:
                merged[member.key] = member
        return replace(self, members=tuple(sorted(merged.values())))


def name_of(unit: UnitId, what: str = "inventory") -> str:
    """`prod/hz-a/mnist` to `prod.hz-a.mnist.inventory`; a foundation's name needs a letter."""
    parts = [part.replace("_", "x-") for part in unit]
    return f"{'.'.join(parts)}.{what}"


def unit_of(name: str, what: str = "inventory") -> UnitId:
    """The unit of a name that `name_of` made; `UnitId.unknown` for any other name."""
    parts = name.removesuffix(f".{what}").split(".")
    if not name.endswith(f".{what}") or len(parts) != 3:
        return UnitId.unknown(name)
    environment, group, model = parts
    return UnitId(environment, group, FOUNDATION if model == "x-group" else model)


def part_of(unit: UnitId) -> str:
    """The ApplySet id of a unit's parent (KEP-3659: name, namespace, kind, group)."""
    text = f"{name_of(unit)}.{reconciler.TOOL_NAMESPACE}.ConfigMap."
    digest = hashlib.sha256(text.encode()).digest()
    return f"applyset-{base64.urlsafe_b64encode(digest).decode().rstrip('=')}-v1"


def add_membership(drafts: Iterable[Draft], unit: UnitId) -> tuple[Draft, ...]:
    """A unit's drafts with the label of the unit's ApplySet."""
    parent = part_of(unit)
    return tuple(_with_label(draft, parent) for draft in drafts)


def _with_label(draft: Draft, parent: str) -> Draft:
    metadata = draft.tree["metadata"]
    labels = {**metadata.get("labels", {}), PART_OF: parent}
    tree = {**draft.tree, "metadata": {**metadata, "labels": labels}}
    return replace(draft, tree=tree)


def live_digest(live: Observed) -> str:
    """The digest by which a live object counts as unchanged. Of a kind with a status subresource it
    holds the generation, which a change of the status does not raise, and the field owners; of
    other kinds it is a digest of the content."""
    if live.generation and kinds.find(live.key.group_kind).has_status_subresource:
        return f"g{live.generation}.{live.owners}"
    return content_digest(live)


def inventory_key(unit: UnitId) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit))


def state_key(unit: UnitId) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit, "rollout"))
