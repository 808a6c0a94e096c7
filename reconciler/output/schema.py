"""The JSON Schema of `--output json`. It is written by hand, since it is a promise to programs; a
test checks the output of every command against the schema."""

from __future__ import annotations

from typing import Any

import reconciler
from reconciler.engine.views.models import ModelAction
from reconciler.engine.views.report import SCHEMA_VERSION
from reconciler.engine.views.rights import Purpose
from reconciler.engine.views.status import Health, StepKind
from reconciler.lifecycle.decision import ReasonKind, RolloutVerdict

__all__ = ["documents"]

Schema = dict[str, Any]


def documents() -> dict[str, Schema]:
    """File name → schema."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{reconciler.API_DOMAIN}/schemas/report.json",
        "title": "A report",
        "description": "What a command prints with --output json. Keys beyond the first seven are "
        "those of the sections that the command has.",
    }
    always = {
        "schemaVersion": {"const": SCHEMA_VERSION},
        "command": _TEXT,
        "revision": _TEXT,
        "exitCode": {"type": "integer", "minimum": 0, "maximum": 6},
        "diagnostics": _list(_diagnostic()),
        "findings": _list(_finding()),
        "closing": _list(_TEXT),
    }
    sections = {
        "plan": _plan(),
        "chains": _list(_chain()),
        "events": _list(_record({"at": _TIME, "subject": _TEXT, "text": _TEXT})),
        "status": _list(_status()),
        "versions": _list(_version()),
        "records": _record({"files": _list(_TEXT), "written": _TEXT}),
        "promotion": _promotion(),
        "objects": _list({"$ref": "#/$defs/object"}),
        "rights": _rights(),
        "layers": _list(_record({"app": _APP, "files": _list(_TEXT)})),
        "repairs": _list(_repair()),
        **_merge(),
        **_scope(),
    }
    report = _record({**always, **sections}, *sections)
    return {"report.json": {**head, **report, "$defs": _objects()}}


# -- types -----------------------------------------------------------------------------------------

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ISO = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"
_TIME: Schema = {"type": "string", "format": "date-time", "pattern": _ISO}
_TIME_OR_NULL: Schema = {**_TIME, "type": ["string", "null"]}
_DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
#: `<environment>/<group>/<model>`; a foundation's model is `_group`.
_APP: Schema = {"type": "string"}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _map(item: Schema) -> Schema:
    return {"type": "object", "additionalProperties": item}


def _or_null(record: Schema) -> Schema:
    return {"anyOf": [record, {"type": "null"}]}


def _words(values: Any) -> Schema:
    """One of an enumeration's values."""
    return {"enum": [value.value for value in values]}


