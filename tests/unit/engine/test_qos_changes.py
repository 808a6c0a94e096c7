"""The quality-of-service classes that a plan changes, against a base and against a cluster."""

import pytest

from reconciler import kinds
from reconciler.engine import review
from reconciler.engine.views.model_changes import find_model_changes
from reconciler.engine.views.qos_changes import list_qos_changes
from reconciler.output.model_data import model_data
from reconciler.output.model_rows import rows
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId
from tests.support import NOW, applied, reviewed, sample, select, small

WEB = UnitId("prod", "one", "web")
OWN = "environments/prod/one/web.yaml"
LOWER = """\
serving:
  resources:
    cpu: null
    requests: {cpu: 500m}
    limits: {cpu: 1}
"""
SIDECAR = "serving: {pod: {containers: [{name: a, image: registry.example/a:1}]}}\n"


def compared(after, before):
    found = review.review(after, select(), NOW, base=before)
    return {change.app: change for change in find_model_changes(found)}


def live(after, before):
    cluster = EmbeddedCluster(kinds=kinds.known())
    applied(before, cluster)
    return {change.app: change for change in find_model_changes(reviewed(after, cluster))}


def qos(change):
    return [(row.workload, row.before, row.after) for row in change.qos]


def texts(change):
    return [row.text for row in rows(change) if row.label == "qos"]


@pytest.mark.parametrize("against", [compared, live])
def test_a_request_below_its_limit_makes_a_guaranteed_server_burstable(against):
    change = against(small().but({OWN: LOWER}), small())[WEB]
    assert qos(change) == [("serving", "Guaranteed", "Burstable")]
    assert texts(change) == ["Guaranteed → Burstable"]
    assert change.qos[0].origin.site.file == OWN
    assert model_data(change)["qos"] == [
        {
            "workload": "serving",
            "before": "Guaranteed",
            "after": "Burstable",
            "at": str(change.qos[0].origin.site),
        }
    ]


@pytest.mark.parametrize("against", [compared, live])
def test_a_container_without_a_size_changes_the_class_of_the_whole_pod(against):
    change = against(small().but({OWN: SIDECAR}), small())[WEB]
    assert qos(change) == [("serving", "Guaranteed", "Burstable")]


def test_a_sidecar_of_the_whole_group_is_seen_though_no_value_of_the_model_changes():
    text = "group: {namespace: ml-one, serviceAccount: models, pod: {containers: [{name: a, image: a}]}}\n"
    after = small().but({"environments/prod/one/group.yaml": text})
    change = compared(after, small())[WEB]
    assert change.settings == ()
    assert qos(change) == [("serving", "Guaranteed", "Burstable")]


@pytest.mark.parametrize("against", [compared, live])
def test_another_size_of_the_same_class_is_no_row(against):
    change = against(small().but({OWN: "serving: {resources: {cpu: 2}}\n"}), small())[WEB]
    assert qos(change) == []
    assert texts(change) == []


def test_the_way_back_is_a_row_too():
    change = live(small(), small().but({OWN: LOWER}))[WEB]
    assert texts(change) == ["Burstable → Guaranteed"]


def test_no_size_at_all_is_best_effort():
    bare = small().but({"environments/base.yaml": "serving: {replicas: 1}\n"})
    assert texts(compared(bare, small())[WEB]) == ["Guaranteed → BestEffort"]


def test_a_new_model_says_its_class_when_it_is_not_guaranteed():
    without = small().but({OWN: None})
    assert texts(compared(small().but({OWN: LOWER}), without)[WEB]) == ["Burstable"]
    assert texts(compared(small(), without)[WEB]) == []


def test_a_promotion_of_an_unchanged_size_is_no_row():
    after = small().but({"environments/prod/web.yaml": 'serving: {version: "v2"}\n'})
    assert qos(live(after, small())[WEB]) == []


def test_the_pods_of_a_training_are_those_of_its_job_in_the_pipeline():
    tree = sample()
    text = tree.files["models/mnist/model.yaml"].decode()
    lower = text.replace(
        "  workers: 3\n",
        "  workers: 3\n  resources: {cpu: null, requests: {cpu: 1}, limits: {cpu: 4}}\n",
    )
    found = compared(tree.but({"models/mnist/model.yaml": lower}), tree)
    assert {str(app): qos(change) for app, change in found.items()} == {
        "prod/train/mnist": [("training", "Guaranteed", "Burstable")]
    }


def test_a_kserve_runtime_of_its_own_size_has_a_class_that_is_not_known():
    files = {"environments/base.yaml": "serving: {replicas: 1}\n"}
    kserve = "serving: {backend: kserve, framework: onnx%s}\n"
    unsized = small().but({**files, OWN: kserve % ""})
    sized = small().but({**files, OWN: kserve % ", resources: {cpu: 1, memory: 1Gi}"})
    assert qos(compared(unsized, small().but({OWN: None}))[WEB]) == []
    assert qos(compared(sized, unsized)[WEB]) == [("serving", "unknown", "Guaranteed")]


def test_a_manifest_of_a_kind_that_serves_is_not_a_server():
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: extra}\n"
        "spec:\n  selector: {matchLabels: {a: b}}\n"
        "  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: 'i:1'}]}}\n"
    )
    more = {"models/web/extra.yaml": text, OWN: "manifests: [extra.yaml]\n"}
    after = small().but(more)
    found = review.review(after, select(), NOW, base=small())
    (item,) = (item for item in found.units if item.unit.id == WEB)
    (plan,) = (app for app in found.plan.apps if app.unit == WEB)
    assert list_qos_changes(item, plan, found.parts[0].snapshot) == ()
