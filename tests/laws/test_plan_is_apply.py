"""The plan is what happens: over every scenario, with what is refused and held, the writes of
`apply` and of `reconcile` are the plan's list."""

import pytest

from reconciler.apply.result import ApplyStatus
from reconciler.engine import apply_plan
from reconciler.engine.review import may_apply
from reconciler.engine.views.reviews import plan_report
from reconciler.objects.outcome import RefusalCause
from reconciler.plan.change import Action
from tests import flow, support
from tests.scenarios.catalogue import _CRON, SCENARIOS, TWO, Course, Scenario, limits

_MAP = flow.key("ConfigMap", "ml-one", "limits")
_NAMES = {Action.CREATE: ["apply"], Action.UPDATE: ["apply"], Action.DELETE: ["delete"]}


def _stranger(place, key=_MAP, manager="helm"):
    namespace = {"namespace": key.namespace} if key.namespace else {}
    body = {"apiVersion": "v1", "kind": key.kind, "metadata": {"name": key.name, **namespace}}
    if key.kind == "ConfigMap":
        body["data"] = {"a": "theirs"}
    else:
        body["metadata"]["labels"] = {"owner": "them"}
    place.cluster.acting_as(manager).apply(body)


def _stranger_in_place_of_ours(place):
    place.cluster.server.delete(_MAP)
    _stranger(place)


def _theirs(place):
    place.cluster.acting_as("scaler").apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web-v1", "namespace": "ml-one"},
            "spec": {"replicas": 9},
        },
        force=True,
    )


