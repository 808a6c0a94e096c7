"""Deployments, KServe, KubeDL's Inference and ModelVersion, routes: status shapes and defects."""

from datetime import timedelta

import pytest

from reconciler import kinds
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import ReadinessState
from reconciler.simulation.controller import SimulationSettings

GOOD, BAD = "registry.example/s:1", "registry.example/s:bad"


def deployment(image=GOOD, replicas=1, **more):
    pod = {"containers": [{"name": "server", "image": image}]}
    template = {"metadata": {"labels": {"app": "s"}}, "spec": pod}
    selector = {"matchLabels": {"app": "s"}}
    return {"replicas": replicas, "selector": selector, "template": template, **more}


def inference(*predictors, framework="TFServing"):
    return {"framework": framework, "predictors": list(predictors)}


def predictor(name="p", image=GOOD, **more):
    template = {"spec": {"containers": [{"name": "server", "image": image}]}}
    return {"name": name, "replicas": 1, "template": template, **more}


def isvc(uri="pvc://models/m/v1", replicas=1):
    model = {"modelFormat": {"name": "tensorflow"}, "storageUri": uri}
    pods = {"annotations": {"ml-reconciler.dev/content": uri}, "model": model}
    return {"predictor": {"minReplicas": replicas, "maxReplicas": replicas, **pods}}


def model_version(tag="v1", **storage):
    storage = storage or {"localStorage": {"path": "/m", "nodeName": "n1"}}
    spec = {"modelName": "mnist", "imageRepo": "registry.example/mnist", "storage": storage}
    return {**spec, "imageTag": tag} if tag else spec


def state(town, key):
    return kinds.readiness(town.world.cluster.get(key), town.world.cluster.get).state


DEPLOYMENT = ("apps/v1", "Deployment")
ISVC = ("serving.kserve.io/v1beta1", "InferenceService")
INFERENCE = ("serving.kubedl.io/v1alpha1", "Inference")
VERSION = ("model.kubedl.io/v1alpha1", "ModelVersion")
ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")


# -- Deployment ------------------------------------------------------------------------------------


def test_a_deployment_becomes_ready_after_its_pods_start(town):
    town = town()
    key = town.put(*DEPLOYMENT, "s", deployment(replicas=2))
    assert state(town, key) is ReadinessState.PROGRESSING
    town.pass_(seconds=15)
    assert town.status(key)["updatedReplicas"] == 2
    assert "readyReplicas" not in town.status(key)
    town.pass_(seconds=10)
    assert state(town, key) is ReadinessState.READY
    assert town.status(key)["observedGeneration"] == 1


def test_a_new_image_rolls_and_keeps_the_old_pod_meanwhile(town):
    town = town()
    key = town.put(*DEPLOYMENT, "s", deployment())
    town.pass_(minutes=1)
    town.put(*DEPLOYMENT, "s", deployment("registry.example/s:2"))
    assert state(town, key) is ReadinessState.PROGRESSING  # not seen yet
    town.pass_(seconds=5)
    assert town.status(key)["readyReplicas"] == 1
    assert state(town, key) is ReadinessState.PROGRESSING
    town.pass_(minutes=1)
    assert state(town, key) is ReadinessState.READY


def test_more_replicas_take_their_time_and_fewer_do_not(town):
    town = town()
    key = town.put(*DEPLOYMENT, "s", deployment(replicas=2))
    town.pass_(minutes=1)
    town.put(*DEPLOYMENT, "s", deployment(replicas=4))
    town.pass_(seconds=5)
    assert town.status(key)["readyReplicas"] == 2
    town.pass_(minutes=1)
    assert town.status(key)["readyReplicas"] == 4
    town.put(*DEPLOYMENT, "s", deployment(replicas=1))
    town.pass_(seconds=5)
    assert town.status(key)["readyReplicas"] == 1
    assert state(town, key) is ReadinessState.READY


