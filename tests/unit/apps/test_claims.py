"""Logical names of claims: what is drawn of them, and which lines it names."""

import re

import pytest

from reconciler.apps import claims
from reconciler.backends import contract
from reconciler.objects.draft import Embedded, list_embedded, list_leaves
from reconciler.origin import Value, plain
from tests.everything import everything
from tests.support import drawn, loaded, record, small

GROUP = "environments/prod/one/group.yaml"
MODEL = "models/web/model.yaml"
OWN = "environments/prod/one/web.yaml"
V1 = "models/web/versions/v1.yaml"
CLAIMS = "group: {namespace: ml-one, claims: {models: {claim: shared}, data: {claim: digits}}}\n"
#: Every place where a claim is named: by its logical name, and as the group has it.
PLACES = {
    "dataset: {claim: data, path: /data}": "dataset: {pvc: digits, path: /data}",
    "volumes: [{claim: models, path: /m}]": "volumes: [{pvc: shared, path: /m}]",
    "storage: {claim: models, path: /m/web}": "storage: {pvc: shared, path: /m/web}",
}
TRAINED = """\
model: {type: vision, owner: web}
serving: {image: registry.example/web:1}
dataset: {claim: data, path: /data}
training:
  runIn: [prod/one]
  framework: FRAMEWORK
  image: registry.example/train:1
  command: [python, train.py]
  volumes: [{claim: models, path: /m}]
  ingest: {image: registry.example/ingest:1, command: [ingest]}
  schedules: [{name: nightly, cron: "0 1 * * *", timeZone: UTC}]
versions: {registry: configmap, storage: {claim: models, path: /m/web}}
"""


def physical(text):
    for logical, named in PLACES.items():
        text = text.replace(logical, named)
    return text.replace("claim://models/", "pvc://shared/").replace(
        "claim://data/", "pvc://digits/"
    )


def objects(tree):
    return {place: plain(draft.tree) for place, draft in drawn(tree).items()}


def embedded(tree):
    return {
        (place, at): plain(inner.tree)
        for place, draft in drawn(tree).items()
        for at, inner in list_embedded(draft)
    }


@pytest.mark.parametrize("framework", contract.list_names("framework"))
def test_training_draws_a_logical_name_as_the_claim_that_it_stands_for(framework):
    text = TRAINED.replace("FRAMEWORK", framework)
    tree = small().but({GROUP: CLAIMS, MODEL: text})
    same = tree.but({MODEL: physical(text)})
    assert objects(tree) == objects(same)
    assert embedded(tree) == embedded(same)
    assert "shared" in str(objects(tree))
    assert "digits" in str(embedded(tree))


SERVED = {
    "deployment": "backend: deployment",
    "kserve": "backend: kserve, framework: onnx",
    "kubedl": "backend: kubedl, framework: TFServing",
}


@pytest.mark.parametrize("backend", contract.list_names("serving"))
def test_serving_draws_a_logical_name_as_the_claim_that_it_stands_for(backend):
    own = f"serving: {{{SERVED[backend]}, volumes: [{{claim: models, path: /m}}]}}\n"
    uri = record("v1").replace("pvc://", "claim://") + "modelVersion: web-v1\n"
    tree = small().but({GROUP: CLAIMS, OWN: own, V1: uri})
    same = tree.but({OWN: physical(own), V1: physical(uri)})
    assert objects(tree) == objects(same)
    assert "shared" in str(objects(tree))


def test_a_dataset_at_a_uri_is_told_with_the_groups_claim():
    text = TRAINED.replace("{claim: data, path: /data}", 'uri: "claim://data/2026"')
    text = text.replace('dataset: uri: "claim://data/2026"', 'dataset: {uri: "claim://data/2026"}')
    tree = small().but({GROUP: CLAIMS, MODEL: text.replace("FRAMEWORK", "job")})
    found = str(objects(tree))
    assert "pvc://digits/2026" in found
    assert "claim://" not in found


def claimed_leaves(tree):
    """Every leaf that holds one of the claims of the config that sets everything."""
    for draft in drawn(tree).values():
        if draft.key.kind == "PersistentVolumeClaim":
            continue
        for part in (draft.tree, *(inner.tree for _, inner in list_embedded(draft))):
            for leaf in list_leaves(part):
                if isinstance(leaf, Embedded):
                    continue  # its tree is looked at beside it
                found = re.search("shared-models|served-models|lookup-tables", str(plain(leaf)))
                if found is not None:
                    yield found[0], leaf


def test_all_that_is_drawn_of_a_claim_names_its_line_and_the_line_that_asks():
    tree = everything()
    leaves = list(claimed_leaves(tree))
    assert {name for name, _ in leaves} == {"shared-models", "served-models", "lookup-tables"}
    for name, leaf in leaves:
        assert isinstance(leaf, Value), name
        lines = [
            (site.file, tree.files[site.file].decode().splitlines()[site.line - 1])
            for site in leaf.origin.sites()
        ]
        first_file, first_line = lines[0]
        assert first_file.endswith("group.yaml")
        assert f"claim: {name}" in first_line
        asking = [line for file, line in lines if file.startswith("models/torch/")]
        assert any("claim: " in line or "claim://" in line for line in asking), lines


def test_two_groups_have_claims_of_their_own_behind_one_name():
    tree = small().but(
        {
            GROUP: CLAIMS,
            V1: record("v1").replace("pvc://", "claim://"),
            "environments/prod/two/group.yaml": (
                "group: {namespace: ml-two, claims: {models: {claim: copy}}}\n"
            ),
            "environments/prod/two/web.yaml": "",
        }
    )
    found = {
        unit: str(plain(draft.tree))
        for (unit, key), draft in drawn(tree).items()
        if key.kind == "Deployment"
    }
    assert "pvc://shared/web/v1" in found["prod/one/web"]
    assert "pvc://copy/web/v1" in found["prod/two/web"]


def test_the_record_itself_stays_as_it_is_written():
    tree = small().but({GROUP: CLAIMS, V1: record("v1").replace("pvc://", "claim://")})
    (app,) = loaded(tree).apps
    uri = app.records["v1"].storage_uri
    assert uri is not None
    assert uri.value == "claim://models/web/v1"
    resolved = claims.resolve_record(app.spec.group, app.records["v1"]).storage_uri
    assert resolved is not None
    assert resolved.value == "pvc://shared/web/v1"
    (other,) = loaded(tree.but({V1: record("v1")})).apps
    assert claims.resolve_record(other.spec.group, other.records["v1"]) is other.records["v1"]


@pytest.mark.parametrize(
    ("uri", "name"),
    [("claim://models/a", "models"), ("claim://models", "models"), ("claim:///a", "")],
)
def test_the_name_in_a_uri_is_its_first_part(uri, name):
    tree = small().but({V1: record("v1").replace("pvc://models/web/v1", uri)})
    fleet = loaded(tree)
    (found,) = fleet.errors
    assert (found.code, str(found.site)) == ("E_CLAIM_UNKNOWN", f"{V1}:3:1")
    assert f"has no claim {name!r}" in found.message
