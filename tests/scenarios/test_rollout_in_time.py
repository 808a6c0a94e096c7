"""Whole rollouts in simulated time: steps and pauses, aborts and holds, hands in the route."""

import itertools
from datetime import timedelta

import pytest

from reconciler.plan import inventory
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support

V1, V2, V3 = "v1", "v2", "v3"
STABLE = flow.ROUTED.but({"models/web/versions/v3.yaml": support.record("v3")})
WANTED = flow.pointing(STABLE, "v2")
STEPS = [
    {"web-v1": 100},
    {"web-v1": 90, "web-v2": 10},
    {"web-v1": 50, "web-v2": 50},
    {"web-v2": 100},
]
ROUTE = flow.key("HTTPRoute", "ml-one", "web")


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(STABLE, made)
    return made


def state(place, unit="prod/one/web"):
    body = place.cluster.server.get(inventory.state_key(UnitId.parse(unit)))
    return body["data"] if body is not None else {}


def split(place):
    return flow.split(place, "ml-one", "web")


def at_step(place, number, tree=WANTED):
    """Runs until the route has the split of that step."""
    for _ in range(20):
        flow.run(tree, place)
        if split(place) == STEPS[number]:
            return
        flow.minutes(place, 1)
    raise AssertionError(split(place))


def set_weights(place, weights):
    def change(body):
        rule = body["spec"]["rules"][0]
        rule["backendRefs"] = [
            {**rule["backendRefs"][0], "name": name, **({} if w is None else {"weight": w})}
            for name, w in weights.items()
        ]
        for ref, weight in zip(rule["backendRefs"], weights.values(), strict=True):
            if weight is None:
                ref.pop("weight", None)

    place.cluster.edit(ROUTE, change)


def test_it_goes_by_its_steps_keeps_its_pauses_and_writes_nothing_in_between(place):
    seen = flow.walk(WANTED, place, every=1, runs=60)
    assert [found for _, found in seen] == STEPS
    times = [minute for minute, _ in seen]
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(times[1:]))
    assert times[-1] < 30
    assert state(place) == {
        "schemaVersion": "1",
        "unit": "prod/one/web",
        "stable": "v2",
        "stage": "-1",
    }


def test_during_a_pause_nothing_is_written(place):
    at_step(place, 1)
    for _ in range(8):
        flow.minutes(place, 1)
        flow.quiet(WANTED, place)


def test_capacity_and_backend_come_before_weight(place):
    """At no request does the route name a version without a ready replica for its share."""
    tree = flow.pointing(WANTED, "v2", "  replicas: 4\n")

    def before(verb, target):
        for name, weight in (split(place) or {}).items():
            found = flow.live(place, "Deployment", "ml-one", name)
            assert found is not None, name
            ready = (found.get("status") or {}).get("readyReplicas", 0)
            wanted = found["spec"]["replicas"]
            assert name != "web-v2" or ready >= max(1, wanted * weight / 100), (name, weight)

    place.cluster.before = before
    assert [found for _, found in flow.walk(tree, place)] == STEPS


