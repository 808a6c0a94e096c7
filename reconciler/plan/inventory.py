"""Which objects of a unit are ours, by UID, and the labels that say the same to `kubectl`.

An entry leaves the inventory only when the object was seen to be absent or no longer ours. The
labels follow KEP-3659 (ApplySet). How it is stored is `plan.records`.
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
#: On every ConfigMap of ours: `inventory`, `shard` (a part of a large one) or `rollout`.
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
    """What is recorded of a unit. `tool` is the version of this program that wrote it, `served` a
    digest of what the cluster served then, `epoch` the lease's transitions, `apply_as` who the
    objects were written as. `schema` is the version that it was read in; `shards` are the
    ConfigMaps beside the parent that it takes up."""

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
        """Old ∪ new: what is already recorded keeps its uid, so nothing is forgotten."""
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
    """The unit that a name of `name_of` speaks of; `UnitId.unknown` for a name that is none."""
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
    if live.generation and kinds.find(live.key.group_kind).has_status_subresource:
        return f"g{live.generation}.{live.owners}"
    return content_digest(live)


def inventory_key(unit: UnitId) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit))


def state_key(unit: UnitId) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit, "rollout"))