def _record(properties: Schema, *optional: str) -> Schema:
    """An object with these keys and no others."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }


# -- mistakes and findings -------------------------------------------------------------------------


def _diagnostic() -> Schema:
    return _record(
        {
            "severity": {"enum": ["error", "warning"]},
            "code": {"type": "string", "pattern": "^[EW]_[A-Z0-9_]+$"},
            "message": _TEXT,
            "path": _TEXT,
            "at": _TEXT_OR_NULL,
            "related": _list(_record({"at": _TEXT, "message": _TEXT})),
            "help": _TEXT,
            "apps": _list(_APP),
        }
    )


def _finding() -> Schema:
    return _record(
        {
            "policy": _TEXT,
            "level": {"enum": ["warn", "deny", "enforce"]},
            "severity": _TEXT,
            "blocks": _FLAG,
            "message": _TEXT,
            "app": _APP,
            "object": _TEXT,
            "field": _TEXT,
            "at": _TEXT_OR_NULL,
        }
    )


# -- plans -----------------------------------------------------------------------------------------


def _plan() -> Schema:
    return _record(
        {
            "clusters": _list(_record({"name": _TEXT, "uid": _TEXT})),
            "offline": _FLAG,
            "commit": _TEXT,
            "counts": _map(_COUNT),
            "drifted": _COUNT,
            "requests": _COUNT,
            "models": _list(_model()),
            "apps": _list(_app()),
        }
    )


_SCHEDULE = {"schedule": _TEXT, "cron": _TEXT, "timeZone": _TEXT, "next": _list(_TIME)}


def _schedule() -> Schema:
    return _record(_SCHEDULE)


def _model() -> Schema:
    """What changes of one app as a model; `profile` is null but for a new app."""
    weights = _map(_COUNT)
    version = _record(
        {
            "before": weights,
            "now": weights,
            "after": weights,
            "steps": _list(_COUNT),
            "seconds": _COUNT,
            "at": _TEXT_OR_NULL,
        }
    )
    setting = _record(
        {
            "path": _TEXT,
            "before": _TEXT_OR_NULL,
            "after": _TEXT_OR_NULL,
            "beforeKnown": _FLAG,
            "at": _TEXT_OR_NULL,
        }
    )
    qos = _record({"workload": _TEXT, "before": _TEXT_OR_NULL, "after": _TEXT, "at": _TEXT_OR_NULL})
    profile = _record(
        {
            "backend": _TEXT_OR_NULL,
            "serverImage": _TEXT_OR_NULL,
            "replicas": _COUNT,
            "gpusPerReplica": _COUNT,
            "hostnames": _list(_TEXT),
            "framework": _TEXT_OR_NULL,
            "trainingImage": _TEXT_OR_NULL,
            "workers": _COUNT,
            "gpusPerWorker": _COUNT,
            "candidates": _list(_TEXT),
        }
    )
    return _record(
        {
            "app": _APP,
            "action": _words(ModelAction),
            "version": _or_null(version),
            "settings": _list(setting),
            "profile": _or_null(profile),
            "qos": _list(qos),
            "trainings": _list(
                _record(
                    {
                        **_SCHEDULE,
                        "before": {
                            **_or_null(_schedule()),
                            "description": "the schedule as it was; null where its times stay",
                        },
                    }
                )
            ),
        }
    )


def _app() -> Schema:
    decision = _record(
        {
            "verdict": _words(RolloutVerdict),
            "weights": _map(_COUNT),
            "reasons": _list(_reason()),
            "due": _TIME_OR_NULL,
            "records": _FLAG,
            "inputs": _TEXT,
            "hold": _hold(),
        },
        "hold",
    )
    result = _record(
        {
            "status": _TEXT,
            "done": _list(_record({"object": _TEXT, "verb": _TEXT})),
            "problems": _list(_record({"object": _TEXT_OR_NULL, "why": _TEXT})),
        }
    )
    return _record(
        {
            "app": _APP,
            "namespace": _TEXT,
            "removed": _FLAG,
            "suspended": _FLAG,
            "migrates": _FLAG,
            "applyAs": _TEXT,
            "unchanged": _COUNT,
            "waves": _list(_list(_change())),
            "refusals": _list(_refusal()),
            "schedules": _list(_schedule()),
            "decision": decision,
            "result": result,
        },
        "decision",
        "result",
    )


def _hold() -> Schema:
    return _record({"why": _TEXT, "since": _TIME_OR_NULL, "wayOut": _TEXT})


def _refusal() -> Schema:
    return _record(
        {
            "code": _TEXT,
            "text": _TEXT,
            "wayOut": _TEXT,
            "app": _APP,
            "approval": _TEXT,
            "objects": _list(_TEXT),
        },
        "objects",
    )


def _reason() -> Schema:
    return _record({"kind": _words(ReasonKind), "text": _TEXT, "at": _TEXT_OR_NULL})


def _change() -> Schema:
    inside = _record({"object": _TEXT, "path": _TEXT})
    field = _record(
        {"path": _TEXT, "before": {}, "after": {}, "origin": _list(_link()), "inside": inside},
        "inside",
    )
    return _record(
        {
            "object": _TEXT,
            "apiVersion": _TEXT,
            "action": {"enum": ["create", "update", "replace", "delete", "keep"]},
            "standing": {"enum": ["go", "held", "unjudged"]},
            "wave": _COUNT,
            "takesOver": _list(_TEXT),
            "drift": _FLAG,
            "reasons": _list(_reason()),
            "fields": _list(field),
            "manifest": _TEXT_OR_NULL,
            "expects": _record({"uid": _TEXT, "digest": _TEXT}),
            "conflict": _record({"managers": _list(_TEXT), "fields": _list(_TEXT)}),
        },
        "conflict",
    )


def _link() -> Schema:
    """One link of a chain of config lines; the link of a map or list has no value."""
    return _record(
        {"at": _TEXT, "op": _TEXT, "layer": _TEXT, "value": {}, "through": _list(_TEXT)},
        "value",
        "through",
    )


def _chain() -> Schema:
    return _record(
        {
            "path": _TEXT,
            "app": _TEXT_OR_NULL,
            "value": {},
            "deleted": _FLAG,
            "locked": _TEXT_OR_NULL,
            "chain": _list(_link()),
            "usedBy": _list(_record({"object": _TEXT, "field": _TEXT})),
            "reasons": _list(_TEXT),
            "note": _TEXT,
        }
    )


# -- views -----------------------------------------------------------------------------------------


def _status() -> Schema:
    last_run = _record({"result": _TEXT, "at": _TIME})
    step = _record({"kind": _words(StepKind), "text": _TEXT, "at": _TIME_OR_NULL, "pending": _FLAG})
    training = _record({"schedule": _TEXT, "at": _TIME, "running": _FLAG})
    rollout = _record(
        {
            "stable": _TEXT,
            "wanted": _TEXT,
            "weight": _COUNT,
            "step": _COUNT,
            "steps": _COUNT,
            "until": _TIME_OR_NULL,
            "waits": _TEXT,
        }
    )
    return _record(
        {
            "app": _APP,
            "health": {"enum": [*_words(Health)["enum"], None]},
            "version": _TEXT_OR_NULL,
            "traffic": _map({"type": "integer", "minimum": 0, "maximum": 100}),
            "revision": _TEXT_OR_NULL,
            "lastRun": _or_null(last_run),
            "next": _list(step),
            "blocked": _list(_TEXT),
            "inGit": _FLAG,
            "unrouted": _TEXT,
            "lastTraining": _or_null(training),
            "rollout": _or_null(rollout),
            "hold": _or_null(_hold()),
        }
    )


def _version() -> Schema:
    return _record(
        {
            "model": _TEXT,
            "version": _TEXT_OR_NULL,
            "digest": _DIGEST,
            "metrics": _map({"type": "number"}),
            "trainedAt": _TIME_OR_NULL,
            "run": _TEXT_OR_NULL,
            "candidate": _TEXT_OR_NULL,
            "dataset": _TEXT_OR_NULL,
            "storageUri": _TEXT_OR_NULL,
            "object": _TEXT_OR_NULL,
            "recorded": _FLAG,
        }
    )


def _promotion() -> Schema:
    return _record(
        {
            "model": _TEXT,
            "environment": _TEXT,
            "before": _TEXT_OR_NULL,
            "after": _TEXT,
            "digest": _DIGEST,
            "files": _list(_TEXT),
            "written": _TEXT_OR_NULL,
            "diff": _TEXT,
        }
    )


def _objects() -> dict[str, Schema]:
    """An object, and an embedded one, which another object holds as text. Both may embed more."""
    parts = {
        "object": _TEXT,
        "rule": _TEXT,
        "digest": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "manifest": {"type": "object"},
        "origins": _map(_list(_TEXT)),
        "embedded": _list({"$ref": "#/$defs/embedded"}),
    }
    return {
        "object": _record({"app": _APP, **parts}),
        "embedded": _record({"path": _TEXT, **parts}),
    }


def _rights() -> Schema:
    subject = _record(
        {"kind": _TEXT, "name": _TEXT, "namespace": _TEXT, "apiGroup": _TEXT},
        "namespace",
        "apiGroup",
    )
    names = ("apiGroups", "resources", "resourceNames", "verbs")
    rule = _record({"why": _TEXT, **dict.fromkeys(names, _list(_TEXT))}, "resourceNames")
    role = _record(
        {"name": _TEXT, "namespace": _TEXT_OR_NULL, "subject": subject, "rules": _list(rule)}
    )
    return _record(
        {
            "purpose": _words(Purpose),
            "name": _TEXT,
            "namespace": _TEXT,
            "username": _TEXT,
            "namespaces": _list(_TEXT),
            "roles": _list(role),
            "notes": _list(_TEXT),
            "manifests": _list({"type": "object"}),
        }
    )


def _repair() -> Schema:
    row = _record(
        {
            "object": _TEXT,
            "recordedUid": _TEXT_OR_NULL,
            "liveUid": _TEXT_OR_NULL,
            "ours": _FLAG,
            "wanted": _FLAG,
        }
    )
    return _record(
        {"app": _APP, "why": _TEXT, "outcome": _TEXT, "approval": _TEXT, "objects": _list(row)}
    )


def _merge() -> dict[str, Schema]:
    """`errors` and `warnings` are the diagnostics by severity."""
    return {
        "value": {},
        "errors": _list(_diagnostic()),
        "warnings": _list(_diagnostic()),
        "provenance": _map(_list(_link())),
    }


def _scope() -> dict[str, Schema]:
    """The scope of a run: the number of apps and policies, and the units that were left out."""
    return {
        "apps": {**_COUNT, "description": "how many apps were read without a mistake"},
        "policies": {**_COUNT, "description": "how many policies are bound"},
        "base": _TEXT,
        "blocked": {**_map(_list(_TEXT)), "description": "unit → codes of its mistakes"},
        "cases": _list(_record(dict.fromkeys(("policy", "name", "at", "failure"), _TEXT))),
        "denied": _list(_APP),
        "moved": _list(_TEXT),
        "skippedLocked": {**_map(_TEXT), "description": "group → who holds its lease"},
        "results": {**_map(_TEXT), "description": "unit → what came of the pass"},
    }
