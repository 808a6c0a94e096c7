"""One JSON document for programs, with a schema version; `schemas/report.json` is its schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from reconciler.diagnostics import Diagnostic
from reconciler.engine.views.layers import Layers
from reconciler.engine.views.merge_result import MergeResult
from reconciler.engine.views.objects import Objects
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.repairs import DamagedInventory, Repairs
from reconciler.engine.views.report import (
    SCHEMA_VERSION,
    Chain,
    Chains,
    Changes,
    Findings,
    Report,
    Timeline,
)
from reconciler.engine.views.rights import Rights, Role
from reconciler.engine.views.status import (
    AppStatus,
    FleetStatus,
    LastTraining,
    RolloutProgress,
)
from reconciler.engine.views.versions import Published, Versions
from reconciler.lifecycle.decision import Hold, Reason
from reconciler.objects.draft import Manifest, show_path, walk
from reconciler.origin import Origin, SecretRef, plain
from reconciler.output.format import Format, Options
from reconciler.output.model_data import model_data, schedule_data
from reconciler.output.rights import manifests, rule_of, subject_of
from reconciler.plan.change import AppPlan, Change, FieldChange, Refusal
from reconciler.policy.finding import Finding
from reconciler.secrets import json_safe

if TYPE_CHECKING:
    from reconciler.engine.views.report import Section

__all__ = ["FORMAT", "change_data"]


def _render(report: Report, _options: Options) -> str:
    out: dict[str, Any] = {
        "schemaVersion": SCHEMA_VERSION,
        "command": report.command,
        "revision": report.revision,
        "exitCode": int(report.exit_code),
        "diagnostics": [],
        "findings": [],
        "closing": list(report.closing),
    }
    for section in report.sections:
        out |= _section(section)
        if isinstance(section, MergeResult):
            # Programs that call `merge` look for mistakes by severity.
            bad = [d for d in out["diagnostics"] if d["severity"] == "error"]
            out["errors"] = bad
            out["warnings"] = [d for d in out["diagnostics"] if d not in bad]
    out |= report.data
    return json_safe(_text(out)) + "\n"


def _text(document: dict[str, Any]) -> str:
    try:
        raw = orjson.dumps(document, default=_default, option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        # orjson refuses integers of more than 64 bits, which YAML allows.
        return json.dumps(document, default=_default, indent=2)
    return raw.decode()


def _section(section: Section) -> dict[str, Any]:
    """The keys of one section; no two sections share a key."""
    out: dict[str, Any]
    match section:
        case Findings():
            out = {
                "diagnostics": [_diagnostic(d) for d in section.diagnostics],
                "findings": [_finding(f) for f in section.policy],
            }
        case Changes():
            out = {"plan": plan_data(section)}
        case Chains():
            out = {"chains": [_chain(c) for c in section.chains]}
        case FleetStatus():
            out = {"status": [_status(row) for row in section.apps]}
        case Layers():
            out = {"layers": [{"app": str(u.app), "files": list(u.files)} for u in section.units]}
        case MergeResult():
            out = _merge(section)
        case Objects():
            out = {
                "objects": [
                    {"app": str(item.app), **_manifest(item.manifest)} for item in section.objects
                ]
            }
        case Promotion():
            out = {"promotion": _promotion(section)}
        case Repairs():
            out = {"repairs": [_repair(found) for found in section.inventories]}
        case Rights():
            out = {"rights": _rights(section)}
        case Timeline():
            out = {
                "events": [
                    {"at": _utc(at), "subject": subject, "text": text}
                    for at, subject, text in section.events
                ]
            }
        case Versions():
            out = _versions(section)
    return out


def _utc(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _utc_or_null(moment: datetime | None) -> str | None:
    return _utc(moment) if moment is not None else None


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
        "apps": [str(app) for app in item.apps],
    }


def _finding(item: Finding) -> dict[str, Any]:
    return {
        "policy": item.policy,
        "level": str(item.level),
        "severity": str(item.severity),
        "blocks": item.blocks,
        "message": item.message,
        "app": str(item.app),
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
        "app": str(chain.app) if chain.app is not None else None,
        "value": chain.value,
        "deleted": chain.gone,
        "locked": str(chain.locked) if chain.locked is not None else None,
        "chain": _origin(chain.origin),
        "usedBy": [{"object": o, "field": f} for o, f in chain.used_by],
        "reasons": list(chain.reasons),
        "note": chain.note,
    }


def plan_data(section: Changes) -> dict[str, Any]:
    """A plan as JSON data, with the results of the apps that were applied."""
    plan = section.plan
    results = {r.unit: r for r in section.applied}
    return {
        "clusters": [{"name": c.name, "uid": c.uid} for c in plan.clusters],
        "offline": plan.offline,
        "commit": plan.commit,
        "counts": {action.value: n for action, n in plan.counts().items()},
        "drifted": plan.drifted,
        "requests": plan.requests,
        "models": [model_data(change) for change in section.models],
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
        "refusals": [_refusal(r) for r in app.refusals],
        "schedules": [schedule_data(item) for item in app.schedules],
    }
    if app.decision is not None:
        decision = app.decision
        out["decision"] = {
            "verdict": decision.verdict.value,
            "weights": {s.version.value: s.weight.value for s in decision.outcome.shares},
            "reasons": [_reason(r) for r in decision.reasons],
            "due": _utc_or_null(decision.due),
            "records": app.swap is not None,
            "inputs": decision.inputs,
        }
        if decision.hold is not None:
            out["decision"]["hold"] = hold_data(decision.hold)
    if result is not None:
        out["result"] = {
            "status": result.status.value,
            "done": [{"object": key, "verb": verb} for key, verb in result.list_done()],
            "problems": [
                {"object": k.full() if k is not None else None, "why": why}
                for k, why in result.problems
            ],
        }
    return out


def hold_data(hold: Hold) -> dict[str, Any]:
    """A hold as JSON data."""
    return {"why": hold.why, "since": _utc_or_null(hold.since), "wayOut": hold.way_out}


def change_data(change: Change) -> dict[str, Any]:
    """One change as JSON data. `desired` is left out, so that no body of a Secret is printed."""
    out: dict[str, Any] = {
        "object": change.key.full(),
        "apiVersion": change.api_version,
        "action": change.action.value,
        "standing": change.standing.value,
        "wave": int(change.wave),
        "takesOver": list(change.takes_over),
        "drift": change.drifts,
        "reasons": [_reason(r) for r in change.reasons],
        "fields": [_field(f) for f in change.fields],
        "manifest": change.desired.digest if change.desired is not None else None,
        "expects": {"uid": change.expects.uid, "digest": change.expects.digest},
    }
    if change.conflict is not None:
        out["conflict"] = {
            "managers": list(change.conflict.managers),
            "fields": list(change.conflict.fields),
        }
    return out


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "kind": reason.kind.value,
        "text": reason.text,
        "at": str(reason.origin.site) if reason.origin else None,
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    """A refusal as JSON data; `objects` only where it holds some objects and not the whole unit."""
    out: dict[str, Any] = {
        "code": refusal.code,
        "text": refusal.text,
        "wayOut": refusal.way_out,
        "app": str(refusal.unit),
        "approval": refusal.approval,
    }
    if refusal.objects:
        out["objects"] = [key.full() for key in sorted(refusal.objects)]
    return out


def _field(field: FieldChange) -> dict[str, Any]:
    """One field of the changed object; with `inside`, a field of the object that `path` embeds."""
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


# -- views -----------------------------------------------------------------------------------------


def _status(row: AppStatus) -> dict[str, Any]:
    last = row.last_run
    return {
        "app": str(row.app),
        "health": row.health.value if row.health is not None else None,
        "version": row.version or None,
        "traffic": dict(row.traffic),
        "revision": row.revision or None,
        "lastRun": {"result": last.result, "at": _utc(last.at)} if last is not None else None,
        "next": [
            {
                "kind": step.kind.value,
                "text": step.text,
                "at": _utc_or_null(step.at),
                "pending": step.pending,
            }
            for step in row.next
        ],
        "blocked": list(row.blocked),
        "inGit": row.in_git,
        "unrouted": row.unrouted,
        "lastTraining": _training(row.last_training),
        "rollout": _rollout(row.rollout),
        "hold": hold_data(row.hold) if row.hold is not None else None,
    }


def _training(last: LastTraining | None) -> dict[str, Any] | None:
    if last is None:
        return None
    return {"schedule": last.schedule, "at": _utc(last.at), "running": last.running}


def _rollout(found: RolloutProgress | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "stable": found.stable,
        "wanted": found.wanted,
        "weight": found.weight,
        "step": found.step,
        "steps": found.steps,
        "until": _utc_or_null(found.until),
        "waits": found.waits,
    }


def _versions(section: Versions) -> dict[str, Any]:
    out: dict[str, Any] = {"versions": [_version(row) for row in section.versions]}
    if section.written:
        out["records"] = {"files": list(section.records), "written": section.written}
    return out


def _version(row: Published) -> dict[str, Any]:
    return {
        "model": row.model,
        "version": row.version or None,
        "digest": row.digest,
        "metrics": dict(sorted(row.metrics.items())),
        "trainedAt": _utc_or_null(row.trained),
        "run": row.run or None,
        "candidate": row.candidate or None,
        "dataset": row.dataset or None,
        "storageUri": row.storage_uri or None,
        "object": row.source or None,
        "recorded": bool(row.version),
    }


def _promotion(section: Promotion) -> dict[str, Any]:
    return {
        "model": section.model,
        "environment": section.environment,
        "before": section.before or None,
        "after": section.after,
        "digest": section.digest,
        "files": sorted(section.edits),
        "written": section.written or None,
        "diff": section.diff,
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    """An object with the config lines of its fields, and in the same form the objects it embeds,
    each with the path of its text."""
    pairs = zip(walk(manifest.body), manifest.origins, strict=True)
    return {
        "object": manifest.key.full(),
        "rule": manifest.rule,
        "digest": manifest.digest,
        "manifest": manifest.body,
        "origins": {
            show_path(path): [str(site) for site in origin.sites()]
            for (path, _), origin in pairs
            if origin is not None
        },
        "embedded": [
            {"path": show_path(path), **_manifest(inner)} for path, inner in manifest.embedded
        ],
    }


def _merge(section: MergeResult) -> dict[str, Any]:
    out: dict[str, Any] = {"value": plain(section.tree) if section.tree is not None else None}
    if section.provenance is not None:
        out["provenance"] = {
            path: [_link(link) for link in links] for path, links in section.provenance.items()
        }
    return out


def _repair(found: DamagedInventory) -> dict[str, Any]:
    return {
        "app": str(found.unit),
        "why": found.why,
        "outcome": found.outcome,
        "approval": found.approval,
        "objects": [
            {
                "object": row.key.full(),
                "recordedUid": row.recorded_uid,
                "liveUid": row.live_uid,
                "ours": row.is_ours,
                "wanted": row.is_wanted,
            }
            for row in found.objects
        ],
    }


def _rights(section: Rights) -> dict[str, Any]:
    grant, identity = section.grant, section.identity
    return {
        "purpose": grant.purpose.value,
        "name": identity.name,
        "namespace": identity.namespace,
        "username": identity.username,
        "namespaces": list(grant.namespaces),
        "roles": [_role(role, section) for role in grant.roles],
        "notes": list(section.notes),
        "manifests": list(manifests(section)),
    }


def _role(role: Role, section: Rights) -> dict[str, Any]:
    """A role and the subject of its binding; `namespace` is null for the whole cluster."""
    return {
        "name": section.name_of(role),
        "namespace": role.namespace or None,
        "subject": subject_of(role, section),
        "rules": [{"why": rule.why, **rule_of(rule)} for rule in role.rules],
    }


FORMAT = Format("json", _render)
