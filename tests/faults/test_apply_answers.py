"""Every write in turn is refused, or its answer is lost: the run says so, and later ones converge
without an orphan, a second creation or a second delete."""

import pytest

from reconciler.objects.outcome import Refusal
from reconciler.simulation.cluster import Lost
from tests import flow, support

REMOVED = {"environments/prod/one/web.yaml": None}
TWO = flow.ROUTED.but(
    {
        "environments/prod/one/api.yaml": "serving: {version: v1}\n",
        "models/api/model.yaml": flow.ROUTED.files["models/web/model.yaml"],
        "models/api/versions/v1.yaml": support.record("v1"),
    }
)
SCENARIOS = {
    "a first apply": (None, TWO),
    "an update": (TWO, flow.pointing(TWO, "v1", "  replicas: 3\n")),
    "a removal": (TWO, TWO.but(REMOVED)),
}
FAULTS = {
    "lost and done": lambda: Lost(done=True),
    "lost and not done": lambda: Lost(done=False),
    "stale": lambda: flow.refuse(Refusal.STALE),
    "forbidden": lambda: flow.refuse(Refusal.FORBIDDEN),
    "invalid": lambda: flow.refuse(Refusal.INVALID),
    "too many requests": lambda: flow.refuse(Refusal.TOO_MANY),
}


def started(name):
    before, after = SCENARIOS[name]
    place = flow.world()
    if before is not None:
        flow.settled(before, place)
    return place, after, flow.Ledger(place)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_write_may_fail_and_the_next_runs_converge(name, fault):
    clean, after, ledger = started(name)
    before = len(clean.cluster.log)
    flow.settled(after, clean)
    targets = flow.writes(clean, before)
    for number in range(len(targets)):
        place, after, counts = started(name)
        place.cluster.before = flow.at_write(number, FAULTS[fault]())
        report = flow.run(after, place)
        place.cluster.before = None
        # Made again, or read again and deleted, without a word.
        mended = fault == "stale" and targets[number][0] == "delete"
        if targets[number] != ("create", "Namespace ml-reconciler") and not mended:
            assert report.exit_code == 6, (number, report.closing)
            assert flow.problems(report), number
        assert flow.orphans(place) == set(), number
        flow.settled(after, place)
        assert flow.ends(place) == flow.ends(clean), number
        assert counts.counts == ledger.counts, number


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
            raise flow.refuse(Refusal.STALE)

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
    from reconciler.apply.effect import Look
    from reconciler.engine import reconcile

    place = flow.world()
    flow.settled(TWO, place)
    older = support.reviewed(TWO.but(REMOVED), place.cluster, place.clock.now())

    def pause(effect):
        if isinstance(effect, Look) and effect.key.name.endswith(".inventory"):
            flow.run(flow.pointing(TWO, "v1", "  replicas: 3\n"), place)

    report = reconcile.reconcile(
        older, place.cluster, place.clock, support.Silent(), reconcile.Settings(before=pause)
    )
    assert flow.results(report)["prod/one/web"].status == "lost"
    assert not [target for verb, target in place.cluster.log if verb == "delete"]
    flow.settled(flow.pointing(TWO, "v1", "  replicas: 3\n"), place)


def test_a_foundation_that_cannot_be_made_keeps_its_apps_back():
    place = flow.world()

    def before(verb, target):
        if verb in flow.WRITES and target == "Namespace ml-one":
            raise flow.refuse(Refusal.FORBIDDEN)

    place.cluster.before = before
    report = flow.run(TWO, place)
    assert report.exit_code == 6
    assert flow.results(report)["prod/one/web"].problems == [
        (None, "its group's foundation is not in place")
    ]
