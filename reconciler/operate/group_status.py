"""The results of the last runs, kept in the cluster for people and tools: one ConfigMap per group
with one entry per app. A run without news writes none. (One ConfigMap per app would cost one write
per app.)

Conditions follow kstatus: Reconciling and Stalled are present only while they are true, and a state
that does not end by itself is Stalled. Best effort: a run does not fail when its status cannot be
written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reconciler
from reconciler.operate.passes import UnitResult, UnitState
from reconciler.plan.inventory import INVENTORY_LABEL
from reconciler.plan.statuses import GroupStatus, RecordedStatus, status_key
from reconciler.unit import UnitId

__all__ = [
    "Transition",
    "body_of",
    "next_status",
]

_KEPT = 10
_LONGEST = 512
_MOST_BYTES = 600_000
_READY = ("True", "Succeeded", "")
#: State → (Ready, its reason, the condition that is present while the state lasts).
_CONDITIONS = {
    UnitState.SUCCESS: _READY,
    UnitState.NOOP: _READY,
    UnitState.INCOMPLETE: ("False", "HealthCheckFailed", "Reconciling"),
    UnitState.FAILED: ("False", "ReconciliationFailed", "Reconciling"),
    UnitState.BLOCKED: ("False", "BuildFailed", "Stalled"),
    UnitState.DENIED: ("False", "PolicyDenied", "Stalled"),
    UnitState.REFUSED: ("False", "ApprovalNeeded", "Stalled"),
    UnitState.DEFERRED: ("False", "WindowClosed", "Reconciling"),
    UnitState.HELD: ("False", "Held", "Stalled"),
    UnitState.UNKNOWN: ("Unknown", "DependencyNotReady", "Reconciling"),
    UnitState.DRIFTED: ("False", "Drifted", "Stalled"),
}


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a unit's status: the entry to write, and what events and notifications say."""

    unit: UnitId
    state: UnitState
    ready: str
    reason: str
    text: str
    revision: str
    status: Mapping[str, Any]
    event: str = ""
    """The reason of the event, when it is another than that of the condition."""
    hold: str = ""
    """The identity of the hold that is told; "" where none is, or where it was told before."""
    quiet: bool = False
    """Only the entry changes, for example because a new commit is held as well: nothing is told."""

    @property
    def is_good(self) -> bool:
        return self.ready == "True"


def next_status(
    known: RecordedStatus,
    outcome: UnitResult,
    revision: str,
    run: str,
    now: datetime,
    seconds: float,
) -> Transition | None:
    """The status to record after a pass; None when the recorded one still holds. `run` is the id of
    the run, `seconds` the duration of the pass."""
    if outcome.state not in _CONDITIONS or outcome.gone:
        return None
    if outcome.state is UnitState.NOOP and not known.status:
        return None  # nothing was recorded for the unit so far, and nothing has happened
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
    if fights := _count_fights(known, outcome, revision):
        status["fights"] = fights
    hold = _identify_hold(outcome, revision)
    told = bool(hold) and same and known.status.get("hold") == hold
    if hold and (told or not outcome.corrected):
        status["hold"] = hold  # the event of a correction leaves the hold to the next pass
    event = ""
    if outcome.corrected:
        event, text = "DriftCorrected", _tell_corrected(outcome, text)
    return Transition(
        outcome.unit, outcome.state, ready, reason, text, revision, status, event,
        hold=hold if not event and not told else "",
        quiet=told and not event,
    )  # fmt: skip


def _tell_corrected(outcome: UnitResult, text: str) -> str:
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(outcome.corrected.items()))
    return f"corrected drift of {kinds}" + (f"; {text}" if text else "")


def _identify_hold(outcome: UnitResult, revision: str) -> str:
    """A digest by which a hold is the same in every pass, process and commit: of since when the
    traffic is held. A held object, of which no time is recorded, is another one at each commit."""
    if outcome.state is not UnitState.HELD:
        return ""
    since = outcome.held_since
    mark = since.isoformat() if since is not None else f"{revision}\0{outcome.text}"
    return hashlib.sha256(f"{outcome.unit}\0{mark}".encode()).hexdigest()[:32]


def _count_fights(known: RecordedStatus, outcome: UnitResult, revision: str) -> dict[str, Any]:
    """Object → how often its fields were taken back at this revision, and from whom."""
    counted = known.fights(revision)
    for key, managers in outcome.fought.items():
        count, before = counted.get(key, (0, ()))
        counted[key] = (count + 1, tuple(sorted({*before, *managers})))
    return {k: {"count": n, "managers": list(m)} for k, (n, m) in sorted(counted.items())}


def _condition(
    known: RecordedStatus, kind: str, status: str, reason: str, text: str, stamp: str
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
    """The ConfigMap of a group with the new entries, and without those of removed units. Histories
    are shortened when a large group would not fit into one object."""
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
