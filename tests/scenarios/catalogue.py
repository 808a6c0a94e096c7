"""What may be under way when a run is cut off: states of a cluster and what is wanted next, as data.

A scenario ends when a run writes nothing. Its clean course is the oracle of every disturbed one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reconciler.engine.views.report import Changes
from reconciler.plan import inventory, records
from reconciler.plan.change import Action
from reconciler.simulation.controller import SimulationSettings
from reconciler.simulation.world import World
from tests import flow, support

EXTRA = {
    "models/web/extra.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {a: b}\n---\n"
        "apiVersion: v1\nkind: Service\nmetadata: {name: extra}\nspec: {ports: [{port: 80}]}\n"
    ),
    "environments/prod/one/web.yaml": "manifests: [extra.yaml]\n",
}
#: A second app, so that the group is not emptied.
TWO = flow.ROUTED.but(
    {
        **EXTRA,
        "environments/prod/one/api.yaml": "serving: {version: v1}\n",
        "models/api/model.yaml": flow.ROUTED.files["models/web/model.yaml"],
        "models/api/versions/v1.yaml": support.record("v1"),
    }
)
BUSIER = flow.pointing(TWO, "v1", "  replicas: 3\n")


def _with(text):
    return TWO.but({"models/web/extra.yaml": text})


def _deployment(app, annotations="{}"):
    return (
        "apiVersion: apps/v1\nkind: Deployment\n"
        f"metadata: {{name: extra, annotations: {annotations}}}\n"
        f"spec:\n  selector: {{matchLabels: {{app: {app}}}}}\n"
        f"  template: {{metadata: {{labels: {{app: {app}}}}}, "
        "spec: {containers: [{name: c, image: 'i:1'}]}}\n"
    )


_CRON = _with(
    "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\n"
    "spec:\n  schedule: '0 2 * * *'\n"
    "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never,"
    " containers: [{name: c, image: 'i:1'}]}}}}\n"
)
_CRON_JOB = flow.key("CronJob", "ml-one", "nightly")._replace(group="batch")
_MAP = flow.key("ConfigMap", "ml-one", "limits")


def _nothing(place: World) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Scenario:
    """`before` is settled, then `prepare` is called; None is an empty cluster. `between` is what
    the world does after every run. `replaces` are the objects that may be deleted though they are
    wanted. `route` holds the splits of `ml-one/web` that may be seen. `apart` takes out of the end
    state what honestly depends on when a run took place. `ends` is the exit code of the quiet runs
    at the end."""

    before: Any
    after: Any
    prepare: Callable[[World], None] = _nothing
    between: Callable[[World], None] = _nothing
    settings: SimulationSettings | None = None
    asks: bool = False
    most: int = 0
    timeout: float = 600.0
    replaces: frozenset[str] = frozenset()
    route: tuple[Any, ...] = ()
    apart: Callable[[dict[str, Any]], Any] = field(default=lambda ends: ends)
    ends: int = 0


# -- how they begin --------------------------------------------------------------------------------


def _at_ten_percent(place):
    tree = flow.pointing(flow.ROUTED, "v2")
    while flow.split(place, "ml-one", "web") != _TEN:
        flow.run(tree, place)
        flow.minutes(place, 1)
    # As far as it goes by then; what is due now is the next step.
    flow.settled(tree, place)
    flow.minutes(place, 11)


def _in_vain(place):
    flow.run(flow.pointing(flow.ROUTED, "v2"), place, timeout=10)
    place.run_for(timedelta(minutes=25))


def _made_by_kubectl(place):
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "limits", "namespace": "ml-one"},
        "data": {"a": "theirs", "b": "kept"},
    }
    place.cluster.acting_as("kubectl").apply(body)


def _older(body):
    data = body["data"]
    data["schemaVersion"] = "1"
    for name in ("tool", "served", "epoch", "applyAs"):
        data.pop(name)


def _of_schema_1(place):
    for recorded in flow.recorded(place).values():
        place.cluster.edit(inventory.inventory_key(recorded.unit), _older, "reconciler")


def _put_status(place, key, status):
    body = place.cluster.server.get(key)
    store = place.cluster.server.store
    with store.transaction():
        store.put(key, {**body, "status": status})


def _with_a_run(place):
    _put_status(place, _CRON_JOB, {"active": [{"name": "nightly-1"}]})


def _run_ends(place):
    """The run that was under way ends in its own time, which is after the schedule's end."""
    body = place.cluster.server.get(_CRON_JOB)
    if body is not None and body["spec"].get("suspend"):
        _put_status(place, _CRON_JOB, {})


