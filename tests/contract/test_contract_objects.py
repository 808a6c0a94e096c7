"""POST, PUT, DELETE, lists, owners and namespaces. Codes as measured on a real server."""

import copy

import pytest

from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.outcome import Done, RefusalCause, Verb

CONFIG = GroupKind("", "ConfigMap")


def made(outcome):
    assert isinstance(outcome, Done), outcome
    return outcome.body["metadata"]


def test_a_post_on_a_taken_name_already_exists(cluster, config):
    assert cluster.create(config(a="1")).verb is Verb.CREATED
    outcome = cluster.create(config(a="2"))
    assert (outcome.refusal, outcome.code) == (RefusalCause.ALREADY_EXISTS, 409)


def test_a_put_with_the_version_read_swaps(cluster, config):
    body = dict(cluster.create(config(a="1")).body)
    body["data"] = {"a": "2"}
    outcome = cluster.replace(body)
    assert outcome.verb is Verb.UPDATED
    assert outcome.body["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]


def test_a_put_with_a_stale_version_is_409(cluster, config):
    body = dict(cluster.create(config(a="1")).body)
    cluster.apply(config(a="1", b="1"))
    outcome = cluster.replace({**body, "data": {"a": "3"}})
    assert (outcome.refusal, outcome.code) == (RefusalCause.STALE, 409)


def test_a_put_on_an_absent_object_is_404(cluster, config):
    outcome = cluster.replace(config(a="1"))
    assert (outcome.refusal, outcome.code) == (RefusalCause.ABSENT, 404)


def test_a_put_without_version_on_a_lease_is_422(cluster, namespace):
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "group", "namespace": namespace},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15},
    }
    cluster.create(lease)
    outcome = cluster.replace(lease)
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 422)


def test_a_put_that_changes_nothing_keeps_the_version(cluster, config):
    body = cluster.create(config(a="1")).body
    outcome = cluster.replace(copy.deepcopy(dict(body)))
    assert outcome.body["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]


def test_absent_is_not_unread(cluster, config):
    seen = cluster.get(key_of(config()))
    assert (seen.presence, seen.uid, seen.body) == ("absent", "", None)


# -- lists -----------------------------------------------------------------------------------------


def test_a_list_takes_all_labels_together_and_one_namespace(cluster, config, namespace):
    for name, labels in {
        "both": {"team": "vision", "tier": "prod"},
        "one": {"team": "vision"},
        "none": {},
    }.items():
        cluster.apply(config(name=name, labels=labels, a="1"))
    found = cluster.list(CONFIG, namespace, {"team": "vision", "tier": "prod"})
    assert [item.key.name for item in found.items] == ["both"]
    found = cluster.list(CONFIG, namespace, {"team": "vision"})
    assert [item.key.name for item in found.items] == ["both", "one"]
    assert all(item.body["kind"] == "ConfigMap" for item in found.items)


def test_a_list_without_namespace_is_the_whole_cluster(cluster, config):
    cluster.apply(config(labels={"only": "here"}, a="1"))
    assert len(cluster.list(CONFIG, labels={"only": "here"}).items) == 1


def test_what_is_read_is_a_copy(cluster, config):
    cluster.apply(config(a="1"))
    cluster.get(key_of(config())).body["data"]["a"] = "mine"
    assert cluster.get(key_of(config())).body["data"]["a"] == "1"


@pytest.mark.parametrize(
    ("kind", "namespaced"),
    [
        (GroupKind("", "Namespace"), False),
        (GroupKind("apps", "Deployment"), True),
        (GroupKind("coordination.k8s.io", "Lease"), True),
    ],
)
def test_discovery_knows_scope_and_plural(cluster, kind, namespaced):
    found = cluster.discover().kinds[kind]
    assert found.namespaced is namespaced
    assert found.plural == f"{kind.kind.lower()}s"


# -- delete ----------------------------------------------------------------------------------------


def test_a_delete_removes(cluster, config):
    uid = made(cluster.apply(config(a="1")))["uid"]
    assert cluster.delete(key_of(config()), uid=uid).verb is Verb.DELETED
    assert not cluster.get(key_of(config())).is_present


def test_a_delete_of_an_absent_object_is_404(cluster, config):
    outcome = cluster.delete(key_of(config()), uid="")
    assert (outcome.refusal, outcome.code) == (RefusalCause.ABSENT, 404)


def test_a_delete_with_a_foreign_uid_is_409(cluster, config):
    cluster.apply(config(a="1"))
    outcome = cluster.delete(key_of(config()), uid="11111111-2222-4333-8444-555555555555")
    assert (outcome.refusal, outcome.code) == (RefusalCause.STALE, 409)
    assert cluster.get(key_of(config())).is_present


def test_a_delete_with_a_stale_version_is_409(cluster, config):
    old = made(cluster.apply(config(a="1")))
    cluster.apply(config(a="2"))
    outcome = cluster.delete(
        key_of(config()), uid=old["uid"], resource_version=old["resourceVersion"]
    )
    assert (outcome.refusal, outcome.code) == (RefusalCause.STALE, 409)
    now = cluster.get(key_of(config()))
    outcome = cluster.delete(key_of(config()), uid=now.uid, resource_version=now.resource_version)
    assert outcome.verb is Verb.DELETED


def test_an_object_made_anew_has_another_uid(cluster, config):
    first = made(cluster.apply(config(a="1")))["uid"]
    cluster.delete(key_of(config()), uid=first)
    assert made(cluster.apply(config(a="1")))["uid"] != first


# -- finalizers ------------------------------------------------------------------------------------


@pytest.fixture
def held(cluster, other, config):
    """A ConfigMap of ours that another's finalizer holds, already being deleted."""
    body = config(a="1")
    cluster.apply(body)
    edited = copy.deepcopy(dict(cluster.get(key_of(body)).body))
    edited["metadata"]["finalizers"] = ["example.com/hold"]
    other.replace(edited)
    uid = cluster.get(key_of(body)).uid
    outcome = cluster.delete(key_of(body), uid=uid)
    assert outcome.verb is Verb.ACCEPTED
    return body


def test_a_finalizer_turns_a_delete_into_waiting(cluster, held):
    seen = cluster.get(key_of(held))
    assert seen.is_present
    assert seen.is_terminating


def test_an_apply_on_a_terminating_object_succeeds_and_does_not_save_it(cluster, held):
    outcome = cluster.apply({**held, "data": {"a": "2"}})
    assert outcome.verb is Verb.UPDATED
    assert outcome.body["metadata"]["deletionTimestamp"]


def test_taking_the_last_finalizer_off_removes_the_object(cluster, other, held):
    body = copy.deepcopy(dict(cluster.get(key_of(held)).body))
    del body["metadata"]["finalizers"]
    other.replace(body)
    assert not cluster.get(key_of(held)).is_present


def test_an_apply_that_drops_our_last_finalizer_removes_the_object(cluster, config):
    body = config(a="1")
    body["metadata"]["finalizers"] = ["example.com/ours"]
    uid = made(cluster.apply(body))["uid"]
    assert cluster.delete(key_of(body), uid=uid).verb is Verb.ACCEPTED
    cluster.apply(config(a="1"))
    assert not cluster.get(key_of(body)).is_present


# -- owners ----------------------------------------------------------------------------------------


@pytest.fixture
def family(cluster, config):
    """An owner, its child alone, and a child that it shares with another owner."""

    def reference(name):
        uid = made(cluster.apply(config(name=name, a="1")))["uid"]
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}

    first, second = reference("first"), reference("second")
    for name, owners in {"alone": [first], "shared": [first, second]}.items():
        body = config(name=name, a="1")
        body["metadata"]["ownerReferences"] = owners
        cluster.create(body)
    return first["uid"]


