"""Every write in turn is refused, or its answer is lost: the run says so, and later ones converge
without an orphan, a second creation or a second delete."""

import pytest

from reconciler.adapters.kubernetes.failures import explain_failure
from reconciler.adapters.kubernetes.transport import HttpAnswer
from reconciler.objects.outcome import RefusalCause, Unknown
from reconciler.simulation.cluster import RequestLost, RequestRefused
from tests import flow, support
from tests.scenarios import catalogue

pytestmark = pytest.mark.slow

TWO = catalogue.TWO
REMOVED = {"environments/prod/one/web.yaml": None}


def _said(status, *, done=False):
    """What the adapter makes of a bare answer with this status."""
    outcome = explain_failure(HttpAnswer(status, b"on order"), "things")
    if isinstance(outcome, Unknown):
        return RequestLost(done=done, message=outcome.message)
    return RequestRefused(outcome)


FAULTS = {
    "lost and done": lambda: RequestLost(done=True),
    "lost and not done": lambda: RequestLost(done=False),
    "stale": lambda: flow.refuse(RefusalCause.STALE),
    "forbidden": lambda: flow.refuse(RefusalCause.FORBIDDEN),
    "invalid": lambda: flow.refuse(RefusalCause.INVALID),
    "429": lambda: _said(429),
    "500": lambda: _said(500),
    "500 and done": lambda: _said(500, done=True),
    "503": lambda: _said(503),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", catalogue.SCENARIOS)
def test_any_write_may_fail_and_the_next_runs_converge(name, fault):
    with catalogue.limits(catalogue.SCENARIOS[name]):
        oracle = catalogue.clean(name)
        targets = flow.writes(oracle.place, oracle.begun)
        for number, (verb, target) in enumerate(targets):
            course = catalogue.Course(catalogue.SCENARIOS[name])
            course.place.cluster.before = flow.at_write(number, FAULTS[fault]())
            report = course.until_write(number)
            course.place.cluster.before = None
            catalogue.sound(course, oracle)
            # Made again, or read again and deleted, without a word; a shard may be left over.
            mended = (fault == "stale" and verb == "delete") or target == "Namespace ml-reconciler"
            litter = verb == "delete" and ".inventory." in target
            if not mended and not litter:
                assert report.exit_code == 6, (number, verb, target, report.closing)
                assert flow.problems(report), number
            course.settle(2)
            catalogue.ended(course, oracle)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("one.web.inventory", "another run wrote the inventory first"),
        ("one.web.rollout", "another run wrote the rollout state first"),
    ],
)
def test_a_lost_compare_and_swap_writes_nothing_more_of_the_app(written, text):
    place = flow.world()
    flow.settled(TWO, place)

    def before(verb, target):
        if verb in flow.WRITES and written in target:
            raise flow.refuse(RefusalCause.STALE)

    place.cluster.before = before
    start = len(place.cluster.log)
    report = flow.run(flow.pointing(TWO, "v2"), place)
    assert report.exit_code == 6
    assert text in str(flow.problems(report))
    named = [target for verb, target in flow.writes(place, start) if "web" in target]
    assert named
    assert all("ml-reconciler/" in target for target in named)


def test_an_object_deleted_between_read_and_apply_is_not_brought_back_blindly():
    place = flow.world()
    flow.settled(TWO, place)
    target = flow.key("Deployment", "ml-one", "web-v1")

    def before(verb, text):
        if verb == "apply" and text == target.full():
            found = place.cluster.server.get(target)
            if found is not None:
                place.cluster.server.delete(target, uid=found["metadata"]["uid"])

    place.cluster.before = before
    changed = flow.pointing(TWO, "v1", "  replicas: 3\n")
    report = flow.run(changed, place)
    assert report.exit_code == 6
    assert place.cluster.server.get(target) is None
    place.cluster.before = None
    flow.settled(changed, place)
    assert place.cluster.server.get(target)["spec"]["replicas"] == 3


def test_a_run_of_an_older_commit_that_was_paused_deletes_nothing_of_the_newer():
    """A is paused before its first delete; B, of a commit that has the app again, completes."""
    from reconciler.apply.effect import Read
    from reconciler.engine import apply_plan

    place = flow.world()
    flow.settled(TWO, place)
    older = support.reviewed(TWO.but(REMOVED), place.cluster, place.clock.now())

    def pause(effect):
        if isinstance(effect, Read) and effect.key.name.endswith(".inventory"):
            flow.run(flow.pointing(TWO, "v1", "  replicas: 3\n"), place)

    report = support.Ran(
        apply_plan.reconcile(
            older,
            place.cluster,
            place.clock,
            support.Silent(),
            apply_plan.ApplySettings(before=pause),
        )
    )
    assert flow.results(report)["prod/one/web"].status == "lost"
    assert not [target for verb, target in place.cluster.log if verb == "delete"]
    flow.settled(flow.pointing(TWO, "v1", "  replicas: 3\n"), place)


def test_a_foundation_that_cannot_be_made_keeps_its_apps_back():
    place = flow.world()

    def before(verb, target):
        if verb in flow.WRITES and target == "Namespace ml-one":
            raise flow.refuse(RefusalCause.FORBIDDEN)

    place.cluster.before = before
    report = flow.run(TWO, place)
    assert report.exit_code == 6
    assert flow.results(report)["prod/one/web"].problems == [
        (None, "its group's foundation is not in place")
    ]
