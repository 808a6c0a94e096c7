"""The rights of a config, offline: what each line of it brings, and what it never brings."""

import pytest
import yaml

from tests.cli.conftest import Repo
from tests.cluster.staging import rights_of
from tests.support import small

APP = "environments/prod/one/web.yaml"
GROUP = "environments/prod/one/group.yaml"
WIDGET = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\nspec: {}\n"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {}\n"
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgetry.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, plural: widgetry}
"""


def rights(folder, *args, live=False, **files):
    repo = folder if isinstance(folder, Repo) else Repo(folder, small(**files).files)
    code, out = (repo.live if live else repo.run)("rbac", *args)
    assert code == 0, out
    text = "\n".join(line for line in out.splitlines() if not line.startswith("note: "))
    documents = [d for d in yaml.safe_load_all(text) if d]
    return documents, set(rights_of(documents)), out


def verbs(found, resource, namespace="ml-one"):
    return {r[-1] for r in found if (r[0], r[2]) == (namespace, resource)}


def with_manifest(text, **more):
    return {APP: "manifests: [more.yaml]\n", "models/web/more.yaml": text, **more}


def test_what_holds_state_is_never_deleted(tmp_path):
    _, found, _ = rights(tmp_path, **with_manifest(CLAIM))
    assert verbs(found, "persistentvolumeclaims") == {"get", "patch", "create"}
    assert verbs(found, "deployments") == {"get", "patch", "create", "delete"}


def test_a_namespace_may_go_only_where_git_says_so(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, found, _ = rights(tmp_path / "a")
    assert ("", "", "namespaces", "ml-one", "delete") not in found
    absent = {GROUP: "group: {namespace: ml-one, serviceAccount: models, state: absent}\n"}
    _, gone, _ = rights(tmp_path / "b", **absent)
    assert gone - found == {("", "", "namespaces", "ml-one", "delete")}
    assert found <= gone


def test_an_unknown_plural_is_an_error_with_a_way_out(tmp_path):
    repo = Repo(tmp_path, small(**with_manifest(WIDGET)).files)
    code, out = repo.run("rbac")
    assert code == 1
    assert "E_RIGHTS_PLURAL" in out
    assert "Widget.example.org" in out
    assert "--kubeconfig" in out


def test_a_definition_in_git_tells_the_plural(tmp_path):
    allowed = {
        GROUP: "group:\n  namespace: ml-one\n  clusterScoped:\n"
        "  - CustomResourceDefinition.apiextensions.k8s.io\n"
    }
    _, found, _ = rights(tmp_path, **with_manifest(f"{DEFINITION}---\n{WIDGET}", **allowed))
    assert verbs(found, "widgetry") == {"get", "patch", "create", "delete"}
    own = {r[3:] for r in found if r[2] == "customresourcedefinitions"}
    assert own == {
        ("", "list"),
        *(("widgetry.example.org", verb) for verb in ("get", "patch", "create")),
    }


def test_a_service_account_is_impersonated_where_it_is(tmp_path):
    who = "system:serviceaccount:tenants:deployer"
    group = {GROUP: f"group: {{namespace: ml-one, serviceAccount: models, applyAs: '{who}'}}\n"}
    documents, found, _ = rights(tmp_path, **group)
    assert ("tenants", "", "serviceaccounts", "deployer", "impersonate") in found
    (binding,) = [
        d
        for d in documents
        if d["kind"] == "RoleBinding" and d["metadata"]["name"] == "reconciler-writer-1"
    ]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "deployer", "namespace": "tenants"}
    ]
    assert not any(right[-1] == "impersonate" and right[3] == "" for right in found)


@pytest.mark.parametrize("purpose", ["plan", "read-only"])
def test_who_only_looks_impersonates_nobody(tmp_path, purpose):
    group = {GROUP: "group: {namespace: ml-one, serviceAccount: models, applyAs: tenant}\n"}
    _, found, out = rights(tmp_path, "--for", purpose, **group)
    assert not any(right[-1] == "impersonate" for right in found)
    assert verbs(found, "deployments") == {"get"}
    assert ("only a writing run may act for them" in " ".join(out.split())) == (purpose == "plan")


def test_what_a_cluster_records_counts_after_git_has_dropped_it(tmp_path):
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: b}\n"
    repo = Repo(tmp_path, small(**with_manifest(config)).files)
    repo.live("reconcile", "--once", "--timeout", "0")
    repo.write(APP, "")
    repo.commit()
    _, offline, said = rights(repo)
    _, found, quiet = rights(repo, live=True)
    assert not verbs(offline, "configmaps")
    assert "delete" in verbs(found, "configmaps")
    assert ("unknown offline" in said, "unknown offline" in quiet) == (True, False)


def test_the_rights_to_list_secrets_are_said_to_be_wide(tmp_path):
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\n"
    _, found, out = rights(tmp_path, **with_manifest(secret))
    assert "may list Secrets may read all of them" in out
    assert verbs(found, "secrets") >= {"patch", "create"}
