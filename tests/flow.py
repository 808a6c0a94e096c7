"""Whole runs against the embedded cluster: kills, faults, and what is compared afterwards."""

from __future__ import annotations

import copy
from datetime import timedelta

import reconciler
from reconciler.objects.key import ObjectKey
from reconciler.objects.outcome import Refusal, Refused
from reconciler.plan import inventory
from reconciler.simulation.cluster import Answered
from reconciler.simulation.world import World
from tests import support

WRITES = frozenset({"apply", "create", "replace", "delete"})
READS = frozenset({"get", "list", "discover"})
CODES = {
    Refusal.STALE: 409,
    Refusal.FORBIDDEN: 403,
    Refusal.INVALID: 422,
    Refusal.TOO_MANY: 429,
    Refusal.NOT_SERVED: 404,
}


class Killed(BaseException):
    """The process ends here."""


def world(start=support.NOW, **options):
    return World(start=start, **options)


def run(tree, place, **options):
    """One reconcile of a tree at the world's time; the report."""
    options.setdefault("timeout", 600.0)
    return support.applied(tree, place.cluster, place.clock.now(), **options)


def plan_of(tree, place, **options):
    return support.reviewed(tree, place.cluster, place.clock.now(), **options).plan


def results(report):
    """unit → Result of a report."""
    return {r.unit: r for section in report.sections for r in getattr(section, "applied", ())}


def problems(report):
    return [(unit, *problem) for unit, r in results(report).items() for problem in r.problems]


def settled(tree, place, runs=3, **options):
    """Runs until a run has nothing to do; the last report. Fails after `runs`."""
    for _ in range(runs):
        report = run(tree, place, **options)
        if report.exit_code == 0 and all(r.status == "nothing" for r in results(report).values()):
            return report
    raise AssertionError((report.exit_code, report.closing, problems(report)))


def writes(place, since=0):
    return [entry for entry in place.cluster.log[since:] if entry[0] in WRITES]


def quiet(tree, place, **options):
    """A run that must write nothing; its log."""
    before = len(place.cluster.log)
    run(tree, place, **options)
    log = place.cluster.log[before:]
    assert not [entry for entry in log if entry[0] in WRITES], log
    return log


def refuse(refusal, message="on order"):
    return Answered(Refused(refusal, CODES.get(refusal, 400), message))


def at_write(number, fault):
    """A `before` hook that raises at the n-th write (from 0), once."""
    seen = -1

    def before(verb, target):
        nonlocal seen
        if verb in WRITES:
            seen += 1
            if seen == number:
                raise fault

    return before


def after_effect(number):
    """An `Executor.before` that kills ahead of the n-th effect, counted over all apps."""
    seen = -1

    def before(effect):
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed

    return before


# -- the end state -----------------------------------------------------------------------------------

_TIMES = {
    "creationTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "time",
    "uid",
    "resourceVersion",
    "started_at",
    "entered_at",
    "unready_since",
}


def ends(place):
    """Every live object without uids, versions and times: what two histories must agree on."""
    out = {}
    for key, body in place.cluster.server.store.everything():
        if key.namespace == reconciler.TOOL_NAMESPACE and "inventory" in key.name:
            found = inventory.from_body(body)
            rows = [(m.key.full(), m.api_version, bool(m.uid), m.manifest) for m in found.members]
            out[key.full()] = (found.unit, found.phase, rows)
            assert all(m.uid == _uid(place, m.key) for m in found.members), found
        else:
            out[key.full()] = _bare(copy.deepcopy(body))
    return out


def _uid(place, key):
    seen = place.cluster.server.get(key)
    return seen["metadata"]["uid"] if seen is not None else None


def _bare(node):
    if isinstance(node, dict):
        return {k: _bare(v) for k, v in sorted(node.items()) if k not in _TIMES}
    return [_bare(item) for item in node] if isinstance(node, list) else node


def ours(place):
    """The objects that carry our mark, the program's own state left out."""
    return {
        key
        for key, body in place.cluster.server.store.everything()
        if (body["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by")
        == reconciler.FIELD_MANAGER
        and key.namespace != reconciler.TOOL_NAMESPACE
    }


def recorded(place):
    """unit → Inventory, as stored."""
    out = {}
    for key, body in place.cluster.server.store.everything():
        if key.namespace == reconciler.TOOL_NAMESPACE and key.name.endswith(".inventory"):
            found = inventory.from_body(body)
            out[found.unit] = found
    return out


def orphans(place):
    """I1: objects with our mark that no inventory lists."""
    listed = {m.key for found in recorded(place).values() for m in found.members}
    return ours(place) - listed


def key(kind, namespace, name):
    groups = {
        "HTTPRoute": "gateway.networking.k8s.io",
        "Deployment": "apps",
        "InferenceService": "serving.kserve.io",
        "Inference": "serving.kubedl.io",
        "CronWorkflow": "argoproj.io",
        "WorkflowTemplate": "argoproj.io",
        "ModelVersion": "model.kubedl.io",
        "Workflow": "argoproj.io",
    }
    return ObjectKey(groups.get(kind, ""), kind, namespace, name)


def live(place, *named):
    return place.cluster.server.get(key(*named))


def split(place, namespace, name):
    """backend → weight of a live route; None without one."""
    body = live(place, "HTTPRoute", namespace, name)
    if body is None:
        return None
    return {
        backend["name"]: backend.get("weight", 1)
        for rule in body["spec"]["rules"]
        for backend in rule["backendRefs"]
    }


def minutes(place, count):
    place.run_for(timedelta(minutes=count))
