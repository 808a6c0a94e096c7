"""Deployments: pods of a new template or of a higher count are ready after a while, pods with a
failing image never.

The condition Progressing carries in its message which template is being rolled out and in
`lastUpdateTime` since when, as the real controller's does: so nothing has to be remembered.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from reconciler.objects.key import GroupKind
from reconciler.simulation.bodies import Body, stamp
from reconciler.simulation.controller import Controller, Desk, moment, with_condition

__all__ = ["CONTROLLER"]

_MANAGER = "kube-controller-manager"
_DONE = "NewReplicaSetAvailable"
_VERSION = "ml-reconciler.dev/version"


def _reconcile(desk: Desk, body: Body) -> datetime | None:
    spec, status = body["spec"], body.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    name = f"{body['metadata']['name']}-{_hash(spec['template'])}"
    progress = _progressing(status)
    counts = _Counts.of(status)
    begun = moment(progress["lastUpdateTime"]) if "lastUpdateTime" in progress else desk.now
    is_new = f'"{name}"' not in str(progress.get("message", ""))
    grows = progress.get("reason") == _DONE and wanted > counts.updated
    if is_new or grows:
        begun = desk.now
        reason = "ReplicaSetUpdated" if status else "NewReplicaSetCreated"
        progress = {"reason": reason, "message": f'ReplicaSet "{name}" is progressing.'}
        # A rolling update keeps the old pods and adds one; otherwise all new pods exist at once.
        rolls = is_new and counts.ready > 0 and wanted > 0
        counts = _Counts(counts.ready + 1, 1, counts.ready) if rolls else counts.grown(wanted)
    failing = _is_failing(desk, body)
    done = begun + _delay(desk, body)
    late = begun + timedelta(seconds=int(spec.get("progressDeadlineSeconds", 600)))
    if wanted == 0 or (not failing and desk.now >= done):
        _write(desk, body, _available(name, desk.now, progress), _Counts(wanted, wanted, wanted))
        return None
    progress = {"status": "True", "lastUpdateTime": stamp(begun), **progress}
    if failing and desk.now >= late:
        message = f'ReplicaSet "{name}" has timed out progressing.'
        progress |= {"reason": "ProgressDeadlineExceeded", "message": message, "status": "False"}
    _write(desk, body, progress, counts)
    if not failing:
        return done
    return late if desk.now < late else None


class _Counts(NamedTuple):
    total: int
    updated: int
    ready: int

    @classmethod
    def of(cls, status: dict[str, Any]) -> _Counts:
        names = ("replicas", "updatedReplicas", "readyReplicas")
        return cls(*(int(status.get(name, 0)) for name in names))

    def grown(self, wanted: int) -> _Counts:
        return _Counts(wanted, wanted, min(self.ready, wanted))


def _hash(template: Any) -> str:
    raw = orjson.dumps(template, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(raw).hexdigest()[:9]


def _progressing(status: dict[str, Any]) -> dict[str, Any]:
    conditions = status.get("conditions") or ()
    return next((c for c in conditions if c.get("type") == "Progressing"), {})


def _delay(desk: Desk, body: Body) -> timedelta:
    """A server that loads a model for KServe takes longer than a plain one."""
    owners = body["metadata"].get("ownerReferences") or ()
    loads = any(owner.get("kind") == "InferenceService" for owner in owners)
    return desk.settings.model_load if loads else desk.settings.pod_start


def _is_failing(desk: Desk, body: Body) -> bool:
    template = body["spec"]["template"]
    pod = template["spec"]
    images = [c.get("image") for c in (*pod.get("initContainers", ()), *pod["containers"])]
    labels = (template.get("metadata") or {}).get("labels") or {}
    words = [str(arg).rpartition("=")[2] for c in pod["containers"] for arg in c.get("args", ())]
    owners = [o.get("name") for o in body["metadata"].get("ownerReferences") or ()]
    return desk.fails(body["metadata"]["name"], labels.get(_VERSION), *images, *words, *owners)


def _available(name: str, now: datetime, before: dict[str, Any]) -> dict[str, Any]:
    message = f'ReplicaSet "{name}" has successfully progressed.'
    if before.get("reason") == _DONE and before.get("message") == message:
        return before
    return {"reason": _DONE, "message": message, "status": "True", "lastUpdateTime": stamp(now)}


def _write(desk: Desk, body: Body, progress: dict[str, Any], counts: _Counts) -> None:
    wanted = int(body["spec"].get("replicas", 1))
    enough = counts.ready >= wanted
    progress = {k: v for k, v in progress.items() if k not in ("type", "lastTransitionTime")}
    progressing = str(progress.pop("status"))
    conditions = with_condition(
        (body.get("status") or {}).get("conditions") or (),
        desk.now,
        "Available",
        "True" if enough else "False",
        reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        message=f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    )
    numbers = {
        "replicas": counts.total,
        "updatedReplicas": counts.updated,
        "readyReplicas": counts.ready,
        "availableReplicas": counts.ready,
        "unavailableReplicas": max(0, wanted - counts.ready),
    }
    status = {
        "observedGeneration": body["metadata"]["generation"],
        "conditions": with_condition(conditions, desk.now, "Progressing", progressing, **progress),
        **{name: number for name, number in numbers.items() if number},
    }
    desk.status(body, status, _MANAGER)


CONTROLLER = Controller("deployment", (GroupKind("apps", "Deployment"),), _reconcile)
