"""Odd things between Git and a real API server, one group each: what is written, what is held, and
what is said. Ids are those of `tests/faults/README.md`."""

import json

import pytest
import yaml

from reconciler.apply.effect import Apply
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import Done, RefusalCause
from reconciler.plan import inventory, records
from tests.cluster.place import Group, config_map, held, problems
from tests.controlplane.fixtures import client, eventually

SECRET = "hunter2-Kanarienvogel"


@pytest.fixture
def group(control_plane, real_cluster):
    made = Group(control_plane, client(control_plane))
    yield made
    # A damaged inventory is told in the runs of all other groups.
    key = inventory.inventory_key(made.unit)
    made.cluster.delete(key, uid="")
    made.cluster.close()


@pytest.fixture
def person(group):
    return group.cluster.acting_as("kubectl-edit")


def definition(kind, scope="Namespaced", schema=None):
    plural = f"{kind.lower()}s"
    names = f"{{kind: {kind}, plural: {plural}, singular: {kind.lower()}}}"
    shape = schema or "{type: object, x-kubernetes-preserve-unknown-fields: true}"
    return (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        f"metadata: {{name: {plural}.fault.example.org}}\n"
        f"spec:\n  group: fault.example.org\n  scope: {scope}\n  names: {names}\n"
        f"  versions:\n  - {{name: v1, served: true, storage: true, "
        f"schema: {{openAPIV3Schema: {shape}}}}}\n"
    )


def custom(kind, name, spec="{}", version="v1"):
    return (
        f"apiVersion: fault.example.org/{version}\nkind: {kind}\n"
        f"metadata: {{name: {name}}}\nspec: {spec}\n"
    )


def allowing(*kinds):
    return f"  clusterScoped: [{', '.join(kinds)}]\n"


CRDS = allowing("CustomResourceDefinition.apiextensions.k8s.io")


# -- scope: F45 ------------------------------------------------------------------------------------

CLUSTER_SCOPED = {
    "ClusterRoleBinding.rbac.authorization.k8s.io": (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: x}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n"
    ),
    "CustomResourceDefinition.apiextensions.k8s.io": definition("Denied"),
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io": (
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\n"
        "metadata: {name: x}\n"
    ),
    "Namespace": "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-public}\n",
}


@pytest.mark.parametrize("kind", CLUSTER_SCOPED)
def test_a_cluster_scoped_kind_is_denied_unless_the_group_may_have_it(group, kind):
    tree = group.tree(CLUSTER_SCOPED[kind], config_map("a"))
    report, writes = group.run(tree)
    codes = [d.code for s in report.sections for d in getattr(s, "diagnostics", ()) if d.is_error]
    assert (report.exit_code, codes) == (1, ["E_SCOPE"])
    assert {w.resource for w in writes} <= {"namespaces", "configmaps"}
    assert not [w for w in writes if w.name in ("a", "x", "kube-public")]
    allowed = group.review(group.tree(CLUSTER_SCOPED[kind], group=allowing(kind)))
    assert "E_SCOPE" not in {d.code for d in allowed.diagnostics}


def test_a_custom_kind_that_only_the_server_knows_as_cluster_scoped_is_denied(group, person):
    made = person.apply(yaml.safe_load(definition("Globe", "Cluster")))
    assert isinstance(made, Done), made
    globe = GroupKind("fault.example.org", "Globe")
    assert eventually(lambda: globe in group.cluster.discover().kinds)
    group.settled(group.tree(config_map("a")))
    tree = group.tree(custom("Globe", "g"), config_map("a"))
    report, writes = group.run(tree)
    assert report.exit_code == 4
    assert "is cluster-scoped" in held(report)["g"]
    assert "clusterScoped: [Globe.fault.example.org]" in held(report)["g"]
    assert "globes" not in {w.resource for w in writes}
    allowed = group.tree(custom("Globe", "g"), group=allowing("Globe.fault.example.org"))
    group.settled(allowed)
    assert group.cluster.get(ObjectKey(*globe, "", "g")).is_present
    assert group.plan(allowed).has_changes is False


# -- ownership: F49, F51, F53 ----------------------------------------------------------------------


def tampered(group, change):
    key = inventory.inventory_key(group.unit)
    body = json.loads(json.dumps(group.cluster.get(key).body))
    change(body["data"])
    assert isinstance(group.cluster.acting_as("kubectl-edit").replace(body), Done)
    return group.cluster.get(key)


