"""A second run of the same revision: reads only, about one a kind, and says that there is nothing."""

import json
from datetime import timedelta

import pytest

from reconciler.engine.views.reviews import plan_report
from reconciler.output.format import Options
from reconciler.output.formats import json as json_format
from reconciler.output.formats import text as text_format
from tests import flow, support


@pytest.fixture(scope="module")
def sample_world():
    place = flow.world()
    tree = support.sample()
    report = flow.run(tree, place)
    assert report.exit_code == 0, flow.problems(report)
    yield place
    place.close()


def test_the_second_run_of_the_sample_only_lists(sample_world):
    log = flow.quiet(support.sample(), sample_world)
    kinds = {key.group_kind for key in flow.ours(sample_world)}
    assert len([1 for verb, _ in log if verb == "list"]) == len(kinds) + 1
    assert [entry for entry in log if entry[0] != "list"] == [
        ("discover", ""),
        ("get", "Namespace kube-system"),
    ]


def test_so_does_one_after_controllers_wrote_status_defaults_and_runs(sample_world):
    for _ in range(3):
        sample_world.run_for(timedelta(days=1))
        log = flow.quiet(support.sample(), sample_world)
        assert [entry for entry in log if entry[0] not in ("discover", "list", "get")] == []
        assert len(log) <= 16
    assert sample_world.refusals == []


def test_text_and_json_say_that_there_is_nothing_to_do(sample_world):
    report = flow.run(support.sample(), sample_world)
    assert report.exit_code == 0
    shown = text_format.FORMAT.render(report.report, Options())
    assert "nothing to do" in shown
    assert "wave" not in shown
    found = json.loads(json_format.FORMAT.render(report.report, Options()))
    results = [app["result"] for app in _apps(found)]
    assert len(results) == len(flow.results(report))
    assert all((r["status"], r["done"], r["problems"]) == ("nothing", [], []) for r in results)


def _apps(found):
    """The apps of a report, wherever the format puts them."""
    if isinstance(found, dict):
        if "result" in found and "app" in found:
            yield found
        for child in found.values():
            yield from _apps(child)
    elif isinstance(found, list):
        for child in found:
            yield from _apps(child)


def test_a_plan_of_it_has_no_difference(sample_world):

    seen = support.reviewed(support.sample(), sample_world.cluster, sample_world.clock.now())
    report = plan_report(seen, exit_code=True)
    assert report.exit_code == 0
    assert report.closing == ("No difference.",)


def test_an_offline_comparison_of_a_revision_with_itself_has_no_difference():
    from reconciler.engine import review

    tree = support.sample()
    seen = review.review(tree, support.select(), support.NOW, base=tree)
    report = plan_report(seen, exit_code=True)
    assert (report.exit_code, report.closing) == (0, ("No difference.",))
