"""For machines: one JSON document with a schema version; `schemas/report.json` describes it."""

from __future__ import annotations

from typing import Any

import orjson

from reconciler.diagnostics import Diagnostic
from reconciler.engine.views.report import (
    SCHEMA_VERSION,
    Chain,
    Chains,
    Changes,
    Findings,
    Report,
    Table,
    Timeline,
)
from reconciler.lifecycle.decision import Reason
from reconciler.objects.draft import show_path
from reconciler.origin import Origin, SecretRef
from reconciler.output.format import Format, Options
from reconciler.plan.change import AppPlan, Change, FieldChange
from reconciler.policy.finding import Finding
from reconciler.secrets import json_safe

__all__ = ["FORMAT", "change_data"]


def _render(report: Report, _options: Options) -> str:
    out: dict[str, Any] = {
        "schemaVersion": SCHEMA_VERSION,
        "command": report.command,
        "revision": report.revision,
        "exitCode": int(report.exit_code),
    }
    for section in report.sections:
        match section:
            case Findings():
                out["diagnostics"] = [_diagnostic(d) for d in section.diagnostics]
                out["findings"] = [_finding(f) for f in section.policy]
            case Changes():
                out["plan"] = plan_data(section)
            case Chains():
                out["chains"] = [_chain(c) for c in section.chains]
            case Table():
                rows = [dict(zip(section.columns, row, strict=True)) for row in section.rows]
                out.setdefault("tables", []).append({"title": section.title, "rows": rows})
            case Timeline():
                out["events"] = [
                    {"at": at.isoformat(), "subject": subject, "text": text}
                    for at, subject, text in section.events
                ]
    out["summary"] = list(report.closing)
    out.update(report.data)
    raw = orjson.dumps(out, default=_default, option=orjson.OPT_INDENT_2)
    return json_safe(raw.decode()) + "\n"


def _default(datum: Any) -> Any:
    if isinstance(datum, SecretRef):
        return {"$secret": datum.ref}
    if isinstance(datum, frozenset | set):
        return sorted(datum)
    return str(datum)


def _diagnostic(item: Diagnostic) -> dict[str, Any]:
    return {
        "severity": item.severity.value,
        "code": item.code,
        "message": item.message,
        "path": item.path,
        "at": str(item.site) if item.site is not None else None,
        "related": [{"at": str(r.site), "message": r.message} for r in item.related],
        "help": item.help,
        "apps": list(item.apps),
    }


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "policy": item.policy,
        "level": str(item.level),
        "severity": str(item.severity),
        "blocks": item.blocks,
        "message": item.message,
        "app": item.app,
        "object": item.key.full(),
        "field": show_path(item.path),
        "at": str(item.site) if item.site is not None else None,
    }


def _link(link: Origin) -> dict[str, Any]:
    out: dict[str, Any] = {"at": str(link.site), "op": link.op, "layer": link.layer}
    if link.is_scalar:
        out["value"] = link.value
    if link.through:
        out["through"] = [str(o.site) for o in link.through]
    return out


def _origin(origin: Origin | None) -> list[dict[str, Any]]:
    return [_link(link) for link in origin.chain()] if origin is not None else []


def _chain(chain: Chain) -> dict[str, Any]:
    return {
        "path": chain.path,
        "app": chain.app,
        "value": chain.value,
        "deleted": chain.gone,
        "locked": str(chain.locked) if chain.locked is not None else None,
        "chain": _origin(chain.origin),
        "usedBy": [{"object": o, "field": f} for o, f in chain.used_by],
        "reasons": list(chain.reasons),
        "note": chain.note,
    }


def plan_data(section: Changes) -> dict[str, Any]:
    plan = section.plan
    results = {r.unit: r for r in section.applied}
    return {
        "clusters": [{"name": c.name, "uid": c.uid} for c in plan.clusters],
        "offline": plan.offline,
        "commit": plan.commit,
        "counts": {action.value: n for action, n in plan.counts().items()},
        "requests": plan.requests,
        "apps": [_app(app, results.get(app.unit)) for app in plan.apps],
    }


def _app(app: AppPlan, result: Any) -> dict[str, Any]:
    out: dict[str, Any] = {
        "app": str(app.unit),
        "namespace": app.namespace,
        "removed": app.removed,
        "suspended": app.suspended,
        "migrates": app.migrates,
        "applyAs": app.apply_as,
        "unchanged": len(app.members) - sum(1 for c in app.changes() if c.desired is not None),
        "waves": [[change_data(c) for c in wave] for wave in app.waves],
        "refusals": [
            {"code": r.code, "text": r.text, "wayOut": r.way_out, "approval": r.approval}
            for r in app.refusals
        ],
        "schedules": [
            {
                "schedule": f.schedule,
                "cron": f.cron,
                "timeZone": f.zone,
                "next": [t.isoformat() for t in f.times],
            }
            for f in app.schedules
        ],
    }
    if app.decision is not None:
        decision = app.decision
        out["decision"] = {
            "verdict": decision.verdict.value,
            "weights": {s.version.value: s.weight.value for s in decision.outcome.shares},
            "reasons": [_reason(r) for r in decision.reasons],
            "due": decision.due.isoformat() if decision.due else None,
            "records": app.swap is not None,
            "inputs": decision.inputs,
        }
    if result is not None:
        out["result"] = {
            "status": result.status.value,
            "done": [{"object": c.key.full(), "verb": v.value} for c, v in result.done],
            "problems": [
                {"object": k.full() if k is not None else None, "why": why}
                for k, why in result.problems
            ],
        }
    return out


def change_data(change: Change) -> dict[str, Any]:
    """One change; Secret bodies never come here (`desired` is not printed)."""
    return {
        "object": change.key.full(),
        "apiVersion": change.api_version,
        "action": change.action.value,
        "standing": change.standing.value,
        "wave": int(change.wave),
        "takesOver": list(change.takes_over),
        "reasons": [_reason(r) for r in change.reasons],
        "fields": [_field(f) for f in change.fields],
        "manifest": change.desired.digest if change.desired is not None else None,
        "expects": {"uid": change.expects.uid, "digest": change.expects.digest},
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {"text": reason.text, "at": str(reason.origin.site) if reason.origin else None}


def _field(field: FieldChange) -> dict[str, Any]:
    """One field of the change's object; with `inside`, of an object that `path` holds as text."""
    out = {
        "path": show_path(field.path),
        "before": field.before,
        "after": field.after,
        "origin": _origin(field.origin),
    }
    if field.inside is not None:
        inner = field.inside
        out["inside"] = {"object": inner.key.full(), "path": show_path(inner.path)}
    return out


FORMAT = Format("json", _render)
