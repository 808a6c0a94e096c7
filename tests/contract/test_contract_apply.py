"""Server-side apply: merging, ownership, conflicts, dry-run. Codes as measured on a real server."""

import copy

import pytest

from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.outcome import Done, RefusalCause, Refused, Verb
from reconciler.objects.ownership import owned_by


def meta(outcome):
    assert isinstance(outcome, Done), outcome
    return outcome.body["metadata"]


def live(cluster, body):
    return cluster.get(key_of(body)).body


def test_an_apply_creates_with_uid_version_and_generation(cluster, deployment):
    outcome = cluster.apply(deployment(replicas=2))
    assert outcome.verb is Verb.CREATED
    found = meta(outcome)
    assert found["uid"]
    assert found["resourceVersion"]
    assert found["generation"] == 1
    assert found["creationTimestamp"]


def test_an_apply_without_change_leaves_the_resource_version(cluster, deployment):
    first = cluster.apply(deployment(replicas=2))
    second = cluster.apply(deployment(replicas=2))
    assert second.verb is Verb.UNCHANGED
    assert second.body == first.body


def test_a_changed_spec_moves_version_and_generation_a_label_only_the_version(cluster, deployment):
    first = meta(cluster.apply(deployment(replicas=2)))
    second = meta(cluster.apply(deployment(replicas=3)))
    assert second["generation"] == first["generation"] + 1
    assert second["resourceVersion"] != first["resourceVersion"]
    labelled = deployment(replicas=3)
    labelled["metadata"]["labels"] = {"team": "vision"}
    third = meta(cluster.apply(labelled))
    assert third["generation"] == second["generation"]
    assert third["resourceVersion"] != second["resourceVersion"]


def test_a_kind_without_generation_keeps_none(cluster, config):
    assert "generation" not in meta(cluster.apply(config(a="1")))


def test_another_managers_field_is_a_conflict_that_names_field_and_manager(
    cluster, other, deployment
):
    cluster.apply(deployment(replicas=2))
    other.apply(deployment(replicas=5), force=True)
    outcome = cluster.apply(deployment(replicas=2))
    assert isinstance(outcome, Refused)
    assert (outcome.refusal, outcome.code) == (RefusalCause.FIELD_CONFLICT, 409)
    assert outcome.fields == (".spec.replicas",)
    assert outcome.managers == ("kubectl-edit",)
    assert live(cluster, deployment())["spec"]["replicas"] == 5


def test_a_conflict_inside_a_keyed_list_names_the_element(cluster, other, deployment):
    cluster.apply(deployment())
    edited = deployment(containers=[{"name": "server", "image": "registry.example/s:2"}])
    other.apply(edited, force=True)
    outcome = cluster.apply(deployment())
    assert outcome.fields == ('.spec.template.spec.containers[name="server"].image',)


def test_equal_values_of_two_managers_are_shared_and_no_conflict(cluster, other, config):
    cluster.apply(config(a="1"))
    outcome = other.apply(config(a="1"))
    assert outcome.verb is Verb.UPDATED  # the second owner is recorded
    owners = owned_by(meta(outcome)["managedFields"])
    assert set(owners) >= {cluster.manager, "kubectl-edit"}


def test_force_takes_the_field_over(cluster, other, config):
    cluster.apply(config(a="1"))
    other.apply(config(a="2"), force=True)
    outcome = cluster.apply(config(a="3"), force=True)
    assert outcome.body["data"] == {"a": "3"}
    owners = owned_by(meta(outcome)["managedFields"])
    assert ("f:data", "f:a") not in owners.get("kubectl-edit", ())


def test_a_put_by_another_takes_what_it_changed(cluster, other, config):
    cluster.apply(config(a="1", b="1"))
    body = copy.deepcopy(dict(live(cluster, config())))
    body["data"]["a"] = "2"
    other.replace(body)
    outcome = cluster.apply(config(a="1", b="1"))
    assert outcome.refusal is RefusalCause.FIELD_CONFLICT
    assert outcome.fields == (".data.a",)


def test_a_put_under_our_own_name_conflicts_with_our_apply(cluster, config):
    cluster.apply(config(a="1"))
    body = copy.deepcopy(dict(live(cluster, config())))
    body["data"]["a"] = "2"
    assert cluster.replace(body).verb is Verb.UPDATED
    outcome = cluster.apply(config(a="1"))
    assert outcome.refusal is RefusalCause.FIELD_CONFLICT
    assert outcome.managers == (cluster.manager,)


