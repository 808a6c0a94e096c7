"""No share of traffic moves to what is not ready, whichever pass made it."""

from datetime import timedelta

import pytest

from reconciler.plan import inventory
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support

KUBEDL = (
    "  backend: kubedl\n  framework: TFServing\n  router: gateway-api\n  gateway: {name: gw}\n"
    "  rollout: null\n"
)
PLAIN = "  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
STATE = inventory.state_key(UnitId.parse("prod/one/web"))
ROUTE = flow.key("HTTPRoute", "ml-one", "web")


def record_of(version):
    """A version record that KubeDL can serve, too."""
    return f"{support.record(version)}modelVersion: web-{version}\n"


def model_version(version):
    return (
        "apiVersion: model.kubedl.io/v1alpha1\nkind: ModelVersion\n"
        f"metadata: {{name: web-{version}}}\n"
        "spec:\n  modelName: web\n  imageRepo: registry.example/web\n"
        f"  imageTag: {version}\n"
        "  storage: {localStorage: {path: /m, nodeName: n1}}\n"
    )


def split_of(text, backend=PLAIN, more=""):
    records = {f"models/web/versions/{v}.yaml": record_of(v) for v in ("v1", "v2", "v3")}
    tree = support.small(**flow.vision(backend)).but(records)
    if backend == KUBEDL:
        models = "---\n".join(model_version(name) for name in ("v1", "v2", "v3"))
        tree = tree.but(
            {
                "models/web/models.yaml": models,
                "environments/prod/one/web.yaml": "manifests: [models.yaml]\n",
            }
        )
    return tree.but({"environments/prod/web.yaml": f"serving:\n  traffic: {text}\n{more}"})


def split(place):
    return flow.split(place, "ml-one", "web")


def decision_of(tree, place):
    return next(a.decision for a in flow.plan_of(tree, place).apps if str(a.unit) == "prod/one/web")


def capacity(place, service):
    """Ready and desired replicas of what is behind a Service; None when it does not exist."""
    name = (
        service.removesuffix("-p")
        if flow.live(place, "Inference", "ml-one", service.removesuffix("-p"))
        else service
    )
    body = flow.live(place, "Inference", "ml-one", name)
    if body is not None:
        seen = (body.get("status") or {}).get("predictorStatuses") or ()
        return sum(p.get("readyReplicas", 0) for p in seen), 1
    body = flow.live(place, "Deployment", "ml-one", service)
    if body is None:
        return None
    return (body.get("status") or {}).get("readyReplicas", 0), body["spec"]["replicas"]


def is_up(place, service):
    found = capacity(place, service)
    return found is not None and found[0] > 0


def all_ready(place):
    return all(is_up(place, name) for name in split(place))


def fails(place, *names):
    place.client.settings = SimulationSettings(failing=frozenset(names))


def die(place, name, ready=0):
    """The pods of a Deployment die, all but some."""
    key = flow.key("Deployment", "ml-one", name)
    version = name.split("-")[1]
    place.client.settings = SimulationSettings(failing=place.client.settings.failing | {version})
    status = {**place.cluster.status(key), "readyReplicas": ready, "availableReplicas": ready}
    place.cluster.server.patch_status(key, status, "kube-controller-manager")


# -- content-named backends, static splits ---------------------------------------------------------


@pytest.mark.parametrize("passes", [2, 3])
def test_a_memory_change_of_a_static_split_keeps_the_old_backends_until_the_new_ones_are_ready(
    passes,
):
    place = flow.world()
    before = split_of("{v1: 30, v2: 50, v3: 20}", KUBEDL)
    flow.settled(before, place)
    old = split(place)
    after = before.but(
        {
            "environments/prod/web.yaml": before.files["environments/prod/web.yaml"].decode()
            + "  resources: {memory: 6Gi}\n"
        }
    )
    for _ in range(passes):
        flow.run(after, place, timeout=4)
        assert split(place) == old
        assert all_ready(place)
    decision = decision_of(after, place)
    assert decision.verdict == "waiting"
    assert "the route keeps its split: v" in decision.reasons[0].text
    flow.minutes(place, 10)
    flow.run(after, place)
    assert sorted(split(place).values()) == [20, 30, 50]
    assert not set(split(place)) & set(old)
    assert all_ready(place)
    flow.settled(after, place)
    assert all(flow.live(place, "Inference", "ml-one", n.removesuffix("-p")) is None for n in old)


