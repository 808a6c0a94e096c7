"""A plan in a file: what `plan --out` writes and `apply FILE` holds a fresh plan against.

The file holds no field values, so no secret can be in it: objects, actions, digests, and what
each change was bound to when it was planned. Applying never trusts the file's word on what to
write: the same revision is planned again, and goes on only when it comes to the same.
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
#: Parts of the rollout state that say when, not what.
_TIMES = ("started_at", "entered_at", "unready_since")


class SavedPlanInvalid(ReconcilerError):
    """The file is no saved plan, or another version of the program wrote it."""

    code = "E_SAVED_PLAN"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A saved plan as read back. `selection` holds lists under environments, groups, models."""

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
    """The file's text; equal plans give equal bytes. `inputs` and `policies` are digests of what
    was read."""
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
    """Raises SavedPlanInvalid."""
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
    """What is not as it was planned, a line each; empty when nothing moved.

    `fresh` is `dump` of the plan made now, from the same revision and selection.
    """
    now = json.loads(fresh)
    return tuple(_differences(saved.data, now))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if [c["uid"] for c in before["clusters"]] != [c["uid"] for c in now["clusters"]]:
        names = ", ".join(str(c["name"]) for c in before["clusters"])
        yield f"the plan was made for another cluster ({names})"
        return
    if before["revision"]["commit"] != now["revision"]["commit"]:
        yield f"the plan was made of {before['revision']['label']}"
    if before["inputsDigest"] != now["inputsDigest"]:
        yield "config files changed since the plan was made"
    if before["policyDigest"] != now["policyDigest"]:
        yield "policies changed since the plan was made"
    old, new = _by_app(before), _by_app(now)
    for app in sorted(old.keys() | new.keys()):
        if app not in new:
            yield f"{app}: planned, and there is nothing to do any more"
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
            what = "not planned before" if a is None else "has nothing to change any more"
            yield f"{app} {name}: {what}"
        elif a["uid"] != b["uid"]:
            yield f"{app} {name}: {_other(a['uid'], b['uid'])}"
        elif a["bound"] != b["bound"]:
            yield f"{app} {name}: the live object changed"
        elif a != b:
            yield f"{app} {name}: {_turned(a, b)}"
    if _step(old) != _step(new):
        yield f"{app}: the rollout moved: {_said(old)} was planned, now it is {_said(new)}"
    elif old.get("members") != new.get("members") or old["removed"] != new["removed"]:
        yield f"{app}: its set of objects changed"


def _turned(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How one object's change differs where the live object is the same."""
    if before["action"] != now["action"]:
        return f"planned to {before['action']}, and now it is to {now['action']}"
    if before["standing"] != now["standing"]:
        return f"was planned as {before['standing']}, and now it is {now['standing']}"
    if before["manifest"] != now["manifest"]:
        return "another content is wanted now"
    return "takes over the fields of others now"


def _other(before: str, now: str) -> str:
    if not now:
        return "the live object is gone"
    return "another object bears this name now" if before else "exists now"


def _step(app: Mapping[str, Any]) -> Any:
    """The decision without its times: those are the time of applying."""
    state = app.get("state") or {}
    data = {k: v for k, v in (state.get("data") or {}).items() if k not in _TIMES}
    rollout = {k: v for k, v in (app.get("rollout") or {}).items() if k != "due"}
    return (rollout, data, state.get("resourceVersion"))


def _said(app: Mapping[str, Any]) -> str:
    rollout = app.get("rollout") or {}
    weights = ", ".join(f"{v} {w} %" for v, w in (rollout.get("weights") or {}).items())
    return f"{rollout.get('verdict', 'none')} ({weights})"