def test_a_dropped_field_that_was_ours_alone_is_removed(cluster, config):
    cluster.apply(config(a="1", b="1"))
    assert cluster.apply(config(a="1")).body["data"] == {"a": "1"}


def test_a_dropped_field_that_is_shared_stays_with_the_other(cluster, other, config):
    cluster.apply(config(a="1", b="1"))
    other.apply(config(b="1"))
    outcome = cluster.apply(config(a="1"))
    assert outcome.body["data"] == {"a": "1", "b": "1"}
    assert ("f:data", "f:b") not in owned_by(meta(outcome)["managedFields"])[cluster.manager]


def test_a_dropped_field_that_was_edited_by_hand_keeps_the_hand_set_value(
    cluster, other, deployment
):
    cluster.apply(deployment(replicas=2, minReadySeconds=10))
    other.apply(deployment(replicas=2, minReadySeconds=60), force=True)
    outcome = cluster.apply(deployment(replicas=2))
    assert outcome.body["spec"]["minReadySeconds"] == 60


def test_a_dropped_field_with_a_default_falls_back_to_it(cluster, deployment):
    cluster.apply(deployment(replicas=4))
    assert cluster.apply(deployment()).body["spec"]["replicas"] == 1


def test_a_dropped_struct_goes_with_its_defaulted_fields(cluster, deployment):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    first = cluster.apply(deployment(strategy=strategy))
    assert first.body["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == "25%"
    second = cluster.apply(deployment())
    assert second.body["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == "25%"


def test_a_dropped_probe_goes_with_what_was_filled_into_it(cluster, deployment):
    def served(**more):
        return deployment(containers=[{"name": "server", "image": "i:1", **more}])

    probe = {"httpGet": {"path": "/healthz", "port": 8080}}
    first = cluster.apply(served(readinessProbe=probe)).body
    filled = first["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    assert filled["periodSeconds"] == 10
    second = cluster.apply(served()).body
    assert "readinessProbe" not in second["spec"]["template"]["spec"]["containers"][0]


def test_a_map_that_loses_its_last_key_goes_too(cluster, config):
    cluster.apply(config(a="1", labels={"x": "1"}))
    bare = config(a="1")
    del bare["data"]
    outcome = cluster.apply(bare)
    assert "data" not in outcome.body
    assert "labels" not in meta(outcome)


_LIMITED = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}


def test_a_limit_without_a_request_is_the_request_of_a_pod(cluster, namespace):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": namespace},
        "spec": {"containers": [{"name": "server", "image": "i:1", "resources": _LIMITED}]},
    }
    found = cluster.apply(pod).body["spec"]["containers"][0]["resources"]
    assert found["requests"] == {"cpu": "1", "memory": "1Gi"}


def test_in_a_pod_template_a_limit_is_not_yet_a_request(cluster, deployment):
    containers = [{"name": "server", "image": "i:1", "resources": _LIMITED}]
    body = cluster.apply(deployment(containers=containers)).body
    found = body["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert found == _LIMITED


def test_a_dropped_container_goes_whole_and_a_foreign_one_stays(cluster, other, deployment):
    mine = [{"name": "server", "image": "i:1"}, {"name": "helper", "image": "h:1"}]
    cluster.apply(deployment(containers=mine))
    foreign = deployment(containers=[{"name": "sidecar", "image": "s:1"}])
    other.apply(foreign)
    outcome = cluster.apply(deployment(containers=mine[:1]))
    names = [c["name"] for c in outcome.body["spec"]["template"]["spec"]["containers"]]
    assert sorted(names) == ["server", "sidecar"]


def test_a_map_key_named_like_a_struct_field_is_data(cluster, config):
    cluster.apply(config(a="1", labels={"x": "1", "y": "2"}))
    assert meta(cluster.apply(config(a="1", labels={"x": "1"})))["labels"] == {"x": "1"}


def test_lists_of_custom_resources_are_atomic(cluster, other, workflow_template):
    cluster.apply(workflow_template(templates=("a", "b")))
    outcome = other.apply(workflow_template(templates=("a", "c")))
    assert outcome.refusal is RefusalCause.FIELD_CONFLICT
    assert outcome.fields == (".spec.templates",)


def test_defaulted_fields_have_no_owner_and_are_no_conflict(cluster, other, deployment):
    cluster.apply(deployment())
    changed = deployment(revisionHistoryLimit=3)
    outcome = other.apply(changed)
    assert outcome.verb is Verb.UPDATED
    owners = owned_by(meta(outcome)["managedFields"])
    assert ("f:spec", "f:revisionHistoryLimit") in owners["kubectl-edit"]
    assert ("f:spec", "f:revisionHistoryLimit") not in owners[cluster.manager]


def test_ports_are_one_by_number_and_protocol_and_the_protocol_may_be_left_out(cluster, deployment):
    port = {"name": "http", "containerPort": 8080}
    cluster.apply(deployment(containers=[{"name": "server", "image": "i:1", "ports": [port]}]))
    spelt = {**port, "protocol": "TCP"}
    outcome = cluster.apply(
        deployment(containers=[{"name": "server", "image": "i:1", "ports": [spelt]}])
    )
    ports = outcome.body["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert ports == [spelt]


@pytest.mark.parametrize("given", ["1000m", "1", 1])
def test_quantities_come_back_in_one_spelling(cluster, deployment, given):
    resources = {"requests": {"cpu": given}}
    containers = [{"name": "server", "image": "i:1", "resources": resources}]
    outcome = cluster.apply(deployment(containers=containers))
    found = outcome.body["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert found["requests"]["cpu"] == "1"
    again = cluster.apply(deployment(containers=containers))
    assert again.verb is Verb.UNCHANGED


def test_a_status_in_an_apply_is_dropped_where_it_has_its_own_endpoint(cluster, deployment):
    body = {**deployment(), "status": {"readyReplicas": 9}}
    assert "readyReplicas" not in cluster.apply(body).body.get("status", {})


# -- guards ----------------------------------------------------------------------------------------


def test_a_uid_guards_against_resurrecting_a_deleted_object(cluster, config):
    body = config(a="1")
    uid = meta(cluster.apply(body))["uid"]
    cluster.delete(key_of(body), uid=uid)
    body["metadata"]["uid"] = uid
    outcome = cluster.apply(body)
    assert (outcome.refusal, outcome.code) == (RefusalCause.STALE, 409)
    assert not cluster.get(key_of(body)).is_present


def test_the_uid_of_another_object_is_refused(cluster, config):
    body = config(a="1")
    cluster.apply(body)
    body["metadata"]["uid"] = "11111111-2222-4333-8444-555555555555"
    outcome = cluster.apply(body)
    assert (outcome.refusal, outcome.code) == (RefusalCause.STALE, 422)


def test_the_right_uid_applies(cluster, config):
    body = config(a="1")
    body["metadata"]["uid"] = meta(cluster.apply(body))["uid"]
    body["data"]["a"] = "2"
    assert cluster.apply(body).verb is Verb.UPDATED


def test_a_stale_resource_version_in_an_apply_is_refused_without_fields(cluster, config):
    body = config(a="1")
    version = meta(cluster.apply(body))["resourceVersion"]
    cluster.apply(config(a="2"))
    body["metadata"]["resourceVersion"] = version
    outcome = cluster.apply(body)
    assert (outcome.refusal, outcome.code, outcome.fields) == (RefusalCause.STALE, 409, ())


def test_a_resource_version_is_no_guard_against_an_absent_object(cluster, config):
    body = config(a="1")
    body["metadata"]["resourceVersion"] = "1"
    assert cluster.apply(body).verb is Verb.CREATED


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"replicas": "three"}, "expected numeric"),
        ({"replicass": 3}, "not declared"),
        ({"template": {"spec": {"containers": {"name": "x"}}}}, "expected list"),
    ],
)
def test_a_wrong_type_or_unknown_field_is_500_and_permanent(cluster, deployment, change, why):
    outcome = cluster.apply(deployment(**change))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 500)
    assert "failed to create typed patch object" in outcome.message
    assert why in outcome.message