def test_a_split_to_a_version_that_never_gets_ready_moves_nothing():
    place = flow.world()
    flow.settled(split_of("{v1: 30, v2: 70}"), place)
    fails(place, "v3")
    wanted = split_of("{v3: 100}")
    for _ in range(4):
        flow.run(wanted, place, timeout=4)
        flow.minutes(place, 5)
        assert split(place) == {"web-v1": 30, "web-v2": 70}
    assert all_ready(place)


def test_a_split_moves_as_a_whole_when_all_of_it_has_capacity():
    place = flow.world()
    flow.settled(split_of("{v1: 30, v2: 70}"), place)
    fails(place, "v3")
    wanted = split_of("{v1: 10, v2: 20, v3: 70}")
    flow.run(wanted, place, timeout=4)
    assert split(place) == {"web-v1": 30, "web-v2": 70}
    fails(place)
    place.cluster.edit(
        flow.key("Deployment", "ml-one", "web-v3"),
        lambda body: body["metadata"].setdefault("annotations", {}).update(a="b"),
    )
    flow.minutes(place, 5)
    flow.run(wanted, place)
    assert split(place) == {"web-v1": 10, "web-v2": 20, "web-v3": 70}


def test_a_deleted_record_of_the_stable_version_keeps_its_backend_until_the_next_is_ready():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    fails(place, "v2")
    after = flow.pointing(flow.ROUTED, "v2").but({"models/web/versions/v1.yaml": None})
    for _ in range(3):
        flow.run(after, place, timeout=4)
        assert split(place) == {"web-v1": 100}
        assert all_ready(place)
        flow.minutes(place, 2)
    fails(place)
    place.cluster.edit(
        flow.key("Deployment", "ml-one", "web-v2"),
        lambda body: body["metadata"].setdefault("annotations", {}).update(a="b"),
    )
    flow.minutes(place, 5)
    flow.run(after, place)
    assert split(place) == {"web-v2": 100}
    flow.settled(after, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is None


# -- first deployments -----------------------------------------------------------------------------


@pytest.mark.parametrize("tree", [flow.ROUTED, split_of("{v1: 30, v2: 70}")], ids=["v1", "split"])
def test_a_first_route_waits_for_its_backends_in_whichever_pass(tree):
    place = flow.world(settings=SimulationSettings(pod_start=timedelta(minutes=3)))
    for _ in range(3):
        flow.run(tree, place, timeout=4)
        assert split(place) is None
    flow.minutes(place, 5)
    flow.run(tree, place, timeout=4)
    assert all_ready(place)


def test_a_first_route_leaves_out_what_never_gets_ready():
    place = flow.world()
    fails(place, "v3")
    tree = split_of("{v1: 30, v2: 50, v3: 20}")
    flow.run(tree, place, timeout=60)
    flow.run(tree, place, timeout=60)
    assert set(split(place)) == {"web-v1", "web-v2"}
    assert sum(split(place).values()) == 100


def test_a_first_deployment_killed_before_its_route_waits_in_the_next_pass():
    place = flow.world(settings=SimulationSettings(pod_start=timedelta(minutes=3)))
    with pytest.raises(flow.Killed):
        support.applied(flow.ROUTED, place.cluster, place.clock.now(), before=flow.after_effect(8))
    flow.run(flow.ROUTED, place, timeout=4)
    assert split(place) is None


# -- what breaks while traffic moves ---------------------------------------------------------------


def canary(wanted_split):
    """A rollout from v1 to v2, taken to a split; the place and the wanted tree."""
    place, wanted = flow.world(), flow.pointing(flow.ROUTED, "v2")
    flow.settled(flow.ROUTED, place)
    while split(place) != wanted_split:
        flow.run(wanted, place)
        flow.minutes(place, 1)
    return place, wanted


def standing(tree):
    """A split that stands; the place and its tree."""
    place = flow.world()
    flow.settled(tree, place)
    return place, tree


def starting():
    """A rollout whose new version never gets ready; the place and the wanted tree."""
    place, _ = standing(flow.ROUTED)
    fails(place, "v2")
    return place, flow.pointing(flow.ROUTED, "v2")


def both_die(place):
    die(place, "web-v1")
    die(place, "web-v2")


def route_and_candidate_go(place):
    place.cluster.server.delete(ROUTE)
    die(place, "web-v2")


TENTH, HALF = {"web-v1": 90, "web-v2": 10}, {"web-v1": 50, "web-v2": 50}
FOUR_EACH = split_of("{v1: 30, v2: 70}", more="  replicas: 4\n")

#: What happens → (how it begins, what breaks before each pass, the passes, the split after each).
BREAKS = {
    "a candidate whose pods die loses its share in the next pass": (
        lambda: canary(TENTH),
        lambda place: die(place, "web-v2"),
        1,
        {"web-v1": 100},
    ),
    "half dead, a backend of a split goes down to its ready share": (
        lambda: standing(FOUR_EACH),
        lambda place: die(place, "web-v2", ready=2),
        1,
        {"web-v1": 50, "web-v2": 50},
    ),
    "when nothing is ready nothing changes, and it is never all zero": (
        lambda: standing(split_of("{v1: 30, v2: 70}")),
        both_die,
        3,
        {"web-v1": 30, "web-v2": 70},
    ),
    "the stable version dead, the ready candidate serves": (
        lambda: canary(TENTH),
        lambda place: die(place, "web-v1"),
        1,
        {"web-v2": 100},
    ),
    "a route deleted at half comes back only with what is ready": (
        lambda: canary(HALF),
        route_and_candidate_go,
        1,
        {"web-v1": 100},
    ),
    "a lost state and a candidate that is not ready move nothing": (
        starting,
        lambda place: place.cluster.server.delete(STATE) if place.cluster.get(STATE).body else None,
        3,
        {"web-v1": 100},
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_share_follows_ready_capacity_when_something_breaks(what):
    begin, breaks, passes, expected = BREAKS[what]
    place, wanted = begin()
    for _ in range(passes):
        breaks(place)
        flow.run(wanted, place, timeout=4)
        assert split(place) == expected
        flow.minutes(place, 1)


def test_the_reason_of_a_lost_share_is_how_many_replicas_are_ready():
    place, wanted = canary(TENTH)
    die(place, "web-v2")
    flow.run(wanted, place, timeout=4)
    assert "0 of 1 replicas ready" in decision_of(wanted, place).reasons[0].text


# -- a return --------------------------------------------------------------------------------------


def test_a_promotion_back_to_a_version_that_still_runs_takes_the_fast_path():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    wanted = flow.pointing(flow.ROUTED, "v2")
    for _ in range(60):
        flow.run(wanted, place)
        if split(place) == {"web-v2": 100}:
            break
        flow.minutes(place, 1)
    flow.run(wanted, place)
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    flow.run(flow.ROUTED, place)
    assert split(place) == {"web-v1": 100}


# -- waves -----------------------------------------------------------------------------------------


def test_a_wave_waits_for_an_unready_member_of_a_lower_wave_that_an_earlier_pass_wrote():
    """KubeDL's Inference, applied before its image is built, never recovers."""
    tree = support.small(**flow.vision(KUBEDL)).but(
        {
            "models/web/extra.yaml": model_version("v1"),
            "models/web/versions/v1.yaml": record_of("v1"),
            "models/web/versions/v2.yaml": record_of("v2"),
            "environments/prod/one/web.yaml": "manifests: [extra.yaml]\n",
        }
    )
    place = flow.world(settings=SimulationSettings(image_build=timedelta(minutes=9)))
    for _ in range(3):
        flow.run(tree, place, timeout=4)
        kinds = {key.kind for key in flow.ours(place)}
        assert "ModelVersion" in kinds
        assert "Inference" not in kinds
    flow.minutes(place, 10)
    flow.run(tree, place)
    assert "Inference" in {key.kind for key in flow.ours(place)}