def test_the_old_version_drains_a_while_after_the_accepted_route_left_it_and_then_goes(place):
    at_step(place, 2)
    flow.minutes(place, 11)
    for _ in range(3):
        flow.run(WANTED, place)
        assert split(place) == STEPS[3]
        assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    assert "web-v1=" in state(place)["left"]
    place.run_for(timedelta(seconds=29))
    flow.run(WANTED, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    place.run_for(timedelta(seconds=1))
    flow.run(WANTED, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is None
    assert flow.live(place, "Service", "ml-one", "web-v1") is None


def test_the_state_is_written_before_the_route_and_by_compare_and_swap(place):
    flow.run(WANTED, place)
    flow.minutes(place, 1)
    start = len(place.cluster.log)
    flow.run(WANTED, place)
    targets = [target for _, target in flow.writes(place, start)]
    swap = "ConfigMap ml-reconciler/prod.one.web.rollout"
    assert targets.index(swap) < targets.index(ROUTE.full())
    assert ("replace", swap) in place.cluster.log[start:]


# -- failing ---------------------------------------------------------------------------------------


@pytest.fixture
def failing():
    made = flow.world(settings=SimulationSettings(failing=frozenset({"v2"})))
    flow.settled(STABLE, made)
    return made


def given_up(place, tree=WANTED):
    seen = flow.walk(tree, place, timeout=10)
    assert [found for _, found in seen] == [STEPS[0]]
    assert state(place)["held_why"].startswith("not ready within 20m")
    return seen


def test_a_version_that_never_gets_ready_is_given_up_and_its_objects_go(failing):
    given_up(failing)
    assert flow.live(failing, "Deployment", "ml-one", "web-v2") is None


def test_twenty_more_runs_do_not_try_again_nor_does_an_unrelated_change(failing):
    given_up(failing)
    for _ in range(20):
        flow.minutes(failing, 30)
        flow.quiet(WANTED, failing, timeout=10)
    other = flow.pointing(WANTED, "v2", "  replicas: 2\n")
    flow.walk(other, failing, timeout=10)
    assert flow.live(failing, "Deployment", "ml-one", "web-v2") is None
    decision = next(
        a.decision
        for a in flow.plan_of(other, failing).apps
        if a.unit == UnitId.parse("prod/one/web")
    )
    assert decision.verdict == "held"
    assert decision.reasons[0].text.startswith("v2 is held since 2026-11-23 ")
    assert decision.reasons[0].text.endswith("UTC: not ready within 20m")


def test_a_new_digest_of_the_record_tries_again(failing):
    given_up(failing)
    record = support.record("v2").replace("digest: sha256:", "digest: sha256:0")
    mended = WANTED.but({"models/web/versions/v2.yaml": _cut(record)})
    failing.client.settings = SimulationSettings()
    assert [found for _, found in flow.walk(mended, failing)] == STEPS


def _cut(record):
    """The digest keeps its length."""
    lines = record.splitlines()
    lines[1] = lines[1][: len("digest: sha256:") + 64]
    return "\n".join(lines) + "\n"


def test_another_pointer_tries_again_and_so_does_the_first_after_it(failing):
    given_up(failing)
    v3 = flow.pointing(STABLE, "v3")
    assert [found for _, found in flow.walk(v3, failing)][-1] == {"web-v3": 100}
    failing.client.settings = SimulationSettings()
    assert [found for _, found in flow.walk(WANTED, failing)][-1] == {"web-v2": 100}


def crash(place, name):
    """The pods of a version die and do not come back."""
    place.client.settings = SimulationSettings(
        failing=place.client.settings.failing | {name.split("-")[1]}
    )
    key = flow.key("Deployment", "ml-one", name)
    status = {**place.cluster.status(key), "readyReplicas": 0, "availableReplicas": 0}
    place.cluster.server.patch_status(key, status, "kube-controller-manager")


@pytest.mark.parametrize("step", [1, 2])
def test_a_version_that_fails_on_the_way_loses_its_weight_at_once_and_is_given_up(place, step):
    at_step(place, step)
    crash(place, "web-v2")
    begun = place.clock.now()
    seen = [found for _, found in flow.walk(WANTED, place, timeout=10)]
    assert seen == [STEPS[0]]
    assert state(place)["held_why"].startswith("not ready for 20m")
    assert place.clock.now() - begun >= timedelta(minutes=20)
    assert flow.live(place, "Deployment", "ml-one", "web-v2") is None


def test_a_version_that_recovers_in_time_goes_on(place):
    at_step(place, 1)
    crash(place, "web-v2")
    flow.minutes(place, 5)
    flow.run(WANTED, place, timeout=10)
    assert state(place)["unready_since"]
    place.client.settings = SimulationSettings()
    wake = flow.key("Deployment", "ml-one", "web-v2")
    place.cluster.edit(
        wake, lambda body: body["metadata"].setdefault("annotations", {}).update(a="b")
    )
    assert split(place) == STEPS[0]
    assert [found for _, found in flow.walk(WANTED, place)] == STEPS
    assert "unready_since" not in state(place)


def test_capacity_that_never_suffices_for_the_next_step_is_given_up(place):
    tree = flow.pointing(STABLE, "v2", "  replicas: 4\n")
    flow.settled(flow.pointing(STABLE, "v1", "  replicas: 4\n"), place)
    at_step(place, 1, tree)
    key = flow.key("Deployment", "ml-one", "web-v2")
    place.client.settings = SimulationSettings(failing=frozenset({"v2"}))
    status = {**place.cluster.status(key), "readyReplicas": 1, "availableReplicas": 1}
    place.cluster.server.patch_status(key, status, "kube-controller-manager")
    seen = [found for _, found in flow.walk(tree, place, timeout=10)]
    assert seen == [STEPS[1], STEPS[0]]
    assert state(place)["held_why"].startswith("not ready for 50 % within 20m")


def test_traffic_leaves_a_broken_version_before_anything_else_is_waited_for(place):
    """The retreat goes first even where the same run has workloads to change that hang."""
    at_step(place, 1)
    crash(place, "web-v2")
    flow.run(WANTED, place, timeout=10)
    flow.minutes(place, 25)
    place.client.settings = SimulationSettings(failing=frozenset({"v1", "v2"}))
    changed = flow.pointing(WANTED, "v2", "  env: [{name: A, value: b}]\n")
    flow.run(changed, place, timeout=10)
    assert split(place) == STEPS[0]


# -- Git changes its mind --------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2])
def test_git_returning_to_stable_aborts_at_once(place, step):
    at_step(place, step)
    flow.run(STABLE, place)
    assert split(place) == STEPS[0]
    flow.settled(STABLE, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v2") is None
    assert "held_digest" not in state(place)


@pytest.mark.parametrize("step", [1, 2])
def test_a_newer_version_on_the_way_starts_again_from_stable(place, step):
    at_step(place, step)
    newest = flow.pointing(STABLE, "v3")
    seen = [found for _, found in flow.walk(newest, place)]
    assert seen == [
        {"web-v1": 100},
        {"web-v1": 90, "web-v3": 10},
        {"web-v1": 50, "web-v3": 50},
        {"web-v3": 100},
    ]
    assert flow.live(place, "Deployment", "ml-one", "web-v2") is None


def test_a_return_before_the_new_version_exists_writes_nothing_of_it(place):
    flow.quiet(STABLE, place)
    start = len(place.cluster.log)
    flow.plan_of(WANTED, place)
    flow.run(STABLE, place)
    assert flow.writes(place, start) == []


def _steps(text, pointer="v2"):
    types = (
        "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        f"  rollout:\n    steps: [{text}]\n    progressDeadline: 20m\n"
    )
    return flow.pointing(STABLE, pointer).but({"environments/types/vision.yaml": types})


def test_fewer_steps_on_the_way_do_not_make_it_jump(place):
    """At 50 % of [10, 50], Git's steps become [10]: that is stage two of two, not 100 %."""
    at_step(place, 2)
    fewer = _steps("{weight: 10}, {pause: 10m}")
    flow.run(fewer, place)
    assert split(place) == STEPS[1]
    flow.minutes(place, 5)
    flow.quiet(fewer, place)
    flow.minutes(place, 6)
    flow.run(fewer, place)
    assert split(place) == STEPS[3]


def test_steps_above_the_weight_reached_bring_it_back_to_the_first(place):
    at_step(place, 1)
    higher = _steps("{weight: 30}, {pause: 10m}")
    seen = [found for _, found in flow.walk(higher, place)]
    assert seen == [{"web-v1": 70, "web-v2": 30}, {"web-v2": 100}]


def test_a_longer_pause_holds_at_once(place):
    at_step(place, 1)
    longer = _steps("{weight: 10}, {pause: 40m}, {weight: 50}, {pause: 10m}")
    flow.minutes(place, 30)
    flow.run(longer, place)
    assert split(place) == STEPS[1]
    flow.minutes(place, 11)
    flow.run(longer, place)
    assert split(place) == STEPS[2]


def test_a_pointer_after_a_static_split_starts_from_what_serves(place):
    static = STABLE.but({"environments/prod/web.yaml": "serving:\n  traffic: {v2: 100}\n"})
    static = static.but(
        {"environments/types/vision.yaml": _steps("").files["environments/types/vision.yaml"]}
    )
    static = static.but(
        flow.vision("  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n")
    )
    flow.settled(static, place)
    assert split(place) == {"web-v2": 100}
    seen = [found for _, found in flow.walk(flow.pointing(STABLE, "v3"), place)]
    assert {"web-v1": 100} not in seen
    assert seen[0] == {"web-v2": 100}
    assert seen[1] == {"web-v2": 90, "web-v3": 10}


# -- hands in the route and the state --------------------------------------------------------------


@pytest.mark.parametrize(
    "weights",
    [
        {"web-v1": 0, "web-v2": 100},
        {"web-v2": 100},
        {"web-v1": 100},
        {"web-v1": 100, "web-v2": 0},
        {"web-v1": 45, "web-v2": 45},
        {"web-v1": 0, "web-v2": 101},
        {"web-v1": 81, "web-v2": 9},
        {"web-v1": None, "web-v2": None},
        {"someone-else": 100},
        {"web-v1": 0, "web-v2": 0},
    ],
    ids=str,
)
def test_a_weight_set_by_hand_is_put_back_and_is_no_progress(place, weights):
    at_step(place, 1)
    for _ in range(3):
        flow.minutes(place, 9)
        set_weights(place, weights)
        flow.run(WANTED, place)
        assert split(place) == STEPS[1]
    # Where the share was another one, its pause begins anew: eleven minutes after the first step
    # it is not over. An equal share by other numbers has been kept all the time.
    if weights == {"web-v1": 81, "web-v2": 9}:
        return
    flow.minutes(place, 9)
    flow.run(WANTED, place)
    assert split(place) == STEPS[1]


def test_a_route_deleted_by_hand_comes_back_at_the_recorded_step(place):
    at_step(place, 1)
    place.cluster.server.delete(ROUTE)
    flow.run(WANTED, place)
    assert split(place) == STEPS[1]


@pytest.mark.parametrize("step", [1, 2])
def test_a_lost_state_is_derived_from_the_live_route(place, step):
    at_step(place, step)
    place.cluster.server.delete(inventory.state_key(UnitId.parse("prod/one/web")))
    flow.run(WANTED, place)
    assert state(place)["stable"] == "v1"
    assert split(place) == STEPS[1]
    assert [found for _, found in flow.walk(WANTED, place)][-1] == STEPS[3]


def test_a_state_lost_at_the_end_is_not_begun_again(place):
    flow.walk(WANTED, place)
    place.cluster.server.delete(inventory.state_key(UnitId.parse("prod/one/web")))
    flow.run(WANTED, place)
    assert split(place) == STEPS[3]
    assert state(place)["stable"] == "v2"


@pytest.mark.parametrize("stage", ["99", "-7", "two", "2", ""])
def test_a_tampered_stage_never_moves_weight_up(place, stage):
    at_step(place, 1)
    place.cluster.edit(
        inventory.state_key(UnitId.parse("prod/one/web")),
        lambda body: body["data"].update(stage=stage, weights=""),
    )
    flow.run(WANTED, place)
    if stage == "2":
        return  # a whole and consistent record of another step cannot be told from a true one
    assert split(place)["web-v1"] >= 90


def test_an_unreadable_route_or_backend_moves_nothing(place):
    from reconciler.simulation.cluster import RequestLost

    at_step(place, 1)
    flow.minutes(place, 11)
    for kind in ("HTTPRoute", "Deployment"):

        def before(verb, target, kind=kind):
            if verb == "list" and target.startswith(kind):
                raise RequestLost(done=False)

        place.cluster.before = before
        start = len(place.cluster.log)
        report = flow.run(WANTED, place)
        assert report.exit_code == 6
        assert flow.writes(place, start) == []
    place.cluster.before = None
    flow.run(WANTED, place)
    assert split(place) == STEPS[2]


@pytest.mark.parametrize("skew", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_skewed_clock_of_one_run_never_shortens_a_pause(place, skew):
    """The time of entering is stored: one that lies ahead makes the pause longer, and only a run
    whose own clock is ahead can end it early."""
    at_step(place, 1)
    entered = state(place)["entered_at"]
    now = place.clock.now()
    if skew < timedelta(0):
        support.applied(WANTED, place.cluster, now + skew, timeout=600)
        assert split(place) == STEPS[1]
        assert state(place)["entered_at"] == entered


# -- the sample --------------------------------------------------------------------------------------


def test_the_samples_own_rollout_serves_two_zones_without_touching_each_other():
    sample = support.sample()
    first = sample.but({"environments/prod/mnist.yaml": b'serving:\n  version: "v1"\n'})
    place = flow.world()
    chosen = {"environments": ["prod"], "models": ["mnist"]}
    foundations = {"environments": ["prod"]}
    flow.settled(first, place, **foundations)
    seen = []
    for _ in range(30):
        flow.run(sample, place, **chosen)
        both = tuple(flow.split(place, f"ml-hz-{zone}", "mnist") for zone in "ab")
        if not seen or seen[-1] != both:
            seen.append(both)
        flow.minutes(place, 2)
    weights = [tuple(found.get("mnist-v2-predictor", 0) for found in both) for both in seen]
    assert weights == [(0, 0), (10, 10), (50, 50), (100, 100)]
    names = [
        key.name
        for key in flow.ours(place)
        if key.kind == "InferenceService" and key.namespace == "ml-hz-a"
    ]
    assert names == ["mnist-v2"]
