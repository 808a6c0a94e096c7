"""Plain manifests that refer to the values of an app, and that belong to some groups only."""

import pytest

from reconciler.layers import references
from reconciler.origin import Branch, plain
from tests.support import drawn, loaded, small

OWN = "environments/prod/one/web.yaml"
POINTER = "environments/prod/web.yaml"
FILE = "models/web/scale.yaml"
HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: "web-${{ app.serving.version }}"}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: facts}\ndata:\n  fact: TEXT\n"
TRAINING = """\
model: {type: vision, owner: web}
serving: {image: registry.example/web:1, runIn: [SERVES]}
training:
  runIn: [TRAINS]
  framework: job
  image: registry.example/train:1
  command: [python, train.py]
"""


def with_file(text, own="manifests: [scale.yaml]\n"):
    return small().but({OWN: own, FILE: text})


def fact(text, own=""):
    """The leaf `data.fact` of a ConfigMap with this text in the file."""
    tree = with_file(MAP.replace("TEXT", text), f"manifests: [scale.yaml]\n{own}")
    (draft,) = [d for (_, key), d in drawn(tree).items() if key.kind == "ConfigMap"]
    return draft.tree["data"].children["fact"]


def test_an_autoscaler_follows_the_promoted_version():
    tree = with_file(HPA, "manifests: [{file: scale.yaml, where: serving}]\n")
    for version in ("v1", "v2"):
        moved = tree.but({POINTER: f'serving:\n  version: "{version}"\n'})
        fleet = loaded(moved)
        assert fleet.diagnostics == ()
        found = drawn(moved)
        (scaler,) = [d for (_, k), d in found.items() if k.kind == "HorizontalPodAutoscaler"]
        (server,) = [k for _, k in found if k.kind == "Deployment"]
        target = scaler.tree["spec"].children["scaleTargetRef"].children["name"]
        assert target.value == server.name == f"web-{version}"
        assert [str(site) for site in target.origin.sites()] == [f"{FILE}:6:59", f"{POINTER}:2:3"]


@pytest.mark.parametrize(
    ("text", "own", "value"),
    [
        ("${{ app.serving.replicas }}", "", 1),
        ("is ${{ app.serving.replicas }}", "", "is 1"),
        ("${{ app.serving.image }}", "", "registry.example/web:1"),
        ("${{ app.model.owner }}", "", "web"),
        ("${{ app.group.namespace }}", "", "ml-one"),
        ("${{ app.environment.rank }}", "", 1),
        ("${{ app.id.environment }}/${{ app.id.group }}/${{ app.id.model }}", "", "prod/one/web"),
        ("${{ app.training.image ?? none }}", "", "none"),
        ("$${{ app.serving.image }}", "", "${{ app.serving.image }}"),
        ("!raw ${{ app.serving.image }}", "", "${{ app.serving.image }}"),
        ("${{ app.vars.of.depth }}", "vars: {of: {depth: 3}}\n", 3),
        ("${{ app.vars.of }}", "vars: {of: {depth: [1, 2]}}\n", {"depth": [1, 2]}),
        # A text of the app is taken as it came out: it is not searched for references again.
        ("${{ app.vars.a }}", "vars: {a: '$${{ b }}'}\n", "${{ b }}"),
        ("is ${{ app.vars.a }}", "vars: {a: '$${{ b }}'}\n", "is ${{ b }}"),
        ("${{ app.vars.a }}", "vars: {a: '${{ vars.b }}', b: c}\n", "c"),
        ("${{ app.serving.env[0].value }}", "serving: {env: [{name: A, value: x}]}\n", "x"),
    ],
)
def test_a_reference_is_the_value_of_the_app(text, own, value):
    assert plain(fact(text, own)) == value


def test_a_value_names_the_line_of_the_manifest_and_the_line_of_the_app():
    leaf = fact("is ${{ app.vars.b }} and ${{ app.id.model }}", "vars: {b: c}\n")
    assert [str(s) for s in leaf.origin.sites()] == [f"{FILE}:5:3", f"{OWN}:2:8", OWN]


def two_groups(manifest, entry="scale.yaml"):
    group = "group: {namespace: ml-two}\n"
    return small().but(
        {
            FILE: manifest,
            OWN: "",
            "models/web/model.yaml": (
                "model: {type: vision, owner: web}\nserving: {image: registry.example/web:1}\n"
                f"manifests: [{entry}]\n"
            ),
            "environments/prod/two/group.yaml": group,
            "environments/prod/two/web.yaml": "serving: {replicas: 7}\n",
        }
    )


def test_a_file_without_references_is_shared_by_all_apps():
    one, two = loaded(two_groups(MAP)).apps
    assert one.manifests[0].root is two.manifests[0].root


def test_a_file_with_references_is_resolved_for_each_app():
    one, two = loaded(two_groups(MAP.replace("TEXT", "${{ app.serving.replicas }}"))).apps
    assert [plain(a.manifests[0].root)["data"]["fact"] for a in (one, two)] == [1, 7]


def test_only_the_documents_with_references_are_copied():
    one, two = loaded(
        two_groups(MAP + "---\n" + MAP.replace("facts", "x").replace("TEXT", "${{ app.id.group }}"))
    ).apps
    assert one.manifests[0].root is two.manifests[0].root
    assert one.manifests[1].root is not two.manifests[1].root


@pytest.mark.parametrize(
    ("where", "groups"),
    [
        ("serving", ["prod/two/web"]),
        ("training", ["prod/one/web"]),
        (None, ["prod/one/web", "prod/two/web"]),
    ],
)
def test_a_file_is_drawn_where_its_entry_says(where, groups):
    entry = "scale.yaml" if where is None else f"{{file: scale.yaml, where: {where}}}"
    text = TRAINING.replace("SERVES", "prod/two").replace("TRAINS", "prod/one")
    tree = two_groups(MAP, entry).but({"models/web/model.yaml": f"{text}manifests: [{entry}]\n"})
    assert sorted(unit for unit, key in drawn(tree) if key.kind == "ConfigMap") == groups


def test_where_an_app_trains_and_serves_both_kinds_are_drawn():
    text = TRAINING.replace("SERVES", "prod/one").replace("TRAINS", "prod/one")
    for where in ("training", "serving"):
        entry = f"manifests: [{{file: scale.yaml, where: {where}}}]\n"
        tree = small().but({"models/web/model.yaml": text + entry, FILE: MAP})
        assert [unit for unit, key in drawn(tree) if key.kind == "ConfigMap"] == ["prod/one/web"]


def test_references_of_a_file_are_not_followed_where_it_is_not_drawn():
    text = TRAINING.replace("SERVES", "prod/two").replace("TRAINS", "prod/one")
    entry = "manifests: [{file: scale.yaml, where: serving}]\n"
    tree = two_groups(MAP.replace("TEXT", "${{ app.vars.served }}")).but(
        {
            "models/web/model.yaml": text + entry,
            "environments/prod/two/web.yaml": "vars: {served: here}\n",
        }
    )
    assert loaded(tree).errors == ()


def test_a_tree_that_is_resolved_already_is_not_changed():
    (app,) = loaded(with_file(MAP)).apps
    values = Branch({"app": app.tree}, app.tree.origin)
    root = app.manifests[0].root
    assert references.resolve_into(root, values, {}) == (root, [])
