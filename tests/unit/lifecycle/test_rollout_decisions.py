"""The rollout's decision as a pure function: a row is a state, the facts, and what follows."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.lifecycle import rollout
from reconciler.lifecycle.decision import RolloutVerdict
from reconciler.lifecycle.facts import Capacity, LiveBackend, RolloutFacts, RolloutState
from reconciler.unit import UnitId
from tests import flow, support

NOW = support.NOW
TREE = flow.pointing(flow.ROUTED, "v2", "  replicas: 4\n").but(
    {"models/web/versions/v3.yaml": support.record("v3")}
)


def app_of(tree):
    fleet = support.loaded(tree)
    assert not fleet.errors, fleet.errors
    return fleet.app(UnitId.parse("prod/one/web"))


APP = app_of(TREE)
DIGEST = APP.records["v2"].digest.value
FULL = {"v1": Capacity(4, 4), "v2": Capacity(4, 4)}


def at(minutes):
    return (NOW - timedelta(minutes=minutes)).isoformat(timespec="seconds")


def walking(stage, minutes=0, **more):
    return RolloutState(
        stable="v1",
        wanted="v2",
        wanted_digest=DIGEST,
        weights="10,50,100",
        stage=stage,
        started_at=at(minutes),
        entered_at=at(minutes),
        **more,
    )


def decide(state, facts, app=APP, now=NOW):
    return rollout.decide(app.id, app.spec.serving, app.records, state, facts, now)


def shares(decision):
    return {s.version.value: s.weight.value for s in decision.outcome.shares}


def facts(weights=None, capacity=None, **more):
    return RolloutFacts({**FULL, **(capacity or {})}, weights, **more)


# name → (state, facts, verdict, shares)
ROWS = {
    "nothing lives yet: the wanted version is stable": (
        None,
        facts(),
        "steady",
        {"v2": 100},
    ),
    "no state: the route's heaviest other version is stable": (
        None,
        facts({"v1": 60, "v3": 30, "v2": 10}, {"v3": Capacity(1, 1)}),
        "stepping",
        {"v1": 90, "v2": 10},
    ),
    "no state: a version without weight is not stable": (
        None,
        facts({"v1": 0, "v2": 100}),
        "steady",
        {"v2": 100},
    ),
    "not ready: no weight": (
        RolloutState(stable="v1"),
        facts({"v1": 100}, {"v2": Capacity(0, 4)}),
        "preparing",
        {"v1": 100, "v2": 0},
    ),
    "one of four carries 10 %": (
        RolloutState(stable="v1"),
        facts({"v1": 100}, {"v2": Capacity(1, 4)}),
        "stepping",
        {"v1": 90, "v2": 10},
    ),
    "one of four does not carry 50 %": (
        walking(0, 11),
        facts({"v1": 90, "v2": 10}, {"v2": Capacity(1, 4)}),
        "waiting",
        {"v1": 90, "v2": 10},
    ),
    "two of three do carry 50 %": (
        walking(0, 11),
        facts({"v1": 90, "v2": 10}, {"v2": Capacity(2, 3)}),
        "stepping",
        {"v1": 50, "v2": 50},
    ),
    "one of three does not carry 50 %": (
        walking(0, 11),
        facts({"v1": 90, "v2": 10}, {"v2": Capacity(1, 3)}),
        "waiting",
        {"v1": 90, "v2": 10},
    ),
    "three of four do not carry all": (
        walking(1, 11),
        facts({"v1": 50, "v2": 50}, {"v2": Capacity(3, 4)}),
        "waiting",
        {"v1": 50, "v2": 50},
    ),
    "no replica wanted carries nothing": (
        RolloutState(stable="v1"),
        facts({"v1": 100}, {"v2": Capacity(0, 0)}),
        "preparing",
        {"v1": 100, "v2": 0},
    ),
    "a pause is over at its last second": (
        walking(0, 10),
        facts({"v1": 90, "v2": 10}),
        "stepping",
        {"v1": 50, "v2": 50},
    ),
    "a pause is not over before": (
        walking(0, 9.9),
        facts({"v1": 90, "v2": 10}),
        "paused",
        {"v1": 90, "v2": 10},
    ),
    "a route that no controller has seen is no progress": (
        walking(0, 30),
        facts({"v1": 90, "v2": 10}, accepted=False),
        "waiting",
        {"v1": 90, "v2": 10},
    ),
    "the last step makes it stable": (
        walking(2, 0),
        facts({"v2": 100}),
        "steady",
        {"v2": 100},
    ),
    "the last step counts only when the route has it": (
        walking(2, 30),
        facts({"v1": 50, "v2": 50}),
        "stepping",
        {"v1": 0, "v2": 100},
    ),
    "a terminal failure before any traffic": (
        RolloutState(stable="v1"),
        facts({"v1": 100}, {"v2": Capacity(0, 4, "the model failed to load")}),
        "aborting",
        {"v1": 100},
    ),
    "a terminal failure on the way": (
        walking(1, 1),
        facts({"v1": 50, "v2": 50}, {"v2": Capacity(4, 4, "the model failed to load")}),
        "aborting",
        {"v1": 100},
    ),
    "not ready in time": (
        RolloutState(stable="v1", wanted="v2", wanted_digest=DIGEST, started_at=at(20)),
        facts({"v1": 100}, {"v2": Capacity(0, 4)}),
        "aborting",
        {"v1": 100},
    ),
    "a new digest starts its time anew": (
        RolloutState(stable="v1", wanted="v2", wanted_digest="another", started_at=at(90)),
        facts({"v1": 100}, {"v2": Capacity(0, 4)}),
        "preparing",
        {"v1": 100, "v2": 0},
    ),
    "a new digest on the way goes back to the first step": (
        replace(walking(1, 1), wanted_digest="another"),
        facts({"v1": 50, "v2": 50}),
        "stepping",
        {"v1": 90, "v2": 10},
    ),
    "held": (
        RolloutState(
            stable="v1", wanted="v2", wanted_digest=DIGEST, held_digest=DIGEST, held_why="x"
        ),
        facts({"v1": 100}),
        "held",
        {"v1": 100},
    ),
    "the hold of another digest does not count": (
        RolloutState(stable="v1", wanted="v2", wanted_digest="b", held_digest="b", held_why="x"),
        facts({"v1": 100}),
        "stepping",
        {"v1": 90, "v2": 10},
    ),
    "the route is unread": (
        walking(1, 90),
        facts(None, route_unread=True),
        "unknown",
        {"v1": 50, "v2": 50},
    ),
    "the backend is unread": (
        walking(0, 90),
        RolloutFacts({"v1": Capacity(4, 4)}, {"v1": 90, "v2": 10}),
        "unknown",
        {"v1": 90, "v2": 10},
    ),
    "unread at rest": (
        RolloutState(stable="v2"),
        facts(None, route_unread=True),
        "unknown",
        {"v2": 100},
    ),
    "unread before the first step": (
        RolloutState(stable="v1", wanted="v2", wanted_digest=DIGEST),
        facts(None, route_unread=True),
        "unknown",
        {"v1": 100, "v2": 0},
    ),
    "the stable version has no record any more": (
        RolloutState(stable="v0"),
        facts({"v1": 100}),
        "steady",
        {"v2": 100},
    ),
    "a garbled stage is none": (
        RolloutState.from_data({**walking(0, 5).to_data(), "stage": "two"}),
        facts({"v1": 90, "v2": 10}, {"v2": Capacity(0, 4)}),
        "preparing",
        {"v1": 100, "v2": 0},
    ),
    "a garbled time only makes the pause longer": (
        RolloutState.from_data({**walking(0).to_data(), "entered_at": "yesterday"}),
        facts({"v1": 90, "v2": 10}),
        "paused",
        {"v1": 90, "v2": 10},
    ),
    "so does one without a zone": (
        RolloutState.from_data({**walking(0).to_data(), "entered_at": "2020-01-01T00:00:00"}),
        facts({"v1": 90, "v2": 10}),
        "paused",
        {"v1": 90, "v2": 10},
    ),
    "unknown keys of a later version are left alone": (
        RolloutState.from_data(
            {**walking(0, 11).to_data(), "judged": "yes", "unit": "prod/one/web"}
        ),
        facts({"v1": 90, "v2": 10}),
        "stepping",
        {"v1": 50, "v2": 50},
    ),
    "without a splitting router the step is what is drawn": (
        walking(2, 0),
        facts(None, routed=False),
        "steady",
        {"v2": 100},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_decision_follows(name):
    state, seen, verdict, expected = ROWS[name]
    decision = decide(state, seen)
    assert (decision.verdict.value, shares(decision)) == (verdict, expected)
    assert decision.reasons
    assert decision == decide(state, seen)


def test_what_could_not_be_read_changes_no_state():
    decision = decide(None, facts(None, route_unread=True))
    assert decision.verdict is RolloutVerdict.UNKNOWN
    assert decision.state is None


def test_a_backend_that_the_route_still_names_is_not_deleted():
    live = tuple(LiveBackend(name, 80, 25, name) for name in ("v1", "v2", "v3"))
    seen = facts({"v2": 100}, backends=live, running=("v1", "v3", "v4"))
    decision = decide(RolloutState(stable="v2"), seen)
    assert set(decision.outcome.retained) == {"v1", "v3", "v4"}
    assert "the route still names it" in decision.outcome.retained["v1"].text
    assert "drains" in decision.outcome.retained["v4"].text


def test_git_taking_a_rollout_back_is_said():
    app = app_of(flow.pointing(TREE, "v1"))
    decision = decide(walking(1), facts({"v1": 50, "v2": 50}), app)
    assert decision.verdict is RolloutVerdict.ABORTING
    assert decision.reasons[0].text == "Git returned to the stable version"
    assert RolloutState.from_data(decision.state) == RolloutState(stable="v1")


def test_a_pause_counts_ready_time_only():
    """Whatever the pause had run before the version was not ready counts no more."""
    ten = facts({"v1": 90, "v2": 10})
    failing = decide(walking(0, 9), facts({"v1": 90, "v2": 10}, {"v2": Capacity(0, 4)}))
    assert failing.verdict is RolloutVerdict.WAITING
    assert shares(failing) == {"v1": 100, "v2": 0}
    state = RolloutState.from_data(failing.state)
    ready = decide(state, ten, now=NOW + timedelta(minutes=5))
    assert ready.verdict is RolloutVerdict.PAUSED
    assert ready.due == NOW + timedelta(minutes=15)


def test_a_version_that_is_not_ready_in_every_second_pass_does_not_advance_and_is_given_up():
    state = walking(0, 0)
    for minute in range(60):
        ready = Capacity(4, 4) if minute % 2 else Capacity(0, 4)
        live = {"v1": 90, "v2": 10} if minute % 2 == 0 else {"v1": 100}
        decision = decide(state, facts(live, {"v2": ready}), now=NOW + timedelta(minutes=minute))
        assert shares(decision).get("v2", 0) <= 10
        if decision.state is not None:
            state = RolloutState.from_data(decision.state)
        if state.held_why:
            break
    assert minute >= 20
    assert state.held_why.startswith("not ready for 20m")


def test_a_version_that_was_ready_for_the_length_of_the_deadline_is_forgiven():
    state = walking(0, 1, unready_since=at(30))
    assert decide(state, facts({"v1": 90, "v2": 10})).state is None
    types = (
        "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        "  rollout: {steps: [{weight: 10}, {pause: 2h}, {weight: 50}, {pause: 10m}],"
        " progressDeadline: 20m}\n"
    )
    app = app_of(TREE.but({"environments/types/vision.yaml": types}))
    late = replace(state, entered_at=at(21))
    assert "unready_since" not in decide(late, facts({"v1": 90, "v2": 10}), app).state


def test_one_failed_attempt_to_load_gets_the_deadline():
    trouble = Capacity(0, 4, trouble="the model failed to load: OOMKilled")
    begun = decide(RolloutState(stable="v1"), facts({"v1": 100}, {"v2": trouble}))
    assert begun.verdict is RolloutVerdict.PREPARING
    assert "OOMKilled" in begun.reasons[0].text
    late = RolloutState.from_data(begun.state)
    given_up = decide(late, facts({"v1": 100}, {"v2": trouble}), now=NOW + timedelta(minutes=20))
    assert given_up.verdict is RolloutVerdict.ABORTING
    assert "OOMKilled" in given_up.state["held_why"]


def test_a_return_to_the_version_before_takes_the_fast_path_while_it_runs():
    app = app_of(flow.pointing(TREE, "v1", "  replicas: 4\n"))
    digest = app.records["v1"].digest.value
    state = RolloutState(stable="v2", previous="v1", previous_digest=digest)
    fast = decide(state, facts({"v2": 100}), app)
    assert shares(fast) == {"v2": 0, "v1": 100}
    assert "still runs" in fast.reasons[0].text
    slow = decide(state, facts({"v2": 100}, {"v1": Capacity(1, 4)}), app)
    assert shares(slow) == {"v2": 90, "v1": 10}
    other = decide(replace(state, previous_digest="other"), facts({"v2": 100}), app)
    assert shares(other) == {"v2": 90, "v1": 10}


def test_two_pauses_in_a_row_add_up():
    types = (
        "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        "  rollout: {steps: [{weight: 10}, {pause: 10m}, {pause: 90s}]}\n"
    )
    app = app_of(TREE.but({"environments/types/vision.yaml": types}))
    decision = decide(walking(0, 11), facts({"v1": 90, "v2": 10}), app)
    # The steps differ from the recorded ones, so the pause begins now.
    assert decision.due == NOW + timedelta(minutes=11.5)


@pytest.mark.parametrize(
    ("before", "stage", "steps", "weight"),
    [
        ("10,50,100", 1, "{weight: 10}, {pause: 10m}", 10),
        ("10,50,100", 1, "{weight: 5}, {weight: 20}, {weight: 60}", 20),
        ("10,50,100", 1, "{weight: 60}, {pause: 10m}", 60),
        ("10,50,100", 0, "{weight: 20}, {weight: 40}", 20),
        ("10,50,100", 2, "{weight: 10}, {pause: 10m}", 100),
        ("10,100", 1, "{weight: 10}, {pause: 10m}, {weight: 50}, {pause: 5m}", 100),
        ("10,x", 1, "{weight: 10}, {pause: 10m}", 10),
        ("10", 5, "{weight: 10}, {pause: 10m}", 10),
    ],
)
def test_edited_steps_never_raise_a_weight_beyond_the_one_reached(before, stage, steps, weight):
    """Below the first new step there is nothing to fall back to: it begins again there."""
    types = (
        "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        f"  rollout: {{steps: [{steps}]}}\n"
    )
    app = app_of(TREE.but({"environments/types/vision.yaml": types}))
    known = [int(text) for text in before.split(",") if text.isdigit()]
    reached = known[stage] if stage < len(known) else 10
    live = {"v1": 100 - reached, "v2": reached}
    state = RolloutState.from_data(
        {**walking(0, 99).to_data(), "weights": before, "stage": str(stage)}
    )
    assert shares(decide(state, facts(live), app))["v2"] == weight


def test_a_static_split_forgets_what_was_stable():
    app = app_of(
        flow.ROUTED.but(
            {
                **flow.vision(
                    "  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
                ),
                "environments/prod/web.yaml": "serving:\n  traffic: {v1: 30, v2: 70}\n",
            }
        )
    )
    decision = decide(RolloutState(stable="v1", wanted="v2"), facts({"v1": 30, "v2": 70}), app)
    assert shares(decision) == {"v1": 30, "v2": 70}
    assert RolloutState.from_data(decision.state) == RolloutState()
    assert decide(RolloutState(), facts({"v1": 30, "v2": 70}), app).state is None


STATES = st.builds(
    RolloutState,
    stable=st.sampled_from(["", "v1", "v2", "v3", "v0"]),
    wanted=st.sampled_from(["", "v2", "v3"]),
    wanted_digest=st.sampled_from(["", DIGEST]),
    weights=st.sampled_from(["", "10,50,100", "10,100", "5,x"]),
    stage=st.integers(-2, 4),
    started_at=st.sampled_from(["", at(0), at(5), at(60), "x"]),
    entered_at=st.sampled_from(["", at(0), at(10), at(60), at(-60)]),
    unready_since=st.sampled_from(["", at(5), at(60)]),
    held_digest=st.sampled_from(["", DIGEST, "b"]),
)
CAPACITIES = st.builds(
    Capacity, st.integers(0, 4), st.integers(0, 4), st.sampled_from(["", "", "", "failed"])
)
FACTS = st.builds(
    RolloutFacts,
    st.dictionaries(st.sampled_from(["v1", "v2", "v3"]), CAPACITIES),
    st.one_of(
        st.none(), st.dictionaries(st.sampled_from(["v1", "v2", "v3", "x"]), st.integers(0, 100))
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(st.one_of(st.none(), STATES), FACTS)
def test_whatever_was_stored_and_seen_the_weights_add_up_and_nothing_outgrows_its_capacity(
    state, seen
):
    decision = decide(state, seen)
    found = shares(decision)
    assert sum(found.values()) == 100
    assert all(0 <= weight <= 100 for weight in found.values())
    if decision.verdict is RolloutVerdict.STEPPING and len(found) == 2:
        assert seen.capacity["v2"].carries(found["v2"])
    if decision.state is not None:
        again = RolloutState.from_data(decision.state)
        assert again.to_data() == dict(decision.state)


def test_a_route_that_nobody_accepts_is_told_with_a_deadline_and_the_reason():
    seen = facts(
        {"v1": 90, "v2": 10},
        accepted=False,
        route_text="no controller writes the status of this route",
    )
    early = decide(walking(0, 11), seen)
    assert early.reasons[0].text == (
        "the route is not accepted yet: no controller writes the status of this route"
    )
    assert early.due == NOW + timedelta(minutes=9)
    late = decide(walking(0, 20), seen)
    assert "was not accepted within 20m" in late.reasons[0].text
    assert shares(late) == {"v1": 90, "v2": 10}
