"""A run whose permit ends stops before the next write, and the next run goes on from there."""

import pytest

from reconciler.engine import apply_plan
from tests import flow, support

GOING = "the lease ran out"


def _carried_out(tree, place, permit):
    reviewed = support.reviewed(tree, place.cluster)
    settings = apply_plan.ApplySettings(timeout=30.0, permit=permit)
    return support.Ran(
        apply_plan.reconcile(reviewed, place.cluster, place.clock, support.Silent(), settings)
    )


@pytest.mark.parametrize("allowed", [0, 1, 2, 5])
def test_no_write_begins_after_the_permit_is_gone(allowed):
    place = flow.world()
    asked = []

    def permit(unit):
        asked.append(unit)
        return GOING if len(asked) > allowed else ""

    report = _carried_out(support.small(), place, permit)
    assert report.exit_code == 6
    assert GOING in {why for _, _, why in flow.problems(report)}
    assert len(flow.writes(place)) <= allowed + 2  # the first makes the tool's namespace on the way
    stopped = len(flow.writes(place))
    flow.settled(support.small(), place, runs=5)
    assert len(flow.writes(place)) > stopped
    assert flow.orphans(place) == set()
    place.close()