def test_a_failing_image_misses_its_progress_deadline(town):
    town = town(settings=SimulationSettings(failing=frozenset({BAD})))
    key = town.put(*DEPLOYMENT, "s", deployment(BAD, progressDeadlineSeconds=120))
    town.pass_(seconds=100)
    assert state(town, key) is ReadinessState.PROGRESSING
    town.pass_(seconds=30)
    assert state(town, key) is ReadinessState.FAILED
    town.put(*DEPLOYMENT, "s", deployment(GOOD))
    town.pass_(minutes=1)
    assert state(town, key) is ReadinessState.READY


def test_a_settled_deployment_is_not_written_again(town):
    town = town()
    key = town.put(*DEPLOYMENT, "s", deployment())
    town.pass_(minutes=1)
    version = town.body(key)["metadata"]["resourceVersion"]
    town.pass_(days=3)
    assert town.body(key)["metadata"]["resourceVersion"] == version


# -- KServe ----------------------------------------------------------------------------------------


def test_an_inference_service_is_ready_with_its_predictor_service(town):
    town = town()
    key = town.put(*ISVC, "m-v1", isvc())
    town.pass_(seconds=30)
    assert town.condition(key, "Ready") == "False"
    assert town.status(key)["modelStatus"]["transitionStatus"] == "InProgress"
    town.pass_(seconds=60)
    assert state(town, key) is ReadinessState.READY
    status = town.status(key)
    assert status["modelStatus"]["transitionStatus"] == "UpToDate"
    assert status["url"] == "http://m-v1-ml.example.com"
    assert town.names("", "Service") == ["m-v1-predictor"]


def test_a_version_that_cannot_load_is_blocked_and_others_are_not(town):
    town = town(settings=SimulationSettings(failing=frozenset({"v2"})))
    label = "ml-reconciler.dev/version"
    good = town.put(*ISVC, "m-v1", isvc(), labels={label: "v1"})
    bad = town.put(*ISVC, "m-v2", isvc("pvc://models/m/v2"), labels={label: "v2"})
    town.pass_(minutes=3)
    assert state(town, good) is ReadinessState.READY
    assert state(town, bad) is ReadinessState.PROGRESSING
    status = town.status(bad)["modelStatus"]
    assert status["transitionStatus"] == "BlockedByFailedLoad"
    assert status["lastFailureInfo"]["reason"] == "ModelLoadFailed"


def test_a_new_model_is_loaded_anew(town):
    town = town()
    key = town.put(*ISVC, "m", isvc())
    town.pass_(minutes=2)
    town.put(*ISVC, "m", isvc("pvc://models/m/v2"))
    town.pass_(seconds=30)
    assert state(town, key) is ReadinessState.PROGRESSING
    town.pass_(minutes=2)
    assert state(town, key) is ReadinessState.READY


def test_one_second_after_a_change_in_place_kserve_says_ready_and_is_not_believed(town):
    town = town()
    key = town.put(*ISVC, "m", isvc())
    town.pass_(minutes=2)
    town.put(*ISVC, "m", isvc("pvc://models/m/v2"))
    assert town.condition(key, "Ready") == "True"
    seen = kinds.readiness(town.world.cluster.get(key), town.world.cluster.get)
    assert seen.text == "KServe has not changed its Deployment yet"
    town.pass_(seconds=10)
    assert town.condition(key, "Ready") == "True"
    assert state(town, key) is ReadinessState.PROGRESSING


def test_with_an_autoscaler_kserve_is_ready_with_one_pod_of_four(town):
    town = town(settings=SimulationSettings(model_load=timedelta(seconds=5)))
    key = town.put(*ISVC, "m", isvc(replicas=4))
    town.pass_(seconds=9)
    assert town.condition(key, "Ready") == "True"
    seen = kinds.readiness(town.world.cluster.get(key), town.world.cluster.get)
    assert seen.text == "its Deployment has 1 of 4 replicas"
    town.pass_(minutes=2)
    assert state(town, key) is ReadinessState.READY


def test_without_an_autoscaler_kserve_starts_all_pods(town):
    town = town()
    none = {"serving.kserve.io/autoscalerClass": "none"}
    town.put(*ISVC, "m", isvc(replicas=4), annotations=none)
    town.pass_(seconds=5)
    child = town.body(ObjectKey("apps", "Deployment", "ml", "m-predictor"))
    assert child["spec"]["replicas"] == 4


