"""How many pods mount a claim whose access modes allow few."""

import pytest

from reconciler.backends import claims
from tests.support import loaded, small

GROUP = "group: {namespace: ml-one, claims: {models: {claim: shared, accessModes: [MODE]}}}\n"
MODEL = """\
model: {type: vision, owner: web}
serving: {image: registry.example/web:1}
training:
  runIn: [prod/one]
  framework: job
  image: registry.example/train:1
  command: [python, train.py]
  volumes: [{claim: models, path: /models}]
"""


def warned(mode="ReadWriteOnce", **files):
    tree = small().but({"environments/prod/one/group.yaml": GROUP.replace("MODE", mode)})
    apps = loaded(tree.but(files.get("files", {}))).apps
    return [d.message for d, _ in claims.check(apps) if d.code == "W_CLAIM_ACCESS"]


def trained(more):
    return {"models/web/model.yaml": MODEL + more}


def served(block):
    return {"environments/prod/one/web.yaml": f"serving: {{{block}}}\n"}


VOLUME = "volumes: [{claim: models, path: /m}]"


@pytest.mark.parametrize(
    ("files", "pods"),
    [
        (trained(""), 1),
        (trained("  workers: 4\n"), 4),
        (trained("  candidates: [{name: a}, {name: b}]\n  select: {metric: loss}\n"), 2),
        (
            trained(
                "  workers: 3\n  candidates: [{name: a}, {name: b}]\n  select: {metric: loss}\n"
            ),
            6,
        ),
        (trained("dataset: {claim: models, path: /data}\n"), 1),
        (served(f"replicas: 1, {VOLUME}"), 1),
        (served(f"replicas: 3, {VOLUME}"), 3),
        (served("replicas: 3, volumes: [{pvc: shared, path: /m}]"), 3),
        (served("replicas: 3, volumes: [{pvc: other, path: /m}]"), 0),
        (
            {
                **served(
                    f"version: null, router: gateway-api, gateway: {{name: edge}}, "
                    f"traffic: {{v1: 50, v2: 50}}, replicas: 2, {VOLUME}"
                )
            },
            4,
        ),
    ],
)
def test_pods_that_mount_a_claim_of_one_node_are_counted(files, pods):
    found = warned(files=files)
    assert len(found) == (pods > 1), found
    if pods > 1:
        assert f"{pods} pods mount it: prod/one/web ({pods})" in found[0]


@pytest.mark.parametrize("mode", ["ReadWriteMany", "ReadOnlyMany", "ReadWriteOnce, ReadOnlyMany"])
def test_a_claim_that_many_nodes_mount_is_not_counted(mode):
    assert warned(mode, files=served(f"replicas: 3, {VOLUME}")) == []


def test_the_pods_of_several_apps_are_counted_together():
    other = {
        "environments/prod/one/other.yaml": f'serving: {{version: "v1", {VOLUME}}}\n',
        "models/other/model.yaml": MODEL.split("training:", maxsplit=1)[0],
        "models/other/versions/v1.yaml": small().files["models/web/versions/v1.yaml"].decode(),
    }
    (found,) = warned(files={**other, **served(VOLUME)})
    assert "2 pods mount it: prod/one/other (1), prod/one/web (1)" in found