def _foreign(data):
    data["members"] += "\n- v1 ConfigMap kube-system coredns - - -"


def _another_uid(data):
    fields = data["members"].split(" ")
    data["members"] = " ".join([*fields[:5], "0" * 8, *fields[6:]])


def _cut(data):
    data["members"] = data["members"][:-5]


def _json_of_it(data):
    data["members"] = '{"a": [}'


@pytest.mark.parametrize("change", [_foreign, _another_uid, _cut, _json_of_it])
def test_a_tampered_inventory_stops_its_app_and_no_delete_leaves(group, change):
    tree = group.tree(config_map("a"), config_map("b"))
    group.settled(tree)
    before = tampered(group, change)
    for wanted in (group.tree(config_map("a", "{a: two}")), group.tree()):
        report, writes = group.run(wanted)
        assert report.exit_code == 4, report.closing
        assert writes == []
    after = group.cluster.get(before.key)
    assert after.resource_version == before.resource_version
    assert group.live("ConfigMap", "b")["data"] == {"a": "one"}


def test_a_forged_entry_with_a_right_digest_deletes_nothing_foreign(group, person):
    """Not even where the forger knows the uid."""
    tree = group.tree(config_map("a"), config_map("b"))
    group.settled(tree)
    theirs = person.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "coredns", "namespace": group.namespace},
        }
    )
    seen = group.cluster.get(inventory.inventory_key(group.unit))
    found = records.from_body(seen.body)
    forged = inventory.Member(
        group.key("ConfigMap", "coredns"), "v1", theirs.body["metadata"]["uid"], "m", "l"
    )
    body = records.to_body(found.union([forged]))
    assert isinstance(person.replace(body), Done)
    _, writes = group.run(tree)
    assert "delete" not in {w.verb for w in writes}
    assert group.live("ConfigMap", "coredns") is not None


def test_what_git_names_by_its_uid_is_adopted_and_an_object_made_anew_is_not(group):
    group.settled(group.tree(config_map("a")))
    terraform = group.cluster.acting_as("terraform")
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "theirs", "namespace": group.namespace},
        "data": {"a": "theirs", "b": "kept"},
    }
    uid = terraform.apply(body).body["metadata"]["uid"]
    report, _ = group.run(group.tree(config_map("a"), config_map("theirs")))
    assert f"ml-reconciler.dev/adopt: {uid} would adopt it" in held(report)["theirs"]
    mark = f"{{ml-reconciler.dev/adopt: {uid}}}"
    adopting = group.tree(config_map("a"), config_map("theirs", annotations=mark))
    group.settled(adopting)
    live = group.live("ConfigMap", "theirs")
    assert (live["metadata"]["uid"], live["data"]) == (uid, {"a": "one", "b": "kept"})
    recorded = records.from_body(group.cluster.get(inventory.inventory_key(group.unit)).body)
    assert recorded.find(group.key("ConfigMap", "theirs")).uid == uid

    group.cluster.delete(group.key("ConfigMap", "theirs"), uid=uid)
    terraform.apply(body)
    report, writes = group.run(adopting)
    assert "is not the one to adopt" in held(report)["theirs"]
    assert "theirs" not in {w.name for w in writes}


# -- what a server says: F57, F61 ------------------------------------------------------------------


def _secret(group, **fields):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": group.namespace},
        **fields,
    }


def test_no_error_about_a_secret_shows_a_value_of_it(group):
    group.settled(group.tree(config_map("a")))
    refusals = [
        group.cluster.apply(_secret(group, data={"password": f"%%{SECRET}"})),
        group.cluster.apply(_secret(group, data={"password": [SECRET]})),
        group.cluster.apply(_secret(group, data=SECRET)),
        group.cluster.create(_secret(group, stringData={"password": {"x": SECRET}})),
        group.cluster.apply(_secret(group, type="kubernetes.io/tls", stringData={"a": SECRET})),
    ]
    kept = _secret(group, immutable=True, stringData={"password": SECRET})
    assert isinstance(group.cluster.apply(kept), Done)
    refusals.append(group.cluster.apply({**kept, "stringData": {"password": f"{SECRET}2"}}))
    for refused in refusals:
        assert refused.refusal in (RefusalCause.INVALID, RefusalCause.IMMUTABLE), refused
        assert SECRET not in repr(refused)
        assert "Kanarienvogel" not in repr(refused)
    assert [r.fields for r in refusals[1:3]] == [(".data.password",), (".data",)]
    assert refusals[-1].message == "422 Invalid: data"


