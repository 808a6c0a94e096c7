"""JSON Schema of what `--output json` prints. Hand-written: it is a promise to programs, and a
test holds every command's output against it."""

from __future__ import annotations

from typing import Any

import reconciler
from reconciler.engine.views.report import SCHEMA_VERSION

__all__ = ["documents"]

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _record(properties: dict[str, Any], *optional: str, closed: bool = True) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        **({"additionalProperties": False} if closed else {}),
    }


def documents() -> dict[str, dict[str, Any]]:
    """File name → schema."""
    link = _record(
        {
            "at": _TEXT,
            "op": _TEXT,
            "layer": _TEXT,
            "value": {},
            "through": _list(_TEXT),
        },
        "value",
        "through",
    )
    reason = _record({"text": _TEXT, "at": _TEXT_OR_NULL})
    diagnostic = _record(
        {
            "severity": {"enum": ["error", "warning"]},
            "code": {"type": "string", "pattern": "^[EW]_[A-Z0-9_]+$"},
            "message": _TEXT,
            "path": _TEXT,
            "at": _TEXT_OR_NULL,
            "related": _list(_record({"at": _TEXT, "message": _TEXT})),
            "help": _TEXT,
            "apps": _list(_TEXT),
        }
    )
    finding = _record(
        {
            "policy": _TEXT,
            "level": {"enum": ["warn", "deny", "enforce"]},
            "severity": _TEXT,
            "blocks": {"type": "boolean"},
            "message": _TEXT,
            "app": _TEXT,
            "object": _TEXT,
            "field": _TEXT,
            "at": _TEXT_OR_NULL,
        }
    )
    inside = _record({"object": _TEXT, "path": _TEXT})
    field = _record(
        {"path": _TEXT, "before": {}, "after": {}, "origin": _list(link), "inside": inside},
        "inside",
    )
    change = _record(
        {
            "object": _TEXT,
            "apiVersion": _TEXT,
            "action": {"enum": ["create", "update", "replace", "delete", "keep"]},
            "standing": {"enum": ["go", "held", "unjudged"]},
            "wave": _COUNT,
            "takesOver": _list(_TEXT),
            "reasons": _list(reason),
            "fields": _list(field),
            "manifest": _TEXT_OR_NULL,
            "expects": _record({"uid": _TEXT, "digest": _TEXT}),
        }
    )
    schedule = _record({"schedule": _TEXT, "cron": _TEXT, "timeZone": _TEXT, "next": _list(_TEXT)})
    refusal = _record({"code": _TEXT, "text": _TEXT, "wayOut": _TEXT, "approval": _TEXT})
    decision = _record(
        {
            "verdict": _TEXT,
            "weights": {"type": "object", "additionalProperties": _COUNT},
            "reasons": _list(reason),
            "due": _TEXT_OR_NULL,
            "records": {"type": "boolean"},
            "inputs": _TEXT,
        }
    )
    result = _record(
        {
            "status": _TEXT,
            "done": _list(_record({"object": _TEXT, "verb": _TEXT})),
            "problems": _list(_record({"object": _TEXT_OR_NULL, "why": _TEXT})),
        }
    )
    app = _record(
        {
            "app": _TEXT,
            "namespace": _TEXT,
            "removed": {"type": "boolean"},
            "suspended": {"type": "boolean"},
            "migrates": {"type": "boolean"},
            "applyAs": {"type": "string"},
            "unchanged": _COUNT,
            "waves": _list(_list(change)),
            "refusals": _list(refusal),
            "schedules": _list(schedule),
            "decision": decision,
            "result": result,
        },
        "decision",
        "result",
    )
    plan = _record(
        {
            "clusters": _list(_record({"name": _TEXT, "uid": _TEXT})),
            "offline": {"type": "boolean"},
            "commit": _TEXT,
            "counts": {"type": "object", "additionalProperties": _COUNT},
            "requests": _COUNT,
            "apps": _list(app),
        }
    )
    chain = _record(
        {
            "path": _TEXT,
            "app": _TEXT,
            "value": {},
            "deleted": {"type": "boolean"},
            "locked": _TEXT_OR_NULL,
            "chain": _list(link),
            "usedBy": _list(_record({"object": _TEXT, "field": _TEXT})),
            "reasons": _list(_TEXT),
            "note": _TEXT,
        }
    )
    report = _record(
        {
            "schemaVersion": {"const": SCHEMA_VERSION},
            "command": _TEXT,
            "revision": _TEXT,
            "exitCode": {"type": "integer", "minimum": 0, "maximum": 6},
            "summary": _list(_TEXT),
            "diagnostics": _list(diagnostic),
            "findings": _list(finding),
            "plan": plan,
            "chains": _list(chain),
            "tables": _list(
                _record(
                    {
                        "title": _TEXT,
                        "rows": _list({"type": "object", "additionalProperties": _TEXT}),
                    }
                )
            ),
            "events": _list(_record({"at": _TEXT, "subject": _TEXT, "text": _TEXT})),
        },
        "diagnostics",
        "findings",
        "plan",
        "chains",
        "tables",
        "events",
        closed=False,
    )
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{reconciler.API_DOMAIN}/schemas/report.json",
        "title": "A report",
        "description": "What a command prints with --output json.",
    }
    return {"report.json": {**head, **report}}