def _without_held(ends):
    state = ends["ConfigMap ml-reconciler/prod.one.web.rollout"]["data"]
    state.pop("held_why", None)
    state.pop("held_since", None)
    return ends


_STABLE = {"web-v1": 100}
_TEN = {"web-v1": 90, "web-v2": 10}
_HALF = {"web-v1": 50, "web-v2": 50}
_RENAMED = flow.ROUTED.but(
    {
        "environments/prod/uno/group.yaml": flow.ROUTED.files["environments/prod/one/group.yaml"],
        "environments/prod/one/group.yaml": None,
        "environments/prod/one/web.yaml": None,
        "environments/prod/uno/web.yaml": "moved: {from: prod/one/web}\n",
    }
)

SCENARIOS = {
    "a first apply in a new namespace": Scenario(None, TWO),
    "an update": Scenario(TWO, BUSIER),
    "a rollout's first step": Scenario(
        flow.ROUTED, flow.pointing(flow.ROUTED, "v2"), route=(_STABLE, _TEN)
    ),
    "a rollout's next step": Scenario(
        flow.ROUTED,
        flow.pointing(flow.ROUTED, "v2"),
        prepare=_at_ten_percent,
        route=(_TEN, _HALF),
    ),
    "a rollout's abort": Scenario(
        flow.ROUTED,
        flow.pointing(flow.ROUTED, "v2"),
        prepare=_in_vain,
        settings=SimulationSettings(failing=frozenset({"v2"})),
        timeout=10,
        route=(_STABLE, _TEN),
        apart=_without_held,
        ends=6,  # the release is held until a person acts
    ),
    "a prune of some objects": Scenario(TWO, TWO.but({"environments/prod/one/web.yaml": ""})),
    "an app removed": Scenario(TWO, TWO.but({"environments/prod/one/web.yaml": None})),
    "an app removed with its record": Scenario(
        TWO, TWO.but({"environments/prod/one/web.yaml": None, "environments/prod/web.yaml": None})
    ),
    "a group emptied": Scenario(
        flow.ROUTED,
        flow.ROUTED.but(
            {
                "environments/prod/one/group.yaml": (
                    "group: {namespace: ml-one, serviceAccount: models, state: absent}\n"
                )
            }
        ),
        asks=True,
    ),
    "a group renamed": Scenario(flow.ROUTED, _RENAMED),
    "a declared replace": Scenario(
        _with(_deployment("extra")),
        _with(_deployment("other", "{ml-reconciler.dev/replace: enabled}")),
        # An immutable field changed: the annotation allows to delete and make anew what is wanted.
        replaces=frozenset({"Deployment.apps ml-one/extra"}),
    ),
    "a large inventory grows and shrinks": Scenario(
        TWO,
        flow.pointing(
            _with("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n"),
            "v1",
            "  replicas: 3\n",
        ),
        most=300,
    ),
    "a large inventory goes": Scenario(
        TWO,
        TWO.but({"environments/prod/one/web.yaml": None}),
        most=300,
    ),
    "an adoption": Scenario(
        TWO.but({"environments/prod/one/web.yaml": ""}), TWO, prepare=_made_by_kubectl
    ),
    "a migration of schema 1": Scenario(TWO, TWO, prepare=_of_schema_1),
    "a migration of schema 1 with a prune": Scenario(
        TWO, TWO.but({"environments/prod/one/web.yaml": ""}), prepare=_of_schema_1
    ),
    "a schedule that has a run pruned": Scenario(
        _CRON,
        TWO.but({"environments/prod/one/web.yaml": ""}),
        prepare=_with_a_run,
        between=_run_ends,
    ),
}


# -- their course ----------------------------------------------------------------------------------


@contextlib.contextmanager
def limits(scenario):
    """Inventories of this scenario are cut into shards of this size."""
    known = records.to_objects.__defaults__
    records.to_objects.__defaults__ = (scenario.most,) if scenario.most else known
    try:
        yield
    finally:
        records.to_objects.__defaults__ = known


