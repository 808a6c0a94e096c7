"""Cluster names of Git on several clusters: each unit goes where its name leads, and nowhere else."""

import pytest

from reconciler import kinds
from reconciler.engine import apply_plan, review
from reconciler.engine.targets import Targets
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
