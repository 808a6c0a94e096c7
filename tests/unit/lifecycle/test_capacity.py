"""The capacity rule and the drain rule as pure functions."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lifecycle.capacity import limit, to_percent
from reconciler.lifecycle.decision import Decision, RolloutVerdict, Share, Weights
from reconciler.lifecycle.drain import DRAIN, drain, format_times, read_times
from reconciler.lifecycle.facts import Capacity, LiveBackend, RolloutFacts
from reconciler.lifecycle.traffic import bound, retain
from reconciler.origin import built_in
from reconciler.unit import UnitId
from tests import support

NOW = support.NOW
UP, HALF, DOWN = Capacity(4, 4), Capacity(2, 4), Capacity(0, 4)

# name → (wanted, live, ready, stable, weights)
ROWS = {
    "all ready: as wanted": ({"a": 30, "b": 70}, {"a": 100}, {"a": UP, "b": UP}, "", None),
    "one is not: the live split": (
        {"a": 30, "b": 70},
        {"a": 100},
        {"a": UP, "b": DOWN},
        "",
        {"a": 100},
    ),
    "unknown is not ready": ({"b": 100}, {"a": 100}, {"a": UP}, "", {"a": 100}),
    "unknown loses nothing": ({"a": 50, "b": 50}, {"a": 50, "b": 50}, {"a": UP}, "", None),
    "half of it carries half": ({"a": 50, "b": 50}, {"a": 100}, {"a": UP, "b": HALF}, "", None),
    "a dead one gives all": (
        {"a": 90, "b": 10},
        {"a": 90, "b": 10},
        {"a": UP, "b": DOWN},
        "a",
        {"a": 100},
    ),
    "a half dead one keeps its ready share": (
        {"a": 30, "b": 70},
        {"a": 30, "b": 70},
        {"a": UP, "b": HALF},
        "",
        {"a": 50, "b": 50},
    ),
    "a half dead stable one makes no candidate rise above its step": (
        {"a": 90, "b": 10},
        {"a": 90, "b": 10},
        {"a": HALF, "b": UP},
        "a",
        None,
    ),
    "a dead stable one does": (
        {"a": 90, "b": 10},
        {"a": 90, "b": 10},
        {"a": DOWN, "b": UP},
        "a",
        {"b": 100},
    ),
    "the others take a dead one's share beyond their capacity": (
        {"a": 50, "b": 50},
        {"a": 50, "b": 50},
        {"a": HALF, "b": DOWN},
        "",
        {"a": 100},
    ),
    "a retreat needs one ready replica": (
        {"a": 100},
        {"a": 50, "b": 50},
        {"a": Capacity(1, 4), "b": UP},
        "a",
        None,
    ),
    "a retreat to nothing is none": (
        {"a": 100},
        {"a": 50, "b": 50},
        {"a": DOWN, "b": UP},
        "a",
        {"b": 100},
    ),
    "nothing is ready: nothing changes": (
        {"c": 100},
        {"a": 50, "b": 50},
        {"a": DOWN, "b": DOWN, "c": DOWN},
        "",
        {"a": 50, "b": 50},
    ),
    "no route and nothing ready: as wanted, and awaited": (
        {"a": 30, "b": 70},
        {},
        {"a": DOWN, "b": DOWN},
        "",
        None,
    ),
    "no route: only what is ready": (
        {"a": 30, "b": 50, "c": 20},
        {},
        {"a": UP, "b": UP, "c": DOWN},
        "",
        {"a": 40, "b": 60},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_weights_that_may_be_drawn(name):
    wanted, live, ready, stable, expected = ROWS[name]
    found = limit(wanted, live, ready, stable)
    drawn = {name: weight for name, weight in found.weights.items() if weight}
    assert sum(drawn.values()) == 100
    if name == "no route: only what is ready":
        assert expected is not None
        assert set(drawn) == set(expected)
    else:
        assert drawn == (wanted if expected is None else expected)


def test_what_is_waited_for_is_named():
    assert limit({"a": 100}, {}, {"a": DOWN}).awaited == ("a",)
    assert limit({"b": 100}, {"a": 100}, {"a": UP, "b": DOWN}).awaited == ("b",)
    assert limit({"a": 90, "b": 10}, {"a": 90, "b": 10}, {"a": UP, "b": DOWN}).shed == ("b",)


NAMES = ["a", "b", "c", "d"]
CAPACITIES = st.builds(Capacity, st.integers(0, 4), st.integers(0, 4))
SPLITS = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), max_size=4).map(to_percent)


@given(
    SPLITS.filter(bool),
    SPLITS,
    st.dictionaries(st.sampled_from(NAMES), CAPACITIES),
    st.sampled_from(["", *NAMES]),
)
def test_the_share_of_ready_backends_never_falls(wanted, live, ready, stable):
    found = limit(wanted, live, ready, stable).weights
    assert sum(found.values()) == 100
    assert all(weight >= 0 for weight in found.values())

    def served(split):
        return sum(w for n, w in split.items() if n not in ready or ready[n].ready > 0)

    assert served(found) >= served(live)
    for name, weight in found.items():
        grows = weight > live.get(name, 0)
        others_up = any(w and n in ready and ready[n].ready > 0 for n, w in wanted.items())
        if grows and (live or others_up):
            assert name in ready
            assert ready[name].ready > 0


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(-3, 1000)))
def test_percent_add_up_to_a_hundred(amounts):
    found = to_percent(amounts)
    assert sum(found.values()) in (0, 100)
    assert bool(found) is any(amount > 0 for amount in amounts.values())


# -- draining --------------------------------------------------------------------------------------


def test_a_backend_drains_from_when_the_accepted_route_was_first_seen_without_it():
    assert "still names it" in drain(["a"], ["a"], True, {}, NOW).retained["a"]
    assert "not accepted" in drain(["a"], [], False, {}, NOW).retained["a"]
    first = drain(["a"], [], True, {}, NOW)
    assert (dict(first.left), first.due) == ({"a": NOW}, NOW + DRAIN)
    assert "a" in first.retained
    later = drain(["a"], [], True, first.left, NOW + DRAIN - timedelta(seconds=1))
    assert dict(later.left) == dict(first.left)
    done = drain(["a"], [], True, first.left, NOW + DRAIN)
    assert not done.retained
    assert not done.left


def test_a_time_in_the_future_or_a_garbled_one_makes_the_wait_begin_anew():
    ahead = drain(["a"], [], True, {"a": NOW + timedelta(days=9)}, NOW)
    assert dict(ahead.left) == {"a": NOW}
    assert read_times("a=yesterday b c=2020-01-01T00:00:00 " + format_times({"d": NOW})) == {
        "d": NOW
    }


# -- on decisions ----------------------------------------------------------------------------------


def decision_of(**weights):
    shares = tuple(Share(built_in(name), built_in(weight)) for name, weight in weights.items())
    return Decision(UnitId("p", "g", "m"), RolloutVerdict.STEADY, Weights(shares))


def test_what_is_kept_of_the_same_version_counts_in_its_share():
    facts = RolloutFacts(
        {"v1": DOWN},
        {"v1": 100},
        services={"v1": "new"},
        backends=(LiveBackend("old", 80, 100, "v1"),),
        ready={"old": UP},
        running=("new", "old"),
    )
    found = bound(decision_of(v1=100), facts, pointed=True)
    assert found.verdict is RolloutVerdict.WAITING
    assert [s.weight.value for s in found.outcome.shares] == [100]
    assert found.outcome.of_current(found.outcome.shares[0]).value == 0
    assert [(k.service.value, k.weight.value) for k in found.outcome.kept] == [("old", 100)]
    kept = retain(found, facts, None, NOW)
    assert set(kept.outcome.retained) == {"old"}
    assert kept.state is None


def test_a_route_that_was_not_read_is_left_to_the_decision():
    decision = decision_of(v1=100)
    unread = RolloutFacts({}, None, route_unread=True)
    assert bound(decision, unread, pointed=True) is decision
    assert retain(decision, unread, None, NOW) is decision