def _dying(place):
    key = flow.key("Service", "ml-one", "extra")
    place.cluster.edit(key, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
    seen = place.cluster.get(key)
    place.cluster.delete(key, uid=seen.uid)


def _left_alone(place):
    mark = {"ml-reconciler.dev/reconcile": "disabled"}
    place.cluster.edit(
        flow.key("Deployment", "ml-one", "api-v1"),
        lambda b: b["metadata"].setdefault("annotations", {}).update(mark),
    )


def _foreign_namespace(place):
    _stranger(place, flow.key("Namespace", "", "ml-one"))
    _stranger(place)


_EXTRA_V2 = TWO.but(
    {
        "models/web/extra.yaml": (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {a: c}\n"
        )
    }
)
#: Neighbours of the scenarios, in which a rule stops a part.
HELD = {
    "a stranger has the name of a configuration": Scenario(
        flow.pointing(TWO, "v1"),
        flow.pointing(TWO, "v2"),
        prepare=_stranger_in_place_of_ours,
    ),
    "a stranger has it and the old object goes": Scenario(
        TWO, _EXTRA_V2, prepare=_stranger_in_place_of_ours
    ),
    "a field is another manager's": Scenario(
        TWO, flow.pointing(TWO, "v1", "  replicas: 3\n"), prepare=_theirs
    ),
    "an object that is wanted is being deleted": Scenario(
        TWO, flow.pointing(TWO, "v1", "  replicas: 3\n"), prepare=_dying
    ),
    "an object that is not wanted is being deleted": Scenario(
        TWO, TWO.but({"environments/prod/one/web.yaml": None}), prepare=_dying
    ),
    "an object is left alone": Scenario(
        TWO, flow.pointing(TWO, "v1", "  replicas: 3\n"), prepare=_left_alone
    ),
    "an immutable field without the mark that allows a replace": Scenario(
        _CRON,
        _CRON.but(
            {"models/web/extra.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"}
        ),
    ),
    "a namespace that exists and is another's": Scenario(None, TWO, prepare=_foreign_namespace),
    "a hollow file beside other changes": Scenario(
        TWO, flow.pointing(TWO, "v1", "  replicas: 3\n").but({"models/web/extra.yaml": "# gone\n"})
    ),
    "every app of a group is gone": Scenario(
        TWO,
        TWO.but({"environments/prod/one/web.yaml": None, "environments/prod/one/api.yaml": None}),
    ),
    "an app is suspended": Scenario(
        TWO,
        flow.pointing(TWO, "v1", "  replicas: 3\n").but(
            {"environments/prod/one/api.yaml": "suspend: true\nserving: {version: v1}\n"}
        ),
    ),
}
EVERY = {**SCENARIOS, **HELD}


def _listed(plan, units=None):
    """(verb, object) of every change that the plan says goes, sorted."""
    out = []
    for app in plan.apps:
        if app.suspended or (units is not None and app.unit not in units):
            continue
        for change in app.changes():
            if change.goes:
                verbs = _NAMES.get(change.action, ["delete", "apply"])
                out += [(verb, change.key.full()) for verb in verbs]
    return sorted(out)


def _wrote(place, start):
    """(verb, object) of every write but those of the program's own records."""
    return sorted(
        (verb, target)
        for verb, target in flow.writes(place, start)
        if verb in ("apply", "delete") and " ml-reconciler/" not in target
    )


def _compare(place, plan, results, wrote):
    """A unit that ended well did all of its list; any other a part of it, and nothing besides."""
    listed = _listed(plan)
    assert set(wrote) <= set(listed), sorted(set(wrote) - set(listed))
    done = {r.unit for r in results if r.status in (ApplyStatus.DONE, ApplyStatus.NOTHING)}
    missing = set(_listed(plan, done)) - set(wrote)
    assert not missing, (missing, [r.problems for r in results])


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("command", ["apply", "reconcile"])
def test_the_writes_of_a_run_are_the_plans_list(name, command):
    scenario = EVERY[name]
    with limits(scenario):
        course = Course(scenario)
        place = course.place
        for _ in range(6):
            approved = course._approvals() if scenario.asks else ()
            now = place.clock.now()
            seen = support.reviewed(scenario.after, place.cluster, now, approved)
            again = support.reviewed(scenario.after, place.cluster, now, approved)
            start = len(place.cluster.log)
            settings = apply_plan.ApplySettings(timeout=scenario.timeout)
            run = getattr(apply_plan, command)(
                again, place.cluster, place.clock, support.Silent(), settings
            )
            scenario.between(place)
            wrote = _wrote(place, start)
            closing = plan_report(seen).closing[0]
            if command == "apply" and not may_apply(seen):
                assert wrote == []
                assert "`reconciler apply` would write nothing" in closing or not _listed(seen.plan)
            else:
                _compare(place, seen.plan, run.results, wrote)
                if wrote and command == "apply":
                    assert "`reconciler apply` does exactly this" in closing
            if not wrote:
                break
            flow.minutes(place, 1)
        else:
            raise AssertionError(("it does not come to rest", wrote))


@pytest.mark.parametrize("name", HELD)
def test_what_is_held_stays_held_and_says_why(name):
    """A held change names its reason; what cannot be reached names what it waits for."""
    with limits(HELD[name]):
        course = Course(HELD[name])
    for app in flow.plan_of(HELD[name].after, course.place).apps:
        for change in app.changes():
            assert change.goes or change.reasons, (app.unit, change.key)


def test_a_route_that_waits_for_a_held_object_says_so():
    tree = flow.pointing(TWO, "v2")
    place = flow.world()
    flow.settled(flow.pointing(TWO, "v1"), place)
    _stranger_in_place_of_ours(place)
    plan = flow.plan_of(tree, place)
    later = [c for c in plan.changes() if c.key.kind in ("Deployment", "HTTPRoute")]
    assert later
    for change in later:
        assert change.standing == "held"
        assert "waits for ConfigMap/limits, which is held" in change.reasons[-1].text
    assert all(app.swap is None for app in plan.apps)


def test_an_app_with_a_kind_that_cannot_be_read_shows_nothing_as_going():
    place = flow.world()
    flow.settled(TWO, place)

    def before(verb, target):
        if verb == "list" and target == "ConfigMap":
            raise flow.refuse(RefusalCause.FORBIDDEN)

    place.cluster.before = before
    plan = flow.plan_of(_EXTRA_V2, place)
    web = next(app for app in plan.apps if str(app.unit) == "prod/one/web")
    assert web.is_unjudged
    assert not any(change.goes for change in web.changes())


def test_objects_of_others_in_a_namespace_that_exists_are_told_as_that():
    place = flow.world()
    _foreign_namespace(place)
    plan = flow.plan_of(TWO, place)
    found = {c.key.full(): c for c in plan.changes()}
    for name in ("Namespace ml-one", "ConfigMap ml-one/limits"):
        assert (found[name].action, found[name].standing) == (Action.UPDATE, "held")
        assert "exists, and this program did not make it: it is managed by helm" in (
            found[name].reasons[0].text
        )
    deployment = found["Deployment.apps ml-one/web-v1"]
    assert (deployment.action, deployment.standing) == (Action.CREATE, "held")


def test_what_kubectl_made_in_a_namespace_that_exists_is_adopted_in_the_plan_too():
    place = flow.world()
    _stranger(place, flow.key("Namespace", "", "ml-one"), "kubectl")
    _stranger(place, manager="kubectl")
    plan = flow.plan_of(TWO, place)
    found = {c.key.full(): c for c in plan.changes()}
    for name in ("Namespace ml-one", "ConfigMap ml-one/limits"):
        assert (found[name].action, found[name].standing) == (Action.UPDATE, "go")
        assert found[name].takes_over
    assert all(not c.unverified for c in plan.changes())
