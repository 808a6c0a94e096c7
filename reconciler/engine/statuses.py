"""What the last runs did, kept in the cluster for whoever asks: one ConfigMap an app, written when
something changed and by no quiet run.

Conditions follow kstatus: Reconciling and Stalled are there only while they are true, and a terminal
failure says Stalled. Best effort: no run fails because its status could not be written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import reconciler
from reconciler.engine.passes import Outcome, State
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.plan.inventory import INVENTORY_LABEL, name_of, unit_of
from reconciler.ports import ClusterReader, Listing

__all__ = ["Recorded", "Transition", "Watching", "body_of", "next_status", "recorded_in"]

_KEPT = 10
_LONGEST = 512
_READY = ("True", "Succeeded", "")
#: State → (Ready, reason, Stalled or Reconciling while it lasts).
_CONDITIONS = {
    State.SUCCESS: _READY,
    State.NOOP: _READY,
    State.INCOMPLETE: ("False", "HealthCheckFailed", "Reconciling"),
    State.FAILED: ("False", "ReconciliationFailed", "Reconciling"),
    State.STOPPED: ("False", "Progressing", "Reconciling"),
    State.BLOCKED: ("False", "BuildFailed", "Stalled"),
    State.DENIED: ("False", "PolicyDenied", "Stalled"),
    State.REFUSED: ("False", "ApprovalNeeded", "Stalled"),
    State.UNKNOWN: ("Unknown", "DependencyNotReady", "Reconciling"),
    State.DRIFTED: ("False", "Drifted", "Stalled"),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """A status as stored; `version` is what a write must name, "" where there is none yet."""

    unit: str
    status: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def last(self) -> Mapping[str, Any]:
        """The newest entry of the history; {} when there is none."""
        history = self.status.get("history")
        return history[0] if isinstance(history, list) and history else {}

    def condition(self, name: str) -> Mapping[str, Any]:
        found = self.status.get("conditions")
        rows = found if isinstance(found, list) else []
        return next((c for c in rows if isinstance(c, dict) and c.get("type") == name), {})


@dataclass(frozen=True, slots=True)
class Transition:
    """A status to be written, and what everybody should hear of it. `key` names the transition for
    those who hear of it twice."""

    unit: str
    state: State
    ready: str
    reason: str
    text: str
    revision: str
    status: Mapping[str, Any]
    version: str

    @property
    def is_good(self) -> bool:
        return self.ready == "True"


def next_status(
    known: Recorded, outcome: Outcome, revision: str, run: str, now: datetime, seconds: float
) -> Transition | None:
    """What to record of a pass; None when nothing happened that is not recorded already."""
    if outcome.state not in _CONDITIONS:
        return None
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
    return Transition(
        outcome.unit, outcome.state, ready, reason, text, revision, status, known.version
    )


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


def body_of(transition: Transition, redact: Callable[[str], str]) -> dict[str, Any]:
    """The ConfigMap. It is never listed in an inventory and never pruned: it goes with its app's
    inventory, when somebody removes that."""
    metadata: dict[str, Any] = {
        "name": name_of(transition.unit, "status"),
        "namespace": reconciler.TOOL_NAMESPACE,
        "labels": {
            INVENTORY_LABEL: "status",
            "app.kubernetes.io/managed-by": reconciler.FIELD_MANAGER,
        },
    }
    if transition.version:
        metadata["resourceVersion"] = transition.version
    text = redact(json.dumps(transition.status, sort_keys=True))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"unit": transition.unit, "ready": transition.ready, "status": text},
    }


def recorded_in(items: Iterable[Observed]) -> dict[str, Recorded]:
    """The statuses among ConfigMaps of ours. One that was damaged counts as none."""
    out = {}
    for item in items:
        body = item.body or {}
        if (body["metadata"].get("labels") or {}).get(INVENTORY_LABEL) != "status":
            continue
        unit = unit_of(item.key.name, "status")
        try:
            status = json.loads((body.get("data") or {}).get("status") or "{}")
        except ValueError:
            status = {}
        if unit:
            known = status if isinstance(status, dict) else {}
            out[unit] = Recorded(unit, known, item.resource_version)
    return out


class Watching:
    """A cluster that remembers the statuses which went by in a listing of our own ConfigMaps, so
    that nobody has to ask for them: a quiet run costs no request more."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.statuses: dict[str, Recorded] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        found: Listing = self._cluster.list(kind, namespace, labels)
        if kind == GroupKind("", "ConfigMap") and namespace == reconciler.TOOL_NAMESPACE:
            self.statuses = recorded_in(found.items)
        return found


def read(reader: ClusterReader) -> dict[str, Recorded]:
    """All statuses: one LIST. Raises ClusterUnreadable."""
    found = reader.list(
        GroupKind("", "ConfigMap"), reconciler.TOOL_NAMESPACE, {INVENTORY_LABEL: "status"}
    )
    return recorded_in(found.items)


def key_of_status(unit: str) -> ObjectKey:
    return ObjectKey("", "ConfigMap", reconciler.TOOL_NAMESPACE, name_of(unit, "status"))