def test_a_selector_that_misses_its_template_is_422(cluster, deployment):
    outcome = cluster.apply(deployment(selector={"matchLabels": {"app": "else"}}))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 422)


def test_a_changed_selector_is_immutable(cluster, deployment):
    cluster.apply(deployment())
    changed = deployment(selector={"matchLabels": {"app": "server", "v": "2"}})
    changed["spec"]["template"]["metadata"]["labels"]["v"] = "2"
    outcome = cluster.apply(changed)
    assert (outcome.refusal, outcome.code) == (RefusalCause.IMMUTABLE, 422)
    assert outcome.fields == ("spec.selector",)


def test_a_jobs_template_is_immutable(cluster, namespace):
    def job(image):
        pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": image}]}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once", "namespace": namespace},
            "spec": {"template": {"spec": pod}},
        }

    first = cluster.apply(job("i:1")).body
    # A real server stores the labels that it copies from the template only at the next write.
    second = cluster.apply(job("i:1")).body
    assert {**second, "metadata": 0} == {**first, "metadata": 0}
    assert second["metadata"]["labels"] == first["metadata"]["labels"]
    assert second["metadata"]["generation"] == 1
    assert cluster.apply(job("i:1")).verb is Verb.UNCHANGED
    outcome = cluster.apply(job("i:2"))
    assert (outcome.refusal, outcome.code) == (RefusalCause.IMMUTABLE, 422)
    assert outcome.fields == ("spec.template",)