def test_a_wrong_type_is_sent_once_and_names_its_field(group):
    schema = (
        "{type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}"
    )
    group.settled(group.tree(definition("Typed", schema=schema), group=CRDS))
    tree = group.tree(
        definition("Typed", schema=schema), custom("Typed", "t", "{sise: 1}"), group=CRDS
    )
    mark = group.audit.mark()
    report, writes = group.run(tree)
    asked = [e for e in group.audit.since(mark) if e.resource == "typeds" and e.verb == "patch"]
    assert [(e.code, e.dry) for e in asked] == [(500, True)]
    assert "typeds" not in {w.resource for w in writes}
    assert report.exit_code == 4
    assert ".spec.sise" in held(report)["t"]
    body = yaml.safe_load(custom("Typed", "t", "{size: big}"))
    body["metadata"]["namespace"] = group.namespace
    mark = group.audit.mark()
    outcome = group.cluster.apply(body)
    assert (outcome.refusal, outcome.code) == (RefusalCause.INVALID, 500)
    assert outcome.fields == (".spec.size",)
    assert len(group.audit.since(mark)) == 1


# -- apply and prune: F89, F97, F99, F101, F103 ----------------------------------------------------


def test_what_a_run_cut_short_had_made_goes_when_its_commit_is_reverted(group, person):
    """The seventh of twelve is refused: by a rule that held only when it was its turn."""
    group.settled(group.tree(config_map("a")))
    stolen = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "m07", "namespace": group.namespace},
        "immutable": True,
    }

    def before(effect):
        if isinstance(effect, Apply) and effect.change.key.name == "m07":
            assert isinstance(person.create(stolen), Done)

    wanted = group.tree(config_map("a"), *(config_map(f"m{n:02}") for n in range(1, 13)))
    report, _ = group.run(wanted, before=before)
    assert report.exit_code == 6
    assert "made it after the plan found it absent" in str(problems(report))
    names = [f"m{n:02}" for n in range(1, 13)]
    assert [n for n in names if group.live("ConfigMap", n)] == names[:7]
    report, writes = group.run(group.tree(config_map("a")))
    assert report.exit_code == 0, report.closing
    assert [w.name for w in writes if w.verb == "delete"] == names[:6]
    assert group.live("ConfigMap", "m07")["immutable"] is True


def test_a_namespace_that_nobody_makes_is_named_and_one_of_ours_is_made_first(group):
    report, writes = group.run(group.tree(config_map("a"), group="  createNamespace: false\n"))
    assert report.exit_code == 4
    assert held(report)["a"] == f"the namespace {group.namespace} does not exist"
    assert group.namespace not in {w.namespace for w in writes}
    group.settled(group.tree(config_map("a")))
    assert group.live("ConfigMap", "a")["data"] == {"a": "one"}


def test_an_object_that_a_finalizer_holds_is_deleted_once_and_stays_recorded(group, person):
    group.settled(group.tree(config_map("a"), config_map("b")))
    body = dict(group.live("ConfigMap", "b"))
    body["metadata"] = {**body["metadata"], "finalizers": ["example.org/hold"]}
    assert isinstance(person.replace(body), Done)
    gone = group.tree(config_map("a"))
    deletes = []
    for _ in range(3):
        report, writes = group.run(gone)
        deletes += [w.name for w in writes if w.verb == "delete"]
        assert report.exit_code == 6, report.closing
    assert deletes == ["b"]
    assert "a finalizer holds it" in str(problems(report))
    live = group.live("ConfigMap", "b")
    assert live["metadata"]["finalizers"] == ["example.org/hold"]
    key = inventory.inventory_key(group.unit)
    assert group.key("ConfigMap", "b") in {
        m.key for m in records.from_body(group.cluster.get(key).body).members
    }

    live["metadata"]["finalizers"] = []
    person.replace(live)
    assert eventually(lambda: group.live("ConfigMap", "b") is None)
    group.settled(gone)
    found = records.from_body(group.cluster.get(key).body)
    assert group.key("ConfigMap", "b") not in {m.key for m in found.members}


