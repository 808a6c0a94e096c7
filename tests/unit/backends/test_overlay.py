"""How overlays of several levels and what a backend draws become one pod."""

from reconciler.apps import pod_schema
from reconciler.backends import overlay, workflow_pod
from reconciler.objects.listkeys import POD_LISTS
from reconciler.origin import plain
from reconciler.spec.environment import Pool
from reconciler.spec.overlay import Overlay
from tests.support import loaded, small

ENVIRONMENT = """\
environment:
  rank: 1
  cluster: main
  pod:
    tolerations: [{key: a}]
    volumes: [{name: data, emptyDir: {sizeLimit: 1Gi}}]
    priorityClassName: low
    container: {env: [{name: LEVEL, value: info}], workingDir: /a}
    labels: {team: a}
"""
GROUP = """\
group:
  namespace: ml-one
  pod:
    tolerations: [{key: a}, {key: b}]
    volumes: [{name: data, emptyDir: {medium: Memory}}, {name: logs, emptyDir: {}}]
    container: {env: [{name: OTHER, value: x}]}
"""
OWN = """\
serving:
  pod:
    priorityClassName: high
    container: {env: [{name: LEVEL, value: debug}]}
    labels: {team: b}
"""
FILES = {
    "environments/prod/environment.yaml": ENVIRONMENT,
    "environments/prod/one/group.yaml": GROUP,
    "environments/prod/one/web.yaml": OWN,
}


def parts(changes=None):
    (app,) = loaded(small().but({**FILES, **(changes or {})})).apps
    return overlay.parts_of(app, None, app.spec.serving.pod)


def test_levels_join_by_the_keys_of_the_pod_and_tolerations_add_up():
    found = parts()
    assert plain(found.spec) == {
        "tolerations": [{"key": "a"}, {"key": "b"}],
        "volumes": [
            {"name": "data", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
            {"name": "logs", "emptyDir": {}},
        ],
        "priorityClassName": "high",
    }
    assert plain(found.container) == {
        "env": [{"name": "LEVEL", "value": "debug"}, {"name": "OTHER", "value": "x"}],
        "workingDir": "/a",
    }
    assert plain(found.labels) == {"team": "b"}


def test_a_value_that_a_lower_level_had_stands_in_the_chain():
    chain = list(parts().spec["priorityClassName"].origin.chain())
    assert [(link.site.file, link.value) for link in chain] == [
        ("environments/prod/one/web.yaml", "high"),
        ("environments/prod/environment.yaml", "low"),
    ]


def test_a_null_removes_a_field_and_a_patch_an_element():
    own = """\
serving:
  pod:
    priorityClassName: !null
    volumes: [{name: data, $patch: delete}]
    container: {env: [{name: OTHER, $patch: delete}]}
    labels: {team: !null }
"""
    found = parts({"environments/prod/one/web.yaml": own})
    assert "priorityClassName" not in found.spec
    assert plain(found.spec["volumes"]) == [{"name": "logs", "emptyDir": {}}]
    assert plain(found.container["env"]) == [{"name": "LEVEL", "value": "info"}]
    assert found.labels == {}


def test_a_removal_of_nothing_is_told():
    own = """\
serving:
  pod:
    runtimeClassName: !null
    volumes: [{name: other, $patch: delete}]
"""
    fleet = loaded(small().but({**FILES, "environments/prod/one/web.yaml": own}))
    assert [(d.code, d.site.line, d.path) for d in fleet.diagnostics] == [
        ("W_NO_EFFECT", 3, "serving.pod.runtimeClassName"),
        ("W_NO_EFFECT", 4, "serving.pod.volumes[0]"),
    ]


def test_what_the_backend_draws_wins_and_stands_first():
    drawn = parts().over_container({"name": "server", "env": [{"name": "LEVEL", "value": "x"}]})
    assert list(drawn)[:2] == ["name", "env"]
    assert plain(drawn["env"])[0] == {"name": "LEVEL", "value": "x"}


def test_without_overlays_nothing_of_a_pod_changes():
    (app,) = loaded(small()).apps
    found = overlay.parts_of(app, Pool(), None)
    drawn = {"containers": [{"name": "server"}]}
    assert found.over_spec(drawn) is drawn
    assert found.metadata({"a": "b"}) == {"labels": {"a": "b"}}


def test_an_empty_overlay_changes_nothing():
    empty = {
        "environments/prod/environment.yaml": "environment: {rank: 1, cluster: main, pod: {}}\n",
        "environments/prod/one/group.yaml": "group: {namespace: ml-one, pod: {container: {}}}\n",
        "environments/prod/one/web.yaml": "serving: {pod: {labels: {}, volumes: []}}\n",
    }
    found = parts(empty)
    assert (plain(found.spec), plain(found.container), found.labels) == ({"volumes": []}, {}, {})
    assert not loaded(small().but(empty)).errors
    for path, text in empty.items():
        assert not loaded(small().but({path: text})).errors


def test_an_argo_template_has_its_own_fields_and_a_patch_for_the_rest():
    spec = {"tolerations": [{"key": "a"}], "runtimeClassName": "gvisor", "dnsPolicy": "Default"}
    found = overlay.Parts(spec=spec, labels={"a": "b"})
    assert plain(workflow_pod.fields_of_template(found)) == {
        "tolerations": [{"key": "a"}],
        "podSpecPatch": '{"runtimeClassName":"gvisor"}',
        "metadata": {"labels": {"a": "b"}},
    }
    assert workflow_pod.fields_of_workflow(found) == {"dnsPolicy": "Default"}


def test_lists_merge_by_the_keys_that_the_schema_publishes():
    published = {
        field: known.keys
        for record in pod_schema.records()
        for field, known in pod_schema.fields_of(record).items()
        if known.what == "list" and known.keys
    }
    assert published == {name: keys for name, keys in POD_LISTS.items() if name in published}
    assert isinstance(loaded(small().but(FILES)).apps[0].spec.serving.pod, Overlay)
