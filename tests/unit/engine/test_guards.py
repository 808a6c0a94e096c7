"""What each guard refuses of a plan, as data: tests/cases/plan/guards.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import kinds
from reconciler.engine.guards import conflicts, history, prune, strangers, upgrade
from reconciler.engine.guards.guard import hold
from reconciler.objects.draft import Draft, seal
from reconciler.objects.key import ObjectKey
from reconciler.plan.change import (
    Action,
    AppPlan,
    Change,
    Expected,
    FieldConflict,
    Plan,
    Refusal,
    Standing,
    StateSwap,
)
from reconciler.plan.inventory import Inventory, Member
from reconciler.ports import ClusterUnreadable
from reconciler.unit import UnitId

FILE = Path(__file__).parents[2] / "cases" / "plan" / "guards.yaml"
CASES: dict[str, Any] = yaml.safe_load(FILE.read_text())


def _key(unit, kind, number):
    namespace = "" if kind == "Namespace" else f"ml-{unit.group}"
    return ObjectKey("", kind, namespace, f"{unit.model}-{number}")


def _change(key, action, *, conflict=None):
    body = {"metadata": {"name": key.name}}
    desired = None if action is Action.DELETE else seal(Draft(key, "v1", body, "a test"))
    wave = kinds.find(key.group_kind).wave
    return Change(
        key, "v1", action, wave, desired=desired, expects=Expected("u"), conflict=conflict
    )


def _app(text, given):
    unit = UnitId.parse(text)
    keys = [_key(unit, "ConfigMap", n) for n in range(given["recorded"])]
    going = keys[: given.get("delete", 0)]
    going += [_key(unit, kind, "k") for kind in given.get("kinds", ())]
    staying = [key for key in keys if key not in going]
    names = given.get("conflict")
    conflict = FieldConflict(tuple(names), (".data.a",)) if names else None
    generations = [
        ObjectKey("", "ConfigMap", f"ml-{unit.group}", f"{unit.model}-part{n}-{digest}")
        for n in range(given.get("generations", 0))
        for digest in ("aaaaa", "bbbbb")
    ]
    keys += generations
    going += generations[::2]
    staying += generations[1::2]
    changes = [_change(key, Action.DELETE) for key in going]
    updates = staying[: given.get("update", 0)]
    changes += [_change(key, Action.UPDATE, conflict=conflict) for key in updates]
    drawn = {c.key: c.desired.digest for c in changes if c.desired is not None}
    redrawn = given.get("redrawn", False)
    recorded = Inventory(
        unit,
        tuple(
            Member(key, "v1", "u", "older" if redrawn else drawn.get(key, "m"))
            for key in [*keys, *(k for k in going if k not in keys)]
        ),
        given.get("revision", ""),
        tool=given.get("tool", ""),
    )
    members = tuple(Member(key, "v1", "u", "m") for key in [*staying, *going])
    return AppPlan(
        unit,
        unit.environment,
        unit.group,
        "",
        "",
        (tuple(changes),) if changes else (),
        members,
        recorded,
        removed=given.get("removed", False),
        stems={key: key.name.removesuffix("-bbbbb") for key in generations[1::2]},
    )


def _plan(case):
    apps = tuple(_app(text, given) for text, given in case["apps"].items())
    return Plan("main", "head", (), apps)


def _guards(case, plan):
    recorded = {app.unit: app.recorded for app in plan.apps}
    for text, count in case.get("unselected", {}).items():
        unit = UnitId.parse(text)
        members = tuple(Member(_key(unit, "ConfigMap", n), "v1", "u") for n in range(count))
        recorded[unit] = Inventory(unit, members)
    deletes = [c for c in plan.changes() if c.action is Action.DELETE]
    approved = frozenset([prune.approval_of(deletes)] if case.get("approve") else [])
    lost = frozenset(case.get("lost", ()))
    return (
        prune.guard(frozenset(case.get("absent", ())), approved, {0: recorded}),
        history.guard(lost, "main", frozenset(case.get("rewinds", ()))),
        upgrade.guard(frozenset()),
        conflicts.guard(frozenset()),
    )


@pytest.mark.parametrize("title", CASES)
def test_a_guard_refuses_what_needs_a_person(title):
    case = CASES[title]
    plan = _plan(case)
    found = {}
    for guard in _guards(case, plan):
        refusals = list(guard(plan))
        assert list(guard(plan)) == refusals  # it changes nothing and remembers nothing
        found |= {str(refusal.unit): refusal.code for refusal in refusals}
    assert found == case["refused"]


@pytest.mark.parametrize("title", CASES)
def test_what_is_refused_is_held_and_nothing_else(title):
    case = CASES[title]
    plan = _plan(case)
    for guard in _guards(case, plan):
        refusals = list(guard(plan))
        held = hold(plan, refusals)
        named = {(r.unit, key) for r in refusals for key in r.objects}
        whole = {r.unit for r in refusals if r.is_whole}
        for app, after in zip(plan.apps, held.apps, strict=True):
            for before, change in zip(app.changes(), after.changes(), strict=True):
                refused = app.unit in whole or (app.unit, change.key) in named
                assert (change.standing is Standing.HELD) == refused
                assert change.action is before.action


def test_a_refusal_of_the_whole_unit_takes_its_decision_along():
    plan = _plan(CASES["ten deletes are allowed"])
    first, second = plan.apps
    swap = StateSwap((("stable", "v1"),))
    apps = (
        AppPlan(**{name: getattr(first, name) for name in first.__slots__} | {"swap": swap}),
        second,
    )
    plan = Plan("main", "head", (), apps)
    held = hold(plan, [Refusal("E_X", "no", "", first.unit)])
    assert held.apps[0].swap is None
    assert [r.code for r in held.apps[0].refusals] == ["E_X"]
    assert held.apps[1] == second


def test_a_refusal_of_another_cluster_holds_nothing_here():
    plan = _plan(CASES["ten deletes are allowed"])
    assert hold(plan, [Refusal("E_X", "no", "", plan.apps[0].unit, place=1)]) == plan


class _Namespaces:
    """A reader that knows what lives in a namespace; None for one that cannot be read."""

    def __init__(self, inside):
        self.inside = inside

    def discover(self):
        if self.inside is None:
            raise ClusterUnreadable("403 Forbidden")
        raise AssertionError


def test_a_namespace_that_cannot_be_looked_into_is_kept():
    plan = _plan({"apps": {"prod/one/_group": {"recorded": 0, "kinds": ["Namespace"]}}})
    reader: Any = _Namespaces(None)
    guard = strangers.guard(lambda _place: reader, {})
    (refusal,) = guard(plan)
    assert (refusal.code, refusal.text) == ("E_STRANGERS", "403 Forbidden")
    (change,) = hold(plan, [refusal]).changes()
    assert (change.standing, change.awaited) == (Standing.HELD, True)


def test_without_a_cluster_no_namespace_is_asked_about():
    plan = _plan({"apps": {"prod/one/_group": {"recorded": 0, "kinds": ["Namespace"]}}})
    assert list(strangers.guard(lambda _place: None, {})(plan)) == []
