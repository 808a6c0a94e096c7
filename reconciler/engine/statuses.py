"""What the last runs did, kept in the cluster for whoever asks: one ConfigMap a group with an entry
an app, written when something changed and by no quiet run. One an app would cost a write an app.

Conditions follow kstatus: Reconciling and Stalled are there only while they are true, and what does
not heal by itself says Stalled. Best effort: no run fails because its status cannot be written.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import reconciler
from reconciler.engine.passes import Outcome, State
from reconciler.engine.targets import Targets
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan.inventory import INVENTORY_LABEL
from reconciler.ports import ClusterReader, Listing
from reconciler.unit import UnitId

__all__ = [
    "GroupStatus",
    "Recorded",
    "Transition",
    "Watched",
    "Watching",
    "body_of",
    "next_status",
    "read",
    "recorded_in",
    "status_key",
]

_KEPT = 10
_LONGEST = 512
_MOST_BYTES = 600_000
_READY = ("True", "Succeeded", "")
#: State → (Ready, reason, Stalled or Reconciling while it lasts).
_CONDITIONS = {
    State.SUCCESS: _READY,
    State.NOOP: _READY,
    State.INCOMPLETE: ("False", "HealthCheckFailed", "Reconciling"),
    State.FAILED: ("False", "ReconciliationFailed", "Reconciling"),
    State.BLOCKED: ("False", "BuildFailed", "Stalled"),
    State.DENIED: ("False", "PolicyDenied", "Stalled"),
    State.REFUSED: ("False", "ApprovalNeeded", "Stalled"),
    State.UNKNOWN: ("Unknown", "DependencyNotReady", "Reconciling"),
    State.DRIFTED: ("False", "Drifted", "Stalled"),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One app's entry as stored."""

    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest entry of the history; {} when there is none."""
        history = self.status.get("history")
        first = history[0] if isinstance(history, list) and history else {}
        return first if isinstance(first, dict) else {}

    def condition(self, name: str) -> Mapping[str, Any]:
        found = self.status.get("conditions")
        rows = found if isinstance(found, list) else []
        return next((c for c in rows if isinstance(c, dict) and c.get("type") == name), {})


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """A group's entries by unit; `version` is what a write must name, "" where there is none."""

    group: str
    apps: Mapping[UnitId, Recorded] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Transition:
    """An entry to be written, and what everybody should hear of it."""

    unit: UnitId
    state: State
    ready: str
    reason: str
    text: str
    revision: str
    status: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return self.ready == "True"


def next_status(
    known: Recorded, outcome: Outcome, revision: str, run: str, now: datetime, seconds: float
) -> Transition | None:
    """What to record of a pass; None when nothing happened that is not recorded already."""
    if outcome.state not in _CONDITIONS or outcome.gone:
        return None
    if outcome.state is State.NOOP and not known.status:
        return None  # nothing was ever told of it, and there is nothing to tell
    ready, reason, while_ = _CONDITIONS[outcome.state]
    before = known.condition("Ready")
    same = before.get("status") == ready and before.get("reason") == reason
    failing = ready != "True"
    newer = known.status.get("lastAttemptedRevision") != revision
    if same and not outcome.wrote and not (failing and newer):
        return None
    stamp = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    text = outcome.text[:_LONGEST]
    rows = [("Ready", ready, reason)]
    if while_:
        rows.append((while_, "True", reason))
    conditions = [_condition(known, kind, status, why, text, stamp) for kind, status, why in rows]
    entry = {
        "at": stamp,
        "run": run,
        "revision": revision,
        "result": outcome.state.value,
        "seconds": round(seconds, 1),
        "writes": len(outcome.done),
    }
    if text:
        entry["message"] = text
    history = known.status.get("history")
    older = history if isinstance(history, list) else []
    applied = revision if not failing else known.status.get("lastAppliedRevision", "")
    status = {
        "conditions": conditions,
        "lastAttemptedRevision": revision,
        "lastAppliedRevision": applied,
        "history": [entry, *older][:_KEPT],
    }
    return Transition(outcome.unit, outcome.state, ready, reason, text, revision, status)


def _condition(
    known: Recorded, kind: str, status: str, reason: str, text: str, stamp: str
) -> dict[str, str]:
    before = known.condition(kind)
    since = before.get("lastTransitionTime", stamp) if before.get("status") == status else stamp
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": text,
        "lastTransitionTime": str(since),
    }


def body_of(
    known: GroupStatus,
    transitions: Iterable[Transition],
    gone: Iterable[UnitId],
    redact: Callable[[str], str],
) -> dict[str, Any]:
    """The ConfigMap with these entries new and those of units that are gone left out. Histories
    are cut where a large group would not fit into one object."""
    entries = {unit: dict(recorded.status) for unit, recorded in known.apps.items()}
    entries |= {t.unit: dict(t.status) for t in transitions}
    for unit in gone:
        entries.pop(unit, None)
    for kept in (_KEPT, 3, 1, 0):
        data = {unit.model: _line(entry, kept, redact) for unit, entry in entries.items()}
        if sum(map(len, data.values())) < _MOST_BYTES:
            break
    metadata: dict[str, Any] = {
        "name": status_key(known.group).name,
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": {
            INVENTORY_LABEL: "status",
            "app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER,
        },
    }
    if known.version:
        metadata["resourceVersion"] = known.version
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": dict(sorted(data.items())),
    }


def _line(entry: Mapping[str, Any], kept: int, redact: Callable[[str], str]) -> str:
    history = entry.get("history")
    cut = {**entry, "history": (history if isinstance(history, list) else [])[:kept]}
    return redact(json.dumps(cut, sort_keys=True))


def recorded_in(items: Iterable[Observed]) -> dict[str, GroupStatus]:
    """The statuses among ConfigMaps of ours, by group. What was damaged counts as not there."""
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
                apps[UnitId(parts[0], parts[1], model)] = Recorded(entry)
        out[group] = GroupStatus(group, apps, item.resource_version)
    return out


class Watching:
    """A cluster that remembers the statuses which went by in a listing of our own ConfigMaps, so
    that nobody has to ask for them: a quiet run costs no request more."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.statuses: dict[str, GroupStatus] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        found: Listing = self._cluster.list(kind, namespace, labels)
        if kind == GroupKind("", "ConfigMap") and namespace == reconciler.TOOL_NAMESPACE:
            self.statuses = recorded_in(found.items)
        return found


class Watched(Sequence[Any]):
    """The clients of some targets, each remembering the statuses that go by."""

    def __init__(self, behind: Targets[Any]) -> None:
        self._behind = behind
        self._made: dict[int, Watching] = {}
        self.targets: Targets[Any] = dataclasses.replace(behind, clients=self)

    def __len__(self) -> int:
        return len(self._behind.clients)

    def __getitem__(self, index: Any) -> Any:
        if index not in self._made:
            self._made[index] = Watching(self._behind.clients[index])
        return self._made[index]

    @property
    def statuses(self) -> dict[str, GroupStatus]:
        return {k: v for one in self._made.values() for k, v in one.statuses.items()}


def read(reader: ClusterReader) -> dict[str, GroupStatus]:
    """All statuses: one LIST. Raises ClusterUnreadable."""
    found = reader.list(
        GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, {INVENTORY_LABEL: "status"}
    )
    return recorded_in(found.items)


def status_key(group: str) -> ObjectKey:
    name = f"{group.replace('/', '.')}.status"
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name)