def test_a_background_delete_takes_what_it_owned_alone(cluster, until, family, config):
    outcome = cluster.delete(key_of(config(name="first")), uid=family)
    assert outcome.verb is Verb.DELETED  # the owner goes at once
    assert until(lambda: not cluster.get(key_of(config(name="alone"))).is_present)
    key = key_of(config(name="shared"))
    assert until(lambda: len(cluster.get(key).body["metadata"]["ownerReferences"]) == 1)
    shared = cluster.get(key_of(config(name="shared"))).body["metadata"]
    assert [owner["name"] for owner in shared["ownerReferences"]] == ["second"]


def test_an_orphaning_delete_leaves_its_children(cluster, until, family, config):
    cluster.delete(key_of(config(name="first")), uid=family, orphan=True)
    assert until(lambda: not cluster.get(key_of(config(name="first"))).is_present)
    alone = cluster.get(key_of(config(name="alone")))
    assert alone.is_present
    assert not alone.body["metadata"].get("ownerReferences")


# -- namespaces ------------------------------------------------------------------------------------


def test_a_terminating_namespace_takes_updates_and_refuses_new_objects(
    cluster, held, namespace, config
):
    home = ObjectKey("", "Namespace", "", namespace)
    outcome = cluster.delete(home, uid=cluster.get(home).uid)
    assert outcome.verb is Verb.ACCEPTED
    assert cluster.get(home).is_terminating
    refused = cluster.apply(config(name="late", a="1"))
    assert (refused.refusal, refused.code) == (RefusalCause.TERMINATING, 403)
    assert cluster.apply({**held, "data": {"a": "2"}}).verb is Verb.UPDATED


def test_a_deleted_namespace_takes_its_content_along(cluster, until, namespace, config):
    for index in range(30):
        cluster.apply(config(name=f"c{index}", a="1"))
    home = ObjectKey("", "Namespace", "", namespace)
    cluster.delete(home, uid=cluster.get(home).uid)
    assert until(lambda: not cluster.get(home).is_present)
    assert cluster.list(CONFIG, namespace).items == ()


# -- status ----------------------------------------------------------------------------------------


def test_a_put_cannot_set_the_status_of_a_kind_with_an_endpoint_for_it(cluster, deployment):
    body = copy.deepcopy(dict(cluster.apply(deployment()).body))
    body["status"] = {"readyReplicas": 7}
    assert "readyReplicas" not in cluster.replace(body).body.get("status", {})


def test_without_a_status_subresource_a_put_sets_it_and_moves_the_generation(
    cluster, workflow_template
):
    body = copy.deepcopy(dict(cluster.apply(workflow_template()).body))
    body["status"] = {"seen": "yes"}
    outcome = cluster.replace(body)
    assert outcome.body["status"] == {"seen": "yes"}
    assert outcome.body["metadata"]["generation"] == body["metadata"]["generation"] + 1