class Course:
    """One course of a scenario on a cluster of its own. `log` has the requests since it began,
    `moments` what was said to be applied after each of its runs."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.place = flow.world(settings=scenario.settings)
        if scenario.before is not None:
            flow.settled(scenario.before, self.place)
        scenario.prepare(self.place)
        self.moments = [_applied(self.place)]
        self.ledger = flow.Ledger(self.place)
        self.deletes = self._deletes() if scenario.asks else frozenset()
        self.begun = len(self.place.cluster.log)

    @property
    def log(self):
        return self.place.cluster.log[self.begun :]

    def run(self, after=None):
        """One run, and what the world does after it; the report and the writes."""
        start = len(self.place.cluster.log)
        options = {"approved": self._approvals()} if self.scenario.asks else {}
        try:
            report = flow.run(
                after or self.scenario.after,
                self.place,
                timeout=self.scenario.timeout,
                **options,
            )
        finally:
            self.scenario.between(self.place)
        return report, flow.writes(self.place, start)

    def until_write(self, number):
        """Runs up to and with the one that sends the n-th write (from 0); its report."""
        while True:
            report, _ = self.run()
            flow.minutes(self.place, 1)
            if len(flow.writes(self.place, self.begun)) > number:
                return report

    def settle(self, most):
        """Runs a minute apart until one writes nothing and nothing is due within the next minute (a
        backend that drains), after at most `most` that wrote. It has the exit code of the scenario's
        end."""
        wrote = 0
        while wrote <= most:
            report, writes = self.run()
            self.moments.append(_applied(self.place))
            wrote += bool(writes)
            if not writes and not self._is_due(report):
                code = self.scenario.ends
                assert report.exit_code == code, (report.closing, flow.problems(report))
                return report
            flow.minutes(self.place, 1)
        raise AssertionError((writes, report.closing, flow.problems(report)))

    def _is_due(self, report):
        soon = self.place.clock.now() + timedelta(minutes=1)
        (changes,) = (section for section in report.sections if isinstance(section, Changes))
        decisions = (app.decision for app in changes.plan.apps)
        return any(d is not None and d.due is not None and d.due <= soon for d in decisions)

    @property
    def ends(self):
        return self.scenario.apart(flow.ends(self.place))

    @property
    def counts(self):
        """(verb, object) → how often. Shards are named by their content, uids included."""
        return {s: n for s, n in self.ledger.counts.items() if ".inventory." not in s[1]}

    def _deletes(self):
        plan = flow.plan_of(self.scenario.after, self.place)
        return frozenset(
            (c.key, c.expects.uid) for c in plan.changes() if c.action is Action.DELETE
        )

    def _approvals(self):
        """A person says yes to what is left of what was shown at first, and to nothing else."""
        hook, self.place.cluster.before = self.place.cluster.before, None
        begun = len(self.place.cluster.log)
        try:
            plan = flow.plan_of(self.scenario.after, self.place)
            assert self._deletes() <= self.deletes
        finally:
            self.place.cluster.before = hook
            del self.place.cluster.log[begun:]
        return [refusal.approval for refusal in plan.refusals]


def clean(name):
    """The course that nothing disturbs."""
    course = Course(SCENARIOS[name])
    course.settle(4)
    return course


def _applied(place):
    """unit → what is said to be applied in full, where that is said."""
    return {
        unit: [(member.key, member.manifest) for member in found.members]
        for unit, found in flow.recorded(place).items()
        if found.phase is inventory.Phase.APPLIED
    }


def sound(course, oracle):
    """What holds at every moment, whatever was cut off: I1, I2, I5, I6, I10."""
    place, scenario = course.place, course.scenario
    assert flow.orphans(place) == set()  # I1
    known = {target for _, target in flow.writes(oracle.place, oracle.begun)}
    for verb, target in flow.writes(place, course.begun):
        assert target in known or target.startswith("ConfigMap ml-reconciler/"), (verb, target)
    for slot, count in course.counts.items():
        assert count <= oracle.counts.get(slot, 0), slot  # I5
    if scenario.route:
        assert flow.split(place, "ml-one", "web") in scenario.route  # I6
    for unit, rows in _applied(place).items():
        assert rows in [moment.get(unit) for moment in oracle.moments], unit  # I10


def ended(course, oracle):
    """What holds of the end: the same objects, and nothing made or deleted more or less often."""
    sound(course, oracle)
    assert course.ends == oracle.ends
    assert course.counts == oracle.counts
