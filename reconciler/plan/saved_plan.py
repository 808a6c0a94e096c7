"""A plan in a file: `plan --out` writes it, and `apply FILE` compares it with a fresh plan.

The file names objects, actions, digests and the live objects that each change was planned for. It
holds no field values, so it cannot contain a secret. `apply` never writes from the file: it plans
the same revision again, and goes on only when both plans are equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.errors import ReconcilerError
from reconciler.plan.change import NO_APPROVALS, AppPlan, Approvals, Change, Plan

__all__ = ["SavedPlan", "SavedPlanInvalid", "dump", "find_moved", "load"]

SCHEMA_VERSION = 2
#: Keys of the rollout state that are times, which differ between two equal plans.
_TIMES = ("started_at", "entered_at", "unready_since")


class SavedPlanInvalid(ReconcilerError):
    """The file is not a saved plan, or another version of the program wrote it."""

    code = "E_SAVED_PLAN"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A saved plan as read from its file. `selection` has the keys environments, groups, models."""

    label: str
    commit: str
    inputs: str
    policies: str
    selection: Mapping[str, tuple[str, ...]]
    approvals: Approvals
    data: Mapping[str, Any]


def dump(
    plan: Plan,
    *,
    inputs: str,
    policies: str,
    selection: Mapping[str, tuple[str, ...]],
    approvals: Approvals = NO_APPROVALS,
) -> str:
    """The text of a plan's file; equal plans give equal bytes. `inputs` and `policies` are digests
    of the config files and of the policies."""
    document = {
        "schemaVersion": SCHEMA_VERSION,
        "tool": f"{reconciler.DISTRIBUTION} {reconciler.__version__}",
        "revision": {"label": plan.label, "commit": plan.commit},
        "clusters": [{"name": c.name, "uid": c.uid} for c in plan.clusters],
        "inputsDigest": inputs,
        "policyDigest": policies,
        "selection": {key: sorted(values) for key, values in selection.items()},
        "approvals": approvals.to_data(),
        "apps": [_app(app) for app in plan.apps if app.goes or app.refusals],
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _app(app: AppPlan) -> dict[str, Any]:
    out: dict[str, Any] = {
        "app": str(app.unit),
        "removed": app.removed,
        "waves": [[_change(change) for change in wave] for wave in app.waves],
        "members": [f"{m.key.full()} {m.manifest}" for m in app.members],
    }
    if app.decision is not None:
        out["rollout"] = {
            "verdict": app.decision.verdict.value,
            "weights": {s.version.value: s.weight.value for s in app.decision.outcome.shares},
            "due": app.decision.due.isoformat() if app.decision.due is not None else None,
        }
    if app.swap is not None:
        out["state"] = {
            "data": dict(app.swap.data),
            "resourceVersion": app.swap.resource_version,
        }
    return out


def _change(change: Change) -> dict[str, Any]:
    return {
        "object": change.key.full(),
        "action": change.action.value,
        "standing": change.standing.value,
        "takesOver": sorted(change.takes_over),
        "manifest": change.desired.digest if change.desired is not None else "",
        "uid": change.expects.uid,
        "bound": change.expects.digest,
    }


def load(text: str, file: str) -> SavedPlan:
    """Reads the text of a saved plan. `file` is its name for messages. Raises SavedPlanInvalid."""
    try:
        data = json.loads(text)
        version = data["schemaVersion"]
        if version != SCHEMA_VERSION:
            raise SavedPlanInvalid(
                f"{file} has plan schema {version}; this program reads {SCHEMA_VERSION}",
                hint="plan again with this version",
            )
        return SavedPlan(
            data["revision"]["label"],
            data["revision"]["commit"],
            data["inputsDigest"],
            data["policyDigest"],
            {key: tuple(values) for key, values in data["selection"].items()},
            Approvals.from_data(data["approvals"]),
            data,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise SavedPlanInvalid(
            f"{file} is not a saved plan", hint="write one with: reconciler plan --out FILE"
        ) from cause


def find_moved(saved: SavedPlan, fresh: str) -> tuple[str, ...]:
    """One line per difference between a saved and a fresh plan; empty when both are equal.

    `fresh` is the `dump` of the plan made now from the same revision and selection.
    """
    now = json.loads(fresh)
    return tuple(_differences(saved.data, now))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if [c["uid"] for c in before["clusters"]] != [c["uid"] for c in now["clusters"]]:
        names = ", ".join(str(c["name"]) for c in before["clusters"])
        yield f"the plan was made for another cluster ({names})"
        return
    if before["revision"]["commit"] != now["revision"]["commit"]:
        yield f"the plan was made from {before['revision']['label']}"
    if before["inputsDigest"] != now["inputsDigest"]:
        yield "config files changed since the plan was made"
    if before["policyDigest"] != now["policyDigest"]:
        yield "policies changed since the plan was made"
    old, new = _by_app(before), _by_app(now)
    for app in sorted(old.keys() | new.keys()):
        if app not in new:
            yield f"{app}: changes were planned, and now there are none"
        elif app not in old:
            yield f"{app}: was in sync and now has changes"
        else:
            yield from _app_differences(app, old[app], new[app])


def _by_app(data: Mapping[str, Any]) -> dict[str, Any]:
    return {app["app"]: app for app in data["apps"]}


def _app_differences(app: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before = {c["object"]: c for wave in old["waves"] for c in wave}
    after = {c["object"]: c for wave in new["waves"] for c in wave}
    for name in sorted(before.keys() | after.keys()):
        a, b = before.get(name), after.get(name)
        if a is None or b is None:
            what = "was not planned, and now changes" if a is None else "no longer changes"
            yield f"{app} {name}: {what}"
        elif a["uid"] != b["uid"]:
            yield f"{app} {name}: {_describe_identity(a['uid'], b['uid'])}"
        elif a["bound"] != b["bound"]:
            yield f"{app} {name}: the live object changed"
        elif a != b:
            yield f"{app} {name}: {_describe_difference(a, b)}"
    if _rollout_of(old) != _rollout_of(new):
        was, now = _format_rollout(old), _format_rollout(new)
        yield f"{app}: the rollout changed: {was} was planned, now it is {now}"
    elif old.get("members") != new.get("members") or old["removed"] != new["removed"]:
        yield f"{app}: its set of objects changed"


def _describe_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How an object's two changes differ when the live object is the same."""
    if before["action"] != now["action"]:
        return f"the planned action was {before['action']}, now it is {now['action']}"
    if before["standing"] != now["standing"]:
        return f"was planned as {before['standing']}, and now it is {now['standing']}"
    if before["manifest"] != now["manifest"]:
        return "its desired content changed"
    return "now takes over fields of other managers"


def _describe_identity(before: str, now: str) -> str:
    if not now:
        return "the live object is gone"
    return "now another object has this name" if before else "exists now"


def _rollout_of(app: Mapping[str, Any]) -> Any:
    """The rollout's decision and state without the times, which are those of the run."""
    state = app.get("state") or {}
    data = {k: v for k, v in (state.get("data") or {}).items() if k not in _TIMES}
    rollout = {k: v for k, v in (app.get("rollout") or {}).items() if k != "due"}
    return (rollout, data, state.get("resourceVersion"))


def _format_rollout(app: Mapping[str, Any]) -> str:
    rollout = app.get("rollout") or {}
    weights = ", ".join(f"{v} {w} %" for v, w in (rollout.get("weights") or {}).items())
    return f"{rollout.get('verdict', 'none')} ({weights})"
