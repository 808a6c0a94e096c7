"""The recorded results of the last runs, for people: one ConfigMap per group.

No decision uses them but one: the guard against fights counts by them.
`operate.group_status` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import reconciler
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan.inventory import INVENTORY_LABEL
from reconciler.unit import UnitId

__all__ = ["GroupStatus", "RecordedStatus", "read_statuses", "status_key"]


@dataclass(frozen=True, slots=True)
class RecordedStatus:
    """One app's entry as stored."""

    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest entry of the history; {} when there is none."""
        history = self.status.get("history")
        first = history[0] if isinstance(history, list) and history else {}
        return first if isinstance(first, dict) else {}

    def fights(self, commit: str) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Object → (how often its fields were taken back at this commit, from which managers). A
        damaged entry is left out."""
        found = self.status.get("fights")
        if self.status.get("lastAttemptedRevision") != commit or not isinstance(found, dict):
            return {}
        out = {}
        for key, row in found.items():
            count = row.get("count") if isinstance(row, dict) else None
            managers = row.get("managers") if isinstance(row, dict) else None
            if isinstance(count, int) and isinstance(managers, list):
                out[str(key)] = (count, tuple(map(str, managers)))
        return out

    def condition(self, name: str) -> Mapping[str, Any]:
        found = self.status.get("conditions")
        rows = found if isinstance(found, list) else []
        return next((c for c in rows if isinstance(c, dict) and c.get("type") == name), {})


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group's entries by unit. `version` is the resourceVersion that a write must name; "" when
    the ConfigMap does not exist."""

    group: str
    apps: Mapping[UnitId, RecordedStatus] = field(default_factory=dict)
    version: str = ""


def read_statuses(items: Iterable[Observed]) -> dict[str, GroupStatus]:
    """The statuses among this program's ConfigMaps, by group. A damaged entry is left out."""
    out = {}
    for item in items:
        body = item.body or {}
        if (body["metadata"].get("labels") or {}).get(INVENTORY_LABEL) != "status":
            continue
        parts = item.key.name.split(".")
        if len(parts) != 3 or parts[2] != "status":
            continue
        group = f"{parts[0]}/{parts[1]}"
        apps = {}
        for model, text in (body.get("data") or {}).items():
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            if isinstance(entry, dict):
                apps[UnitId(parts[0], parts[1], model)] = RecordedStatus(entry)
        out[group] = GroupStatus(group, apps, item.resource_version)
    return out


def status_key(group: str) -> ObjectKey:
    name = f"{group.replace('/', '.')}.status"
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name)
