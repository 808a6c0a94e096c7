"""A version record is not edited: not against a base revision, and not against what is applied."""

import pytest

from reconciler.engine import review
from reconciler.engine.guards import records
from reconciler.objects.key import ObjectKey
from tests import flow, support
from tests.cli.conftest import Repo
from tests.support import NOW, loaded, select, small

V1 = "models/web/versions/v1.yaml"
V2 = "models/web/versions/v2.yaml"


def edited(tree, old, new, path=V1):
    text = tree.files[path].decode()
    assert old in text
    return tree.but({path: text.replace(old, new, 1)})


def told(head, base):
    seen = review.review(head, select(), NOW, base=base)
    return [(d.path, str(d.site)) for d in seen.diagnostics if d.code == "E_RECORD_EDITED"]


ADDED = support.record("v1") + "metrics: {accuracy: 0.9}\nlicence: MIT\n"
EDITS = {
    "the digest": ("digest: sha256:3", "digest: sha256:4", ("digest", f"{V1}:2:1")),
    "the URI": ("storageUri: pvc", "storageUri: s3", ("storageUri", f"{V1}:3:1")),
    "the image": ("web@sha256:3", "web@sha256:4", ("image", f"{V1}:4:1")),
    "a metric": ("accuracy: 0.9", "accuracy: 0.99", ("metrics", f"{V1}:5:11")),
    "a metric that is gone": ("metrics: {accuracy: 0.9}\n", "", ("metrics", f"{V1}:1:1")),
    "the licence": ("licence: MIT", "licence: BSD", ("licence", f"{V1}:6:1")),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_field_of_a_record_is_refused_against_the_base_at_its_line(name):
    base = small().but({V1: ADDED})
    old, new, place = EDITS[name]
    assert told(edited(base, old, new), base) == [place]


def test_a_record_that_the_base_could_not_read_is_not_compared():
    bad = loaded(small().but({"models/web/model.yaml": "model: 7\n"}))
    assert records.compare_with_base(loaded(small()), bad) == ()


def test_a_new_record_and_facts_that_are_added_later_are_fine():
    base = small().but({V2: None})
    assert told(small().but({V1: ADDED}), base) == []


def test_a_uri_that_is_added_later_is_not():
    base = edited(small(), "storageUri: pvc://models/web/v1\n", "")
    assert told(small(), base) == [("storageUri", f"{V1}:3:1")]


def test_check_and_plan_refuse_an_edited_record_against_a_base(tmp_path):
    repo = Repo(tmp_path, small().files)
    repo.commit()
    repo.edit(V1, "storageUri: pvc", "storageUri: s3")
    assert repo.run("check")[0] == 0
    for command in ("check", "plan"):
        code, out = repo.run(command, "--base", "HEAD")
        assert code == 1, out
        assert f"--> {V1}:3:1" in out
        assert "storageUri of the record of v1 is edited" in out


LIVE = {
    "the digest": ("digest: sha256:3", "digest: sha256:4", ":2:1: the record of v1 was edited"),
    "the URI": ("storageUri: pvc", "storageUri: s3", ":3:1: the record of v1 was edited"),
}


@pytest.fixture
def place():
    made = flow.world()
    yield made
    made.close()


@pytest.mark.parametrize("name", LIVE)
def test_an_edited_record_is_refused_against_what_is_applied(place, name):
    tree = small()
    support.applied(tree, place.cluster)
    old, new, text = LIVE[name]
    seen = support.reviewed(edited(tree, old, new), place.cluster)
    assert seen.plan is not None
    (refusal,) = seen.plan.refusals
    assert refusal.code == "E_RECORD_EDITED"
    assert V1 + text in refusal.text
    assert not any(c.goes for app in seen.plan.apps for c in app.changes())


def test_a_record_that_is_not_applied_yet_may_change(place):
    tree = small()
    support.applied(tree, place.cluster)
    seen = support.reviewed(edited(tree, "sha256:", "sha256:", V2), place.cluster)
    assert seen.plan is not None
    assert not seen.plan.refusals


def test_a_field_that_a_person_took_is_drift_and_not_an_edited_record(place):
    tree = small()
    support.applied(tree, place.cluster)

    def take(body):
        (server,) = body["spec"]["template"]["spec"]["containers"]
        (uri,) = [v for v in server["env"] if v["name"] == "MODEL_URI"]
        uri["value"] = "s3://elsewhere"

    place.cluster.edit(ObjectKey("apps", "Deployment", "ml-one", "web-v1"), take)
    seen = support.reviewed(tree, place.cluster)
    assert seen.plan is not None
    assert not seen.plan.refusals
    assert [c.key.name for app in seen.plan.apps for c in app.changes() if c.goes] == ["web-v1"]


GROUP = "environments/prod/one/group.yaml"
CLAIMED = small().but(
    {
        V1: support.record("v1").replace("pvc://", "claim://"),
        GROUP: "group: {namespace: ml-one, claims: {models: {claim: shared}}}\n",
    }
)


def test_an_edited_path_in_a_named_claim_is_refused_against_what_is_applied(place):
    support.applied(CLAIMED, place.cluster)
    seen = support.reviewed(edited(CLAIMED, "web/v1\nimage", "web/v9\nimage"), place.cluster)
    assert seen.plan is not None
    (refusal,) = seen.plan.refusals
    assert refusal.code == "E_RECORD_EDITED"
    assert "it says claim://models/web/v9, and pvc://shared/web/v1 is applied" in refusal.text


def test_another_claim_of_the_group_is_no_edited_record(place):
    support.applied(CLAIMED, place.cluster)
    seen = support.reviewed(edited(CLAIMED, "claim: shared", "claim: moved", GROUP), place.cluster)
    assert seen.plan is not None
    assert not seen.plan.refusals
    assert [c.key.name for app in seen.plan.apps for c in app.changes() if c.goes] == ["web-v1"]


@pytest.mark.parametrize("scheme", ["pvc://", "claim://"])
@pytest.mark.parametrize("backend", ["kserve, framework: onnx", "deployment"])
def test_what_is_drawn_of_a_whole_server_is_no_edited_record(place, backend, scheme):
    """KServe's pods carry a digest of all their content, so of the record's lines too."""
    own = f"serving: {{backend: {backend}, resources: {{memory: 2Gi}}}}\n"
    tree = CLAIMED.but(
        {
            V1: support.record("v1").replace("pvc://", scheme),
            "environments/prod/one/web.yaml": own,
        }
    )
    support.applied(tree, place.cluster)
    larger = tree.but({"environments/prod/one/web.yaml": own.replace("2Gi", "6Gi")})
    seen = support.reviewed(larger, place.cluster)
    assert seen.plan is not None
    assert not seen.plan.refusals
    assert [c.key.name for app in seen.plan.apps for c in app.changes() if c.goes] == ["web-v1"]
