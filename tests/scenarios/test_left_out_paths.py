"""A path of Git that cannot be used stops its apps in a run; the others go on, and nothing below it
counts as gone."""

import pytest

from reconciler.diagnostics import error
from reconciler.origin import Site
from tests import flow, support

PAIR = flow.ROUTED.but(
    {
        "environments/prod/two/group.yaml": "group: {namespace: ml-two}\n",
        "environments/prod/two/web.yaml": "",
    }
)


def without(tree, path):
    """The tree as Git gives it when a path is a symbolic link."""
    fault = error("E_SYMLINK", f"{path} is a symbolic link", Site(path, 0, 0))
    files = {p: d for p, d in tree.files.items() if not f"{p}/".startswith(f"{path}/")}
    return support.MemoryTree(files, faults=[fault])


@pytest.mark.parametrize("path", ["environments/prod/two/web.yaml", "environments/prod/two"])
def test_the_other_groups_go_on_and_nothing_of_the_left_out_one_is_deleted(path):
    place = flow.world()
    flow.settled(PAIR, place)
    before = flow.live(place, "Deployment", "ml-two", "web-v1")
    scaled = PAIR.but({"environments/prod/one/web.yaml": "serving: {replicas: 4}\n"})
    report = flow.run(without(scaled, path), place)
    assert report.exit_code == 1
    assert flow.live(place, "Deployment", "ml-one", "web-v1")["spec"]["replicas"] == 4
    assert flow.live(place, "Deployment", "ml-two", "web-v1") == before
    assert "prod/two/web" not in flow.results(report)
    flow.settled(PAIR, place)


def test_a_link_that_no_app_reads_stops_nothing():
    place = flow.world()
    report = flow.run(without(PAIR, "models/web/notes"), place)
    assert set(flow.results(report)) >= {"prod/one/web", "prod/two/web"}
