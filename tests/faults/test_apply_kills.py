"""Killed ahead of any effect, a later run comes to the same end as one that was left
alone: same objects, nothing orphaned, nothing made or deleted a second time."""

import pytest

from tests import flow
from tests.scenarios import catalogue

#: name → (before, after)
SCENARIOS = {
    name: (catalogue.SCENARIOS[name].before, catalogue.SCENARIOS[name].after)
    for name in (
        "a first apply in a new namespace",
        "an update",
        "a prune of some objects",
        "an app removed",
        "an app removed with its record",
    )
}


def started(name):
    before, after = SCENARIOS[name]
    place = flow.world()
    if before is not None:
        flow.settled(before, place)
    return place, after, flow.Ledger(place)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_ahead_of_any_effect_changes_nothing_of_the_end(name):
    clean, after, ledger = started(name)
    flow.settled(after, clean)
    number = 0
    while True:
        place, after, counts = started(name)
        try:
            flow.run(after, place, before=flow.after_effect(number))
            break
        except flow.Killed:
            assert flow.orphans(place) == set(), number
        flow.settled(after, place)
        assert flow.ends(place) == flow.ends(clean), number
        assert counts.counts == ledger.counts, number
        number += 1
    assert number >= 4


def test_a_kill_ahead_of_any_effect_of_a_whole_rollout_changes_nothing_of_its_end():
    wanted = flow.pointing(flow.ROUTED, "v2")
    clean = flow.world()
    flow.settled(flow.ROUTED, clean)
    ledger = flow.Ledger(clean)
    flow.walk(wanted, clean)
    number = 0
    while True:
        place = flow.world()
        flow.settled(flow.ROUTED, place)
        counts = flow.Ledger(place)
        seen = []
        if not _killed_on_the_way(wanted, place, number, seen):
            break
        assert flow.ends(place) == flow.ends(clean), number
        assert counts.counts == ledger.counts, number
        assert [s for s in seen if s != {"web-v1": 100}] == [
            {"web-v1": 90, "web-v2": 10},
            {"web-v1": 50, "web-v2": 50},
            {"web-v2": 100},
        ], number
        number += 1
    assert number > 20


def _killed_on_the_way(tree, place, number, seen):
    """A rollout with one kill ahead of its n-th effect; whether there was one. Splits are kept."""
    before = flow.after_effect(number)
    killed = False
    for _ in range(40):
        try:
            report = flow.run(tree, place, before=before)
        except flow.Killed:
            killed, before = True, None
            assert flow.orphans(place) == set(), number
            continue
        split = flow.split(place, "ml-one", "web")
        if not seen or seen[-1] != split:
            seen.append(split)
        nothing = all(r.status == "nothing" for r in flow.results(report).values())
        if nothing and split == {"web-v2": 100}:
            return killed
        flow.minutes(place, 5)
    raise AssertionError((number, seen))


def test_a_kill_ahead_of_any_effect_of_an_abort_ends_with_all_traffic_on_stable():
    from datetime import timedelta

    from reconciler.simulation.controller import SimulationSettings

    wanted = flow.pointing(flow.ROUTED, "v2")

    def ready():
        place = flow.world(settings=SimulationSettings(failing=frozenset({"v2"})))
        flow.settled(flow.ROUTED, place)
        flow.run(wanted, place, timeout=10)
        place.run_for(timedelta(minutes=25))
        return place

    clean = ready()
    flow.walk(wanted, clean, timeout=10)
    number = 0
    while True:
        place = ready()
        try:
            flow.run(wanted, place, before=flow.after_effect(number), timeout=10)
            break
        except flow.Killed:
            flow.walk(wanted, place, timeout=10)
        assert flow.split(place, "ml-one", "web") == {"web-v1": 100}
        assert _without_held(flow.ends(place)) == _without_held(flow.ends(clean))
        number += 1
    assert number >= 3


def _without_held(ends):
    state = ends["ConfigMap ml-reconciler/prod.one.web.rollout"]["data"]
    assert state.pop("held_why").startswith("not ready within 20m")
    assert state.pop("held_since")
    return ends