def test_kserve_copies_its_labels_to_its_children_and_owns_them(town):
    town = town()
    key = town.put(*ISVC, "m", isvc(), labels={"app.kubernetes.io/managed-by": "reconciler"})
    town.pass_(minutes=2)
    child = town.body(ObjectKey("apps", "Deployment", "ml", "m-predictor"))
    assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "reconciler"
    uid = town.body(key)["metadata"]["uid"]
    town.world.cluster.delete(key, uid=uid)
    assert town.names("apps", "Deployment") == []


# -- KubeDL ----------------------------------------------------------------------------------------


def test_a_model_version_builds_its_image_and_names_its_model(town):
    town = town()
    key = town.put(*VERSION, "mv-1", model_version())
    town.pass_(minutes=1)
    latest = town.status(ObjectKey("model.kubedl.io", "Model", "ml", "mnist"))["latestVersion"]
    assert latest == {"modelVersion": "mv-1", "imageName": "registry.example/mnist:v1"}
    assert town.status(key)["imageBuildPhase"] == "ImageBuilding"
    town.pass_(minutes=2)
    assert state(town, key) is ReadinessState.READY
    owners = town.body(key)["metadata"]["ownerReferences"]
    assert [owner["kind"] for owner in owners] == ["Model"]


def test_the_latest_version_stays_on_a_build_that_failed(town):
    town = town(settings=SimulationSettings(failing_builds=frozenset({"mv-2"})))
    town.put(*VERSION, "mv-1", model_version())
    town.pass_(minutes=5)
    key = town.put(*VERSION, "mv-2", model_version("v2"))
    town.pass_(minutes=5)
    assert state(town, key) is ReadinessState.FAILED
    latest = town.status(ObjectKey("model.kubedl.io", "Model", "ml", "mnist"))["latestVersion"]
    assert latest["modelVersion"] == "mv-2"


def test_a_tag_used_before_counts_as_built_and_leaves_no_image(town):
    town = town()
    town.put(*VERSION, "mv-1", model_version("same"))
    town.pass_(minutes=5)
    key = town.put(*VERSION, "mv-2", model_version("same"))
    town.pass_(minutes=5)
    assert town.status(key)["imageBuildPhase"] == "ImageBuildSucceeded"
    assert not town.status(key).get("image")
    assert state(town, key) is ReadinessState.FAILED


@pytest.mark.parametrize("storage", [{}, {"localStorage": {"path": "/m"}}])
def test_a_model_version_without_storage_or_node_never_starts(town, storage):
    town = town()
    spec = {**model_version(), "storage": storage}
    key = town.put(*VERSION, "mv-1", spec)
    town.pass_(hours=5)
    assert town.status(key) == {}


def test_a_finished_status_written_along_is_left_alone(town):
    town = town()
    body = {
        "apiVersion": VERSION[0],
        "kind": VERSION[1],
        "metadata": {"name": "imported", "namespace": "ml"},
        "spec": {"modelName": "mnist"},
        "status": {"image": "r/m@sha256:1", "imageBuildPhase": "ImageBuildSucceeded"},
    }
    town.world.cluster.create(body)
    town.pass_(hours=1)
    key = ObjectKey("model.kubedl.io", "ModelVersion", "ml", "imported")
    assert town.status(key) == body["status"]
    assert town.names("model.kubedl.io", "Model") == []


def test_an_inference_makes_its_predictor_once_and_never_changes_it(town):
    town = town()
    key = town.put(*INFERENCE, "i", inference(predictor()))
    town.pass_(minutes=1)
    assert state(town, key) is ReadinessState.READY
    child = ObjectKey("apps", "Deployment", "ml", "i-p")
    before = town.body(child)["spec"]
    town.put(*INFERENCE, "i", inference({**predictor(image="new:1"), "replicas": 3}))
    town.pass_(hours=1)
    assert town.body(child)["spec"] == before
    assert state(town, key) is ReadinessState.PROGRESSING  # for ever


