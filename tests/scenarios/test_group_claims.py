"""Claims that a group's foundation creates: they are made before the apps, grow, and stay."""

import pytest

from reconciler.engine.use import discover
from reconciler.objects.key import ObjectKey
from tests import flow
from tests.support import select, small

GROUP = "environments/prod/one/group.yaml"
KEY = ObjectKey("", "PersistentVolumeClaim", "ml-one", "shared")
OWN = "serving: {volumes: [{claim: models, path: /m}]}\n"


def created(create):
    text = f"group: {{namespace: ml-one, claims: {{models: {{claim: shared{create}}}}}}}\n"
    return small().but({GROUP: text, "environments/prod/one/web.yaml": OWN})


START = created(", create: {size: 5Gi, storageClass: shared}")


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(START, made)
    yield made
    made.close()


def size_of(place):
    return place.cluster.get(KEY).body["spec"]["resources"]["requests"]["storage"]


def test_the_claim_is_written_before_the_server_that_mounts_it(place):
    kinds = [target.partition(" ")[0] for verb, target in place.cluster.log if verb == "apply"]
    assert kinds.index("PersistentVolumeClaim") < kinds.index("Deployment.apps")
    assert place.cluster.get(KEY).body["spec"]["accessModes"] == ["ReadWriteMany"]
    flow.quiet(START, place)


def test_a_claim_that_the_config_creates_no_longer_is_kept(place):
    flow.settled(created(""), place)
    assert place.cluster.get(KEY).is_present


def test_a_claim_whose_group_is_absent_is_kept(place):
    text = "group: {namespace: ml-one, state: absent}\n"
    flow.run(small().but({GROUP: text, "environments/prod/one/web.yaml": None}), place)
    assert place.cluster.get(KEY).is_present


def test_a_claim_grows(place):
    flow.settled(created(", create: {size: 9Gi, storageClass: shared}"), place)
    assert size_of(place) == "9Gi"


@pytest.mark.parametrize("storage", ["", ", storageClass: other"])
def test_a_claim_is_never_made_anew_for_a_field_that_cannot_change(place, storage):
    report = flow.run(created(f", create: {{size: 5Gi{storage}}}"), place)
    assert report.exit_code == 4
    assert "it holds data and is never made anew: undo the change" in str(report.closing)
    assert place.cluster.get(KEY).body["spec"]["storageClassName"] == "shared"


def test_a_published_version_is_recorded_under_the_logical_name_of_its_claim(place):
    trained = (
        "model: {type: vision, owner: web}\n"
        "serving: {image: registry.example/web:1, runIn: [prod/one]}\n"
        "training:\n  runIn: [prod/one]\n  framework: job\n  image: registry.example/train:1\n"
        "  command: [train]\n  volumes: [{claim: models, path: /m}]\n"
        "versions: {registry: configmap, storage: {STORE, path: /m/web}}\n"
    )
    place.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "run-1",
                "namespace": "ml-one",
                "labels": {
                    "ml-reconciler.dev/published": "model-version",
                    "ml-reconciler.dev/model": "web",
                },
            },
            "data": {"digest": f"sha256:{'ab' * 32}", "storage-uri": "pvc://shared/m/web/run-1"},
        }
    )
    for store, uri in (
        ("claim: models", "claim://models/m/web/run-1"),
        ("pvc: shared", "pvc://shared/m/web/run-1"),
        ("pvc: other", "pvc://shared/m/web/run-1"),
    ):
        tree = START.but({"models/web/model.yaml": trained.replace("STORE", store)})
        found = discover.published(tree, select(), place.cluster)
        assert [row.storage_uri for row in found if not row.version] == [uri]
