"""Whole runs against the embedded cluster: kills, faults, and what is compared afterwards."""

from __future__ import annotations

import copy
from datetime import timedelta

import reconciler
from reconciler import kinds
from reconciler.objects.key import ObjectKey, key_of
from reconciler.objects.outcome import RefusalCause, Refused, Verb
from reconciler.plan import records
from reconciler.simulation.cluster import RequestRefused
from reconciler.simulation.world import World
from tests import support

WRITES = frozenset({"apply", "create", "replace", "delete"})
READS = frozenset({"get", "list", "discover"})
CODES = {
    RefusalCause.STALE: 409,
    RefusalCause.FORBIDDEN: 403,
    RefusalCause.INVALID: 422,
    RefusalCause.TOO_MANY: 429,
    RefusalCause.NOT_SERVED: 404,
}


class Killed(BaseException):
    """The process ends here."""


def world(start=support.NOW, **options):
    return World(start=start, **options, kinds=kinds.known())


def run(tree, place, **options):
    """One reconcile of a tree at the world's time; the report."""
    options.setdefault("timeout", 600.0)
    return support.applied(tree, place.cluster, place.clock.now(), **options)


def plan_of(tree, place, **options):
    return support.reviewed(tree, place.cluster, place.clock.now(), **options).plan


def results(report):
    """The unit as text → Result of a report."""
    return {str(r.unit): r for r in report.results}


def problems(report):
    return [(unit, *problem) for unit, r in results(report).items() for problem in r.problems]


def settled(tree, place, runs=6, **options):
    """Runs, a minute apart, until a run has nothing to do; the last report. Fails after `runs`."""
    for _ in range(runs):
        report = run(tree, place, **options)
        if report.exit_code == 0 and all(r.status == "nothing" for r in results(report).values()):
            return report
        minutes(place, 1)
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
    return RequestRefused(Refused(refusal, CODES.get(refusal, 400), message))


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
    """Every live object without uids, versions and times: what two histories must agree on. Shards
    are named by their content, uids included: what is in them is seen at their inventory."""
    out = {}
    for key, body in place.cluster.server.store.everything():
        if key.namespace == reconciler.TOOL_NAMESPACE and ".inventory." in key.name:
            continue
        if key.namespace == reconciler.TOOL_NAMESPACE and key.name.endswith(".inventory"):
            found = records.from_body(body, parts(place))
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
    """The unit as text → Inventory, as stored."""
    out = {}
    for key, body in place.cluster.server.store.everything():
        if key.namespace == reconciler.TOOL_NAMESPACE and key.name.endswith(".inventory"):
            found = records.from_body(body, parts(place))
            out[str(found.unit)] = found
    return out


def parts(place):
    """The shards of all inventories, by name."""
    everything = place.cluster.server.store.everything()
    return {
        key.name: body for key, body in everything if key.namespace == reconciler.TOOL_NAMESPACE
    }


def orphans(place):
    """I1: objects with our mark that no inventory lists."""
    listed = {m.key for found in recorded(place).values() for m in found.members}
    return ours(place) - listed


def key(kind, namespace, name):
    groups = {
        "HTTPRoute": "gateway.networking.k8s.io",
        "Job": "batch",
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


class Ledger:
    """How often each object was made and removed by us: the end alone would not show that
    something was deleted and made again."""

    def __init__(self, place):
        self.counts = {}
        server = place.cluster.server
        self._watch(server, "apply", lambda args: key_of(args[0]))
        self._watch(server, "create", lambda args: key_of(args[0]), by=reconciler.FIELD_MANAGER)
        self._watch(server, "delete", lambda args: args[0])

    def _watch(self, server, name, target, by=None):
        ask = getattr(server, name)

        def asked(*args, **options):
            answer = ask(*args, **options)
            counted = not options.get("dry_run") and (by is None or by in args)
            if counted and answer.verb in (Verb.CREATED, Verb.DELETED, Verb.ACCEPTED):
                slot = (answer.verb.value, target(args).full())
                self.counts[slot] = self.counts.get(slot, 0) + 1
            return answer

        setattr(server, name, asked)


def vision(text):
    return {"environments/types/vision.yaml": f"serving:\n{text}"}


#: The small config with a weighted route over plain Deployments.
ROUTED = support.small(
    **vision(
        "  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        "  rollout:\n    steps: [{weight: 10}, {pause: 10m}, {weight: 50}, {pause: 10m}]\n"
        "    progressDeadline: 20m\n"
    )
)


def pointing(tree, version, more=""):
    return tree.but({"environments/prod/web.yaml": f'serving:\n  version: "{version}"\n{more}'})


def walk(tree, place, runs=40, every=5, **options):
    """Runs every few minutes until two runs in a row had nothing to do and nothing is due; the
    splits of the route `ml-one/web`, each with the minute in which it was first seen."""
    begun = place.clock.now()
    seen = []
    calm = 0
    for _ in range(runs):
        report = run(tree, place, **options)
        found = split(place, "ml-one", "web")
        minute = (place.clock.now() - begun).total_seconds() / 60
        if not seen or seen[-1][1] != found:
            seen.append((minute, found))
        nothing = all(r.status == "nothing" for r in results(report).values())
        decisions = [app.decision for app in plan_of(tree, place).apps if app.decision is not None]
        resting = all(d.verdict in ("steady", "held", "idle") for d in decisions)
        calm = calm + 1 if nothing and resting else 0
        if calm == 2:
            return seen
        minutes(place, every)
    raise AssertionError((seen, report.closing, problems(report)))