def test_an_immutable_config_map_refuses_new_data(cluster, config):
    body = {**config(a="1"), "immutable": True}
    cluster.apply(body)
    outcome = cluster.apply({**config(a="2"), "immutable": True})
    assert outcome.refusal is RefusalCause.IMMUTABLE


@pytest.mark.parametrize("name", ["Upper", "under_score", "-lead", "a" * 254, "a..b"])
def test_a_name_that_is_not_rfc_1123_is_422(cluster, config, name):
    outcome = cluster.apply(config(name=name, a="1"))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 422)


def test_a_kind_that_is_not_served_is_404_without_an_object(cluster, namespace):
    body = {
        "apiVersion": "nobody.example/v1",
        "kind": "Nothing",
        "metadata": {"name": "x", "namespace": namespace},
    }
    outcome = cluster.apply(body)
    assert (outcome.refusal, outcome.code) == (RefusalCause.NOT_SERVED, 404)
    assert cluster.list(GroupKind("nobody.example", "Nothing")).items == ()


def test_a_version_that_is_not_served_is_404(cluster, config):
    outcome = cluster.apply({**config(a="1"), "apiVersion": "v9"})
    assert outcome.refusal is RefusalCause.NOT_SERVED


def test_a_missing_namespace_is_404_and_names_it_also_in_a_dry_run(cluster, config):
    body = config(a="1")
    body["metadata"]["namespace"] = "nowhere"
    for outcome in (cluster.apply(body), cluster.dry_run(body), cluster.create(body)):
        assert (outcome.refusal, outcome.code) == (RefusalCause.NAMESPACE_MISSING, 404)
        assert "nowhere" in outcome.message


def test_a_config_map_above_one_mebibyte_is_422(cluster, config):
    outcome = cluster.apply(config(a="x" * (1024 * 1024 + 1)))
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 422)


# -- dry run ---------------------------------------------------------------------------------------


def test_a_dry_run_predicts_and_never_writes(cluster, config):
    body = config(a="1")
    outcome = cluster.dry_run(body)
    assert outcome.verb is Verb.CREATED
    assert not outcome.body["metadata"].get("resourceVersion")
    assert not cluster.get(key_of(body)).is_present

    made = cluster.apply(body)
    predicted = cluster.dry_run(config(a="2", b="1"))
    assert predicted.body["data"] == {"a": "2", "b": "1"}
    assert predicted.body["metadata"]["resourceVersion"] == meta(made)["resourceVersion"]
    assert live(cluster, body) == made.body


def test_a_dry_run_fills_the_same_defaults_as_the_apply(cluster, deployment):
    predicted = cluster.dry_run(deployment(replicas=2)).body["spec"]
    assert predicted == cluster.apply(deployment(replicas=2)).body["spec"]


def test_a_dry_run_finds_the_conflict_that_the_apply_would(cluster, other, config):
    cluster.apply(config(a="1"))
    other.apply(config(a="2"), force=True)
    outcome = cluster.dry_run(config(a="1"))
    assert (outcome.refusal, outcome.managers) == (RefusalCause.FIELD_CONFLICT, ("kubectl-edit",))
    assert cluster.dry_run(config(a="1"), force=True).body["data"] == {"a": "1"}
    assert live(cluster, config())["data"] == {"a": "2"}


def test_a_dry_run_delete_leaves_the_object(cluster, config):
    body = config(a="1")
    uid = meta(cluster.apply(body))["uid"]
    assert isinstance(cluster.dry_run_delete(key_of(body), uid=uid), Done)
    assert cluster.get(key_of(body)).is_present
    refused = cluster.dry_run_delete(key_of(body), uid="11111111-2222-4333-8444-555555555555")
    assert refused.refusal is RefusalCause.STALE


def test_the_identity_is_the_uid_of_kube_system(cluster):
    key = ObjectKey("", "Namespace", "", "kube-system")
    assert cluster.identity() == cluster.get(key).uid
    assert cluster.identity()
