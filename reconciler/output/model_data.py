"""What a plan changes of models, as data of the JSON output."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from reconciler.engine.views.models import ModelChange, Profile, VersionMove
from reconciler.lifecycle.decision import Fires
from reconciler.origin import Origin

__all__ = ["model_data", "schedule_data"]


def model_data(change: ModelChange) -> dict[str, Any]:
    """What changes of one app."""
    return {
        "app": str(change.app),
        "action": change.action.value,
        "version": _move(change.version) if change.version is not None else None,
        "settings": [
            {
                "path": row.path,
                "before": row.before,
                "after": row.after,
                "beforeKnown": row.is_known,
                "at": _at(row.origin),
            }
            for row in change.settings
        ],
        "profile": _profile(change.profile) if change.profile is not None else None,
        "qos": [
            {
                "workload": row.workload,
                "before": row.before,
                "after": row.after,
                "at": _at(row.origin),
            }
            for row in change.qos
        ],
        "trainings": [
            {**schedule_data(item), "before": _former(change, item.schedule)}
            for item in change.trainings
        ],
    }


def _former(change: ModelChange, schedule: str) -> dict[str, Any] | None:
    """The schedule as it was before; None where its times do not change."""
    return next((schedule_data(f) for f in change.former if f.schedule == schedule), None)


def _move(move: VersionMove) -> dict[str, Any]:
    return {
        "before": dict(move.before),
        "now": dict(move.now),
        "after": dict(move.after),
        "steps": list(move.steps),
        "seconds": int(move.seconds),
        "at": _at(move.origin),
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "backend": profile.backend or None,
        "serverImage": profile.server or None,
        "replicas": profile.replicas,
        "gpusPerReplica": profile.gpus,
        "hostnames": list(profile.hostnames),
        "framework": profile.framework or None,
        "trainingImage": profile.trainer or None,
        "workers": profile.workers,
        "gpusPerWorker": profile.worker_gpus,
        "candidates": list(profile.candidates),
    }


def schedule_data(fires: Fires) -> dict[str, Any]:
    """A schedule with its next times, in UTC."""
    return {
        "schedule": fires.schedule,
        "cron": fires.cron,
        "timeZone": fires.zone,
        "next": [f"{t.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for t in fires.times],
    }


def _at(origin: Origin | None) -> str | None:
    return str(origin.site) if origin is not None else None
