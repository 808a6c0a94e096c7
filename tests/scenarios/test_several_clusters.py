"""Cluster names of Git on several clusters: each unit goes where its name leads, and nowhere else."""

import threading

import pytest

from reconciler import kinds
from reconciler.adapters.workers import Threads
from reconciler.engine import apply_plan, review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.ports import ClusterUnreadable
from reconciler.simulation.world import World
from tests import flow, support

TWO = support.small(
    **{
        "environments/dev/environment.yaml": "environment: {rank: 0, cluster: lab}\n",
        "environments/dev/one/group.yaml": "group: {namespace: ml-one}\n",
        "environments/dev/web.yaml": 'serving:\n  version: "v2"\n',
        "environments/dev/one/web.yaml": "",
    }
)


@pytest.fixture
def places():
    made = {name: World(start=support.NOW, kinds=kinds.known()) for name in ("main", "lab")}
    yield made
    for place in made.values():
        place.close()


def run(tree, places, *, whole=True, names=None):
    names = names or list(places)
    targets = Targets(
        [places[n].cluster for n in names], {n: i for i, n in enumerate(names)}, whole=whole
    )
    clock = places[names[0]].clock
    seen = review.review(tree, support.select(), clock.now(), reader=targets)
    settings = apply_plan.ApplySettings(timeout=600.0)
    report = support.Ran(apply_plan.reconcile(seen, targets, clock, support.Silent(), settings))
    for place in places.values():
        place.run_until(clock.now())
    return report


def test_each_environment_goes_to_its_own_cluster(places):
    for _ in range(4):
        report = run(TWO, places)
    assert report.exit_code == 0
    assert {k.name for k in flow.ours(places["main"]) if k.kind == "Deployment"} == {"web-v1"}
    assert {k.name for k in flow.ours(places["lab"]) if k.kind == "Deployment"} == {"web-v2"}
    assert set(flow.recorded(places["lab"])) == {"dev/one/_group", "dev/one/web"}


def test_a_name_that_nobody_mapped_blocks_its_apps_alone_and_says_where_it_stands(places):
    report = run(TWO, places, names=["main"])
    assert report.exit_code == 1
    assert {"dev/one/_group", "dev/one/web"} <= set(report.data["blocked"])
    (found,) = [d for d in report.sections[0].diagnostics if d.is_error]
    assert (found.code, str(found.site)) == (
        "E_CLUSTER_NAME",
        "environments/dev/environment.yaml:1:24",
    )
    assert "known clusters: main" in found.found
    assert set(flow.recorded(places["main"])) == {"prod/one/_group", "prod/one/web"}
    assert flow.recorded(places["lab"]) == {}


def moved(tree):
    return tree.but(
        {"environments/dev/environment.yaml": "environment: {rank: 0, cluster: main}\n"}
    ).but({"environments/dev/one/group.yaml": "group: {namespace: ml-dev}\n"})


class _Away:
    """A client of a cluster that answers nothing."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        if name in ("discover", "list", "identity"):

            def fail(*_args, **_options):
                raise ClusterUnreadable("429 for ever", hint="wait")

            return fail
        return getattr(self.client, name)


def _run_without_lab(tree, places):
    clients = [places["main"].cluster, _Away(places["lab"].cluster)]
    targets = Targets(clients, {"main": 0, "lab": 1}, whole=True)
    clock = places["main"].clock
    seen = review.review(tree, support.select(), clock.now(), reader=targets)
    return support.Ran(apply_plan.reconcile(seen, targets, clock, support.Silent()))


def test_a_cluster_that_cannot_be_read_keeps_no_other_waiting(places):
    for _ in range(4):
        run(TWO, places)
    report = _run_without_lab(flow.pointing(TWO, "v1", "  replicas: 3\n"), places)
    deployment = flow.live(places["main"], "Deployment", "ml-one", "web-v1")
    assert deployment["spec"]["replicas"] == 3
    assert report.exit_code == 1
    assert set(report.data["blocked"]) == {"dev/one/_group", "dev/one/web"}
    (told,) = [d for d in report.sections[0].diagnostics if d.is_error]
    assert (told.code, told.help) == ("E_CLUSTER", "wait")
    assert told.message == "the cluster lab cannot be read: 429 for ever"


def test_nothing_of_a_cluster_that_cannot_be_read_counts_as_gone(places):
    for _ in range(4):
        run(TWO, places)
    without = TWO.but({"environments/dev/one/web.yaml": None})
    _run_without_lab(without, places)
    assert flow.live(places["lab"], "Deployment", "ml-one", "web-v2") is not None


def test_a_run_in_which_no_cluster_can_be_read_says_so(places):
    targets = Targets([_Away(places["main"].cluster)], {"main": 0}, everywhere=True)
    with pytest.raises(ClusterUnreadable, match="429 for ever"):
        review.review(TWO, support.select(), support.NOW, reader=targets)


def test_a_group_that_moves_to_another_cluster_is_pruned_where_it_was_by_the_same_guards(places):
    for _ in range(4):
        run(TWO, places)
    report = run(moved(TWO), places)
    assert report.exit_code == 4  # emptying a group needs its tombstone, or an approval
    assert "dev/one/web" in flow.recorded(places["lab"])
    assert "dev/one/web" in flow.recorded(places["main"])


def test_only_clusters_that_git_names_are_spoken_to_unless_the_map_is_whole(places):
    class Silent:
        def __getattr__(self, name):
            raise AssertionError(f"asked for {name}")

    main = places["main"].cluster
    targets = Targets([main, Silent()], {"main": 0, "other": 1})
    tree = support.small()
    seen = review.review(tree, support.select(), support.NOW, reader=targets)
    assert [part.place for part in seen.parts] == [0]
    with pytest.raises(AssertionError, match="asked for"):
        review.review(
            tree,
            support.select(),
            support.NOW,
            reader=Targets(targets.clients, targets.route, whole=True),
        )


def test_clusters_are_read_side_by_side(places):
    seen = threading.Event()

    class Slow(_Away):
        """Answers once the other cluster was read."""

        def __getattr__(self, name):
            if name == "discover":
                assert seen.wait(timeout=10), "the other cluster waits for this one"
            return getattr(self.client, name)

    class Quick(_Away):
        def __getattr__(self, name):
            if name == "discover":
                seen.set()
            return getattr(self.client, name)

    clients = [Slow(places["lab"].cluster), Quick(places["main"].cluster)]
    targets = Targets(clients, {"lab": 0, "main": 1}, whole=True)
    options = RunOptions(workers=Threads(2))
    made = review.review(TWO, support.select(), support.NOW, reader=targets, options=options)
    assert not made.has_errors