def test_the_entry_service_outlives_its_inference(town):
    town = town()
    key = town.put(*INFERENCE, "i", inference(predictor()))
    town.pass_(minutes=1)
    assert town.names("", "Service") == ["i", "i-p"]
    ports = town.body(ObjectKey("", "Service", "ml", "i-p"))["spec"]["ports"]
    assert [port["port"] for port in ports] == [8080, 9000]
    town.world.cluster.delete(key, uid=town.body(key)["metadata"]["uid"])
    town.pass_(minutes=1)
    assert town.names("", "Service") == ["i"]
    assert town.names("apps", "Deployment") == []


def test_an_inference_on_an_unbuilt_version_is_stuck_until_it_is_touched(town):
    town = town()
    town.put(*VERSION, "mv-1", model_version())
    key = town.put(*INFERENCE, "i", inference(predictor(modelVersion="mv-1")))
    town.pass_(hours=2)
    assert town.names("apps", "Deployment") == []
    town.put(*INFERENCE, "i", inference(predictor(modelVersion="mv-1")), labels={"touched": "1"})
    town.pass_(minutes=1)
    assert state(town, key) is ReadinessState.READY
    pod = town.body(ObjectKey("apps", "Deployment", "ml", "i-p"))["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["image"] == "registry.example/mnist:v1"


def test_a_second_predictor_takes_the_whole_manager_down_until_it_is_gone(town):
    town = town()
    bad = town.put(*INFERENCE, "two", inference(predictor("a"), predictor("b")))
    town.pass_(minutes=1)
    version = town.put(*VERSION, "mv-1", model_version())
    town.pass_(hours=1)
    assert town.status(version) == {}
    assert town.status(bad) == {}
    town.world.cluster.delete(bad, uid=town.body(bad)["metadata"]["uid"])
    town.pass_(minutes=15)
    assert state(town, version) is ReadinessState.READY


# -- routes ----------------------------------------------------------------------------------------


def route(*backends):
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in backends]
    parent = {"name": "inference", "namespace": "gateways"}
    return {"parentRefs": [parent], "rules": [{"backendRefs": refs}]}


def test_a_route_is_accepted_for_its_newest_generation(town):
    town = town()
    town.put("v1", "Service", "a", {"ports": [{"port": 80}]})
    key = town.put(*ROUTE, "r", route(("a", 100)))
    assert state(town, key) is ReadinessState.PROGRESSING
    town.pass_(seconds=5)
    assert state(town, key) is ReadinessState.READY
    town.put(*ROUTE, "r", route(("a", 50)))
    assert state(town, key) is ReadinessState.PROGRESSING  # the status speaks of the old generation
    town.pass_(seconds=5)
    assert state(town, key) is ReadinessState.READY
    parent = town.status(key)["parents"][0]
    assert {c["observedGeneration"] for c in parent["conditions"]} == {2}
    assert parent["parentRef"]["kind"] == "Gateway"


def test_a_missing_backend_is_not_resolved_until_it_comes(town):
    town = town()
    key = town.put(*ROUTE, "r", route(("late", 100)))
    town.pass_(seconds=5)
    reasons = {c["type"]: c["reason"] for c in town.status(key)["parents"][0]["conditions"]}
    assert reasons == {"Accepted": "Accepted", "ResolvedRefs": "BackendNotFound"}
    town.put("v1", "Service", "late", {"ports": [{"port": 80}]})
    town.pass_(seconds=5)
    assert state(town, key) is ReadinessState.READY


def test_where_gateways_exist_the_parent_must_be_one_of_them(town):
    town = town()
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    spec = {"gatewayClassName": "c", "listeners": listeners}
    town.put(ROUTE[0], "Gateway", "another", spec)
    key = town.put(*ROUTE, "r", route())
    town.pass_(seconds=5)
    conditions = town.status(key)["parents"][0]["conditions"]
    assert {c["type"]: c["status"] for c in conditions}["Accepted"] == "False"


def test_a_namespace_gets_its_default_account(town):
    town = town()
    town.pass_(seconds=5)
    assert town.names("", "ServiceAccount") == ["default"]