def test_a_finalizer_that_we_once_applied_is_not_released_by_our_apply(group):
    """An older version may have: finalizers are refused in Git by now."""
    group.settled(group.tree(config_map("a"), config_map("b")))
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "b",
            "namespace": group.namespace,
            "finalizers": ["example.org/ours"],
            "labels": group.live("ConfigMap", "b")["metadata"]["labels"],
        },
        "data": {"a": "one"},
    }
    uid = group.cluster.apply(body).body["metadata"]["uid"]
    group.cluster.delete(group.key("ConfigMap", "b"), uid=uid)
    for data in ("{a: one}", "{a: two}"):
        report, writes = group.run(group.tree(config_map("a"), config_map("b", data)))
        assert "is being deleted" in held(report)["b"]
        assert "b" not in {w.name for w in writes}
    live = group.live("ConfigMap", "b")
    assert live["metadata"]["uid"] == uid
    assert live["metadata"]["finalizers"] == ["example.org/ours"]


def test_a_finalizer_of_ours_stays_also_while_the_object_lives(group):
    group.settled(group.tree(config_map("b")))
    labels = group.live("ConfigMap", "b")["metadata"]["labels"]
    meta = {"name": "b", "namespace": group.namespace, "labels": labels}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "one"}}
    group.cluster.apply({**body, "metadata": {**meta, "finalizers": ["example.org/ours"]}})
    deleted = []

    def before(effect):
        """Deleted by somebody after the plan was made, ahead of the write."""
        if isinstance(effect, Apply) and not deleted:
            uid = group.live("ConfigMap", "b")["metadata"]["uid"]
            deleted.append(group.cluster.acting_as("kubectl").delete(effect.change.key, uid=uid))

    group.run(group.tree(config_map("b", "{a: two}")), before=before)
    assert deleted
    live = group.live("ConfigMap", "b")
    assert live is not None
    assert live["metadata"]["finalizers"] == ["example.org/ours"]


def test_an_object_deleted_between_read_and_write_is_not_brought_back_blindly(group, person):
    group.settled(group.tree(config_map("a"), config_map("b")))
    key = group.key("ConfigMap", "b")

    def before(effect):
        if isinstance(effect, Apply) and effect.change.key == key:
            person.delete(key, uid=effect.change.expects.uid)

    changed = group.tree(config_map("a"), config_map("b", "{a: two}"))
    mark = group.audit.mark()
    report, _ = group.run(changed, before=before)
    codes = [e.code for e in group.audit.since(mark) if e.name == "b" and e.mutates]
    assert codes == [200, 409]
    assert report.exit_code == 6
    assert not group.cluster.get(key).is_present
    group.settled(changed)
    assert group.live("ConfigMap", "b")["data"] == {"a": "two"}


# -- inventories of other versions: F143 -----------------------------------------------------------


def test_an_inventory_of_a_newer_schema_is_refused_untouched(group):
    group.settled(group.tree(config_map("a"), config_map("b")))
    before = tampered(group, lambda data: data.update(schemaVersion="99"))
    report, writes = group.run(group.tree(config_map("a", "{a: two}")))
    assert (report.exit_code, writes) == (4, [])
    assert group.cluster.get(before.key).body == before.body


def _older(data):
    data["schemaVersion"] = "1"
    for name in ("tool", "served", "epoch", "applyAs"):
        data.pop(name)


def test_an_older_inventory_is_migrated_once(group):
    tree = group.tree(config_map("a"), config_map("b"))
    group.settled(tree)
    tampered(group, _older)
    report, writes = group.run(tree)
    assert report.exit_code == 0
    assert {w.name for w in writes} == {inventory.inventory_key(group.unit).name}
    report, writes = group.run(tree)
    assert (report.exit_code, writes) == (0, [])


def test_what_a_renamed_manager_of_ours_applied_is_taken_over_without_loss(group):
    """The manager was called otherwise in an older version: its fields and objects become ours."""
    group.settled(group.tree(config_map("a")))
    labels = group.live("ConfigMap", "a")["metadata"]["labels"]
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "b", "namespace": group.namespace, "labels": labels},
        "data": {"a": "zero", "b": "kept"},
    }
    old = group.cluster.acting_as("reconciler-v0")
    uid = old.apply(body).body["metadata"]["uid"]
    tree = group.tree(config_map("a"), config_map("b"))
    group.settled(tree)
    live = group.live("ConfigMap", "b")
    assert (live["metadata"]["uid"], live["data"]) == (uid, {"a": "one", "b": "kept"})
    report, writes = group.run(tree)
    assert (report.exit_code, writes) == (0, [])
    _, writes = group.run(group.tree(config_map("a")))
    assert [w.name for w in writes if w.verb == "delete"] == ["b"]
