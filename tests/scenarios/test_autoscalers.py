"""A served version whose number of pods an autoscaler owns: the program sets it once."""

import pytest

from tests import flow, support

NAMED = "serving: {autoscaler: web, replicas: %s}\n"
DEPLOYMENT = flow.key("Deployment", "ml-one", "web-v1")
CHILD = flow.key("Deployment", "ml-one", "web-v1-predictor")
SCALER = "kube-controller-manager"
HPA = (
    "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
    "spec:\n  maxReplicas: 9\n"
    "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %s}\n"
)


def tree(replicas=2, own=NAMED, type_text="  backend: deployment\n  router: none\n"):
    text = own % replicas if "%s" in own else own
    files = flow.vision(type_text) | {"environments/prod/one/web.yaml": text}
    return support.small(**files)


def kserve(own):
    return tree(own=own, type_text="  backend: kserve\n  framework: onnx\n  router: none\n")


@pytest.fixture
def place():
    made = flow.world()
    yield made
    made.close()


def replicas(place, key=DEPLOYMENT):
    return flow.live(place, key.kind, key.namespace, key.name)["spec"]["replicas"]


def scale(place, count, key=DEPLOYMENT):
    place.cluster.edit(key, lambda body: body["spec"].update(replicas=count), SCALER)


def test_the_number_of_git_is_that_of_a_new_object_alone(place):
    flow.settled(tree(2), place)
    assert replicas(place) == 2
    flow.settled(tree(5), place)
    assert replicas(place) == 2
    flow.quiet(tree(5), place)


def test_the_number_of_the_autoscaler_is_neither_drift_nor_a_conflict(place):
    flow.settled(tree(2), place)
    for count in (7, 1, 3):
        scale(place, count)
        flow.quiet(tree(2), place)
        assert replicas(place) == count


def test_a_change_beside_the_number_leaves_the_number(place):
    flow.settled(tree(2), place)
    changed = "serving: {autoscaler: web, replicas: 4, args: [--more]}\n"
    flow.settled(tree(own=changed), place)
    assert replicas(place) == 2
    scale(place, 7)
    flow.settled(tree(own=changed.replace("more", "other")), place)
    assert replicas(place) == 7
    live = flow.live(place, "Deployment", "ml-one", "web-v1")
    assert live["spec"]["template"]["spec"]["containers"][0]["args"] == ["--other"]


def test_a_number_without_an_autoscaler_is_the_one_of_git_again(place):
    flow.settled(tree(2), place)
    flow.settled(tree(own="serving: {replicas: 5}\n"), place)
    assert replicas(place) == 5


def test_a_version_in_rollout_counts_the_pods_that_its_autoscaler_asks_for(place):
    rollout = "  rollout: {steps: [{weight: 50}, {pause: 1m}]}\n"
    split = "  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n" + rollout
    flow.settled(tree(4, type_text=split), place)
    new = tree(4, type_text=split).but({"environments/prod/web.yaml": 'serving: {version: "v2"}\n'})
    flow.run(new, place)
    scale(place, 1, flow.key("Deployment", "ml-one", "web-v2"))
    flow.settled(new, place, runs=20)
    assert flow.split(place, "ml-one", "web") == {"web-v2": 100}


@pytest.mark.parametrize("autoscaler", ["named", "drawn"])
def test_kserve_makes_no_autoscaler_and_leaves_the_number_where_others_scale(place, autoscaler):
    if autoscaler == "named":
        start = kserve("serving: {autoscaler: web}\n")
    else:
        start = kserve("manifests: [scale.yaml]\n").but(
            {"models/web/scale.yaml": HPA % "web-v1-predictor"}
        )
    flow.settled(start, place)
    live = flow.live(place, "InferenceService", "ml-one", "web-v1")
    assert live["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "external"
    assert {"minReplicas", "maxReplicas"} & live["spec"]["predictor"].keys() == set()
    scale(place, 6, CHILD)
    flow.quiet(start, place)
    assert replicas(place, CHILD) == 6


def test_without_an_autoscaler_kserve_has_the_number_of_git(place):
    flow.settled(kserve("serving: {replicas: 3}\n"), place)
    assert replicas(place, CHILD) == 3
