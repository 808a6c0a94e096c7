"""Objects that two units of one cluster draw: refused, with both lines."""

import pytest

from tests import support

_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: shared}\n"
_ALLOWED = "clusterScoped: [ClusterRole.rbac.authorization.k8s.io, Namespace]"


def _tree(**more):
    """The groups prod/one, prod/two and dev/one, in which `web` draws the same manifest."""
    files = {
        "environments/dev/environment.yaml": "environment: {rank: 0, cluster: main}\n",
        "models/web/role.yaml": _ROLE,
        **more,
    }
    for group, namespace in (("prod/one", "ml-one"), ("prod/two", "ml-two"), ("dev/one", "dev")):
        head = f"environments/{group}"
        files[f"{head}/group.yaml"] = f"group: {{namespace: {namespace}, {_ALLOWED}}}\n"
        files[f"{head}/web.yaml"] = ""
    return support.small().but(files)


def _clashes(tree):
    return [d for d in support.loaded(tree).diagnostics if d.code == "E_NAME_CLASH"]


@pytest.mark.parametrize("others", [["prod/two"], ["dev/one"], ["prod/two", "dev/one"]])
def test_a_cluster_scoped_object_of_two_groups_is_refused_with_both_lines(others):
    draws = "manifests: [role.yaml]\n"
    tree = _tree().but({f"environments/{g}/web.yaml": draws for g in ("prod/one", *others)})
    found = _clashes(tree)
    assert found
    assert {str(app) for d in found for app in d.apps} == {
        f"{g}/web" for g in ("prod/one", *others)
    }
    for item in found:
        assert str(item.site) == "models/web/role.yaml:3:12"
        assert [str(r.site) for r in item.related] == ["models/web/role.yaml:3:12"]
        assert "ClusterRole/shared is one object and is drawn twice" in item.message


def test_on_two_clusters_they_are_two_objects():
    tree = _tree().but(
        {
            "environments/dev/environment.yaml": "environment: {rank: 0, cluster: other}\n",
            "environments/prod/one/web.yaml": "manifests: [role.yaml]\n",
            "environments/dev/one/web.yaml": "manifests: [role.yaml]\n",
        }
    )
    assert _clashes(tree) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("its own", "kind: Namespace\nmetadata: {name: ml-one}\n"),
        ("another's", "kind: Namespace\nmetadata: {name: ml-two}\n"),
    ],
)
def test_a_namespace_of_a_group_is_not_drawn_by_an_app_too(name, text):
    tree = _tree().but(
        {
            "environments/prod/one/web.yaml": "manifests: [space.yaml]\n",
            "models/web/space.yaml": f"apiVersion: v1\n{text}",
        }
    )
    (found,) = _clashes(tree)
    assert "Namespace/" in found.message, name
    assert found.related[0].site.file.endswith("group.yaml")


def test_the_service_account_of_a_group_is_not_drawn_by_an_app_too():
    tree = support.small().but(
        {
            "environments/prod/one/web.yaml": "manifests: [account.yaml]\n",
            "models/web/account.yaml": (
                "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: models}\n"
            ),
        }
    )
    (found,) = _clashes(tree)
    assert "ServiceAccount/models" in found.message
    assert str(found.related[0].site).startswith("environments/prod/one/group.yaml:1")
