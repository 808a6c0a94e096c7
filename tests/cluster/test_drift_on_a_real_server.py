"""What a real API server and its webhooks fill in, what others own, and what they prevent: F91, F93,
F95, F105, F107, and F47 as far as the server says."""

import base64
import http.server
import json
import ssl
import threading
from pathlib import Path

import pytest
import yaml

from reconciler.objects.key import GroupKind
from reconciler.objects.outcome import Done
from reconciler.ports import ClusterUnreadable
from tests.cluster.place import Group, config_map, held, problems
from tests.controlplane.fixtures import client, eventually


@pytest.fixture
def group(control_plane, real_cluster):
    made = Group(control_plane, client(control_plane))
    yield made
    made.cluster.close()


@pytest.fixture
def person(group):
    return group.cluster.acting_as("kubectl-edit")


# -- what is filled in: F105 -----------------------------------------------------------------------

DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fillers.drift.example.org}
spec:
  group: drift.example.org
  scope: Namespaced
  names: {kind: Filler, plural: fillers, singular: filler}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              a: {type: integer, default: 7}
              list: {type: array, items: {type: object, properties: {x: {type: string}, y: {type: string, default: why}}}}
"""
FILLED = (
    "apiVersion: drift.example.org/v1\nkind: Filler\nmetadata: {name: f}\nspec: {list: [{x: a}]}\n"
)
CRDS = "  clusterScoped: [CustomResourceDefinition.apiextensions.k8s.io]\n"
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: s}, ports: [{port: 80}]}
"""
#: Without replicas to wait for: nothing runs pods here.
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 0
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      containers:
      - name: c
        image: registry.example/d:1
        ports: [{containerPort: 80}]
        resources: {limits: {cpu: 1000m, memory: 0.5Gi}}
        readinessProbe: {httpGet: {path: /, port: 80}}
"""


def quiet(group, tree):
    report, writes = group.run(tree)
    assert (report.exit_code, writes) == (0, [])
    assert list(group.plan(tree).changes()) == []


def test_what_server_and_definition_fill_in_is_no_difference(group):
    group.settled(group.tree(DEFINITION, group=CRDS))
    tree = group.tree(DEFINITION, FILLED, SERVICE, config_map("a"), group=CRDS)
    group.settled(tree)
    assert group.live("Filler", "f", "drift.example.org")["spec"] == {
        "a": 7,
        "list": [{"x": "a", "y": "why"}],
    }
    quiet(group, tree)


class Webhook:
    """A webhook on loopback with the API server's own certificate; `answer` says what it patches."""

    def __init__(self, plane, patch):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
                made = patch(asked)
                response = {"uid": asked["uid"], "allowed": True}
                if made:
                    data = base64.b64encode(json.dumps(made).encode()).decode()
                    response |= {"patchType": "JSONPatch", "patch": data}
                body = json.dumps(
                    {
                        "apiVersion": "admission.k8s.io/v1",
                        "kind": "AdmissionReview",
                        "response": response,
                    }
                ).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plane.ca, plane.ca.with_suffix(".key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def configuration(group, kind, port, resources, name="hook"):
    bundle = base64.b64encode(group.plane.ca.read_bytes()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": f"{name}-{group.namespace}"},
        "webhooks": [
            {
                "name": f"{name}.example.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 2,
                "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": bundle},
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": group.namespace}
                },
                "rules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": resources,
                    }
                ],
            }
        ],
    }


@pytest.fixture
def hooked(group, person):
    """`hooked(kind, port, resources, …)` puts a webhook up for the group's namespace."""
    made = []

    def up(kind, port, resources, **more):
        outcome = person.apply(configuration(group, kind, port, resources, **more))
        assert isinstance(outcome, Done), outcome
        made.append(outcome.body)

    yield up
    for body in made:
        key = group.key(body["kind"], body["metadata"]["name"], "admissionregistration.k8s.io")
        person.delete(key._replace(namespace=""), uid=body["metadata"]["uid"])


def test_a_sidecar_that_a_webhook_injects_is_no_difference(group, person, hooked):
    def inject(asked):
        names = [c["name"] for c in asked["object"]["spec"]["template"]["spec"]["containers"]]
        if "sidecar" in names:
            return []
        value = {"name": "sidecar", "image": "registry.example/sidecar:1"}
        path = "/spec/template/spec/containers/-"
        return [{"op": "add", "path": path, "value": value}]

    hook = Webhook(group.plane, inject)
    try:
        group.settled(group.tree(config_map("a")))
        hooked("MutatingWebhookConfiguration", hook.port, ["deployments"])
        probe = yaml.safe_load(DEPLOYMENT)
        probe["metadata"] |= {"name": "probe", "namespace": group.namespace}
        assert eventually(lambda: "sidecar" in str(person.dry_run(probe).body))
        tree = group.tree(DEPLOYMENT, config_map("a"))
        group.run(tree, timeout=0.0)
        live = group.live("Deployment", "d", "apps")
        containers = live["spec"]["template"]["spec"]["containers"]
        assert [c["name"] for c in containers] == ["c", "sidecar"]
        assert list(group.plan(tree).changes()) == []
    finally:
        hook.close()


# -- webhooks in the way: F91 ----------------------------------------------------------------------


def test_a_webhook_that_is_down_blocks_what_it_guards_and_nothing_else(group, person, hooked):
    tree = group.tree(config_map("a"), config_map("b"))
    group.settled(tree)
    hooked("ValidatingWebhookConfiguration", 1, ["configmaps"])
    assert eventually(lambda: not isinstance(person.dry_run(_bare(group)), Done))
    changed = group.tree(config_map("a", "{a: two}"), config_map("b"))
    report, writes = group.run(changed)
    assert "a" not in {w.name for w in writes}
    assert report.exit_code != 0
    assert "hook.example.org" in held(report)["a"]
    assert not group.plan(changed).apps[-1].refusals


def _bare(group):
    meta = {"name": "probe", "namespace": group.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}


def test_a_webhook_that_refuses_dry_runs_is_named_by_the_plan(group, person, hooked):
    """No server takes one any more; an old one that is still stored looks so."""
    group.settled(group.tree(config_map("a")))
    hooked("ValidatingWebhookConfiguration", 1, ["configmaps"])
    _with_side_effects(group)
    assert eventually(lambda: "dry run" in getattr(person.dry_run(_bare(group)), "message", ""))
    changed = group.tree(config_map("a", "{a: two}"))
    change = group.change(changed, "ConfigMap", "a")
    assert change is not None
    assert change.reasons[0].text == (
        'the server refuses it: admission webhook "hook.example.org" does not support dry run'
    )


def _with_side_effects(group):
    """Edits the stored webhook: both words have four letters."""
    place = "/registry/validatingwebhookconfigurations/hook-" + group.namespace
    key = base64.b64encode(place.encode()).decode()
    stored = group.plane.etcd("/v3/kv/range", {"key": key})["kvs"][0]["value"]
    value = base64.b64decode(stored)
    assert value.count(b"None") == 1
    edited = base64.b64encode(value.replace(b"None", b"Some")).decode()
    group.plane.etcd("/v3/kv/put", {"key": key, "value": edited})


# -- who owns it: F107 -----------------------------------------------------------------------------


def test_a_field_that_git_gives_up_and_another_owns_stays_and_is_told(group):
    group.settled(group.tree(config_map("a", "{a: one, b: two}")))
    other = group.cluster.acting_as("terraform")
    meta = {"name": "a", "namespace": group.namespace}
    shared = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"b": "two"}}
    assert isinstance(other.apply(shared), Done)
    given_up = group.tree(config_map("a", "{a: one}"))
    change = group.change(given_up, "ConfigMap", "a")
    assert [r.text for r in change.reasons] == [
        "data.b is no longer in Git and stays: terraform manages it"
    ]
    group.settled(given_up)
    assert group.live("ConfigMap", "a")["data"] == {"a": "one", "b": "two"}
    quiet(group, given_up)
    # Now it is theirs alone: they may take it away.
    other.apply({**shared, "data": {}})
    assert group.live("ConfigMap", "a")["data"] == {"a": "one"}
    quiet(group, given_up)


# -- definitions: F93, F95 -------------------------------------------------------------------------


def test_a_definition_and_its_object_come_in_one_run(group):
    kind = GroupKind("drift.example.org", "Twin")
    definition = DEFINITION.replace("fillers", "twins").replace("filler", "twin")
    definition = definition.replace("Filler", "Twin")
    twin = FILLED.replace("Filler", "Twin")
    tree = group.tree(definition, twin, group=CRDS)
    report, writes = group.run(tree)
    assert report.exit_code == 0, problems(report)
    order = [w.resource for w in writes if w.resource in ("customresourcedefinitions", "twins")]
    assert order == ["customresourcedefinitions", "twins"]
    assert group.live("Twin", "f", kind.group)["spec"]["a"] == 7
    # What the cluster serves has changed meanwhile: all is asked for once more, and so recorded.
    _, writes = group.run(tree)
    assert {w.namespace for w in writes} <= {"ml-reconciler"}
    quiet(group, tree)


def test_a_version_that_its_definition_does_not_serve_is_given_up_in_time(group):
    definition = DEFINITION.replace("fillers", "olders").replace("filler", "older")
    definition = definition.replace("Filler", "Older")
    newer = FILLED.replace("Filler", "Older").replace("example.org/v1", "example.org/v2")
    report, writes = group.run(group.tree(definition, newer, config_map("a"), group=CRDS))
    assert report.exit_code == 6
    assert "is not served" in str(problems(report))
    assert "olders" not in {w.resource for w in writes}


def test_a_group_whose_server_is_down_is_not_concluded_about(group, person):
    group.settled(group.tree(config_map("a"), config_map("b")))
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1.{group.namespace}.example.org"},
        "spec": {
            "group": f"{group.namespace}.example.org",
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "nobody", "namespace": "default"},
            "insecureSkipTLSVerify": True,
        },
    }
    made = person.apply(service)
    assert isinstance(made, Done), made
    try:
        gone = f"{group.namespace}.example.org"
        assert eventually(lambda: gone in group.cluster.discover().unread_groups)
        with pytest.raises(ClusterUnreadable):
            group.cluster.list(GroupKind(gone, "Thing"))
        thing = f"apiVersion: {gone}/v1\nkind: Thing\nmetadata: {{name: t}}\nspec: {{}}\n"
        report, writes = group.run(group.tree(config_map("a", "{a: two}"), config_map("b"), thing))
        assert report.exit_code != 0
        assert "delete" not in {w.verb for w in writes}
        assert "could not be read" in held(report)["t"]
    finally:
        key = group.key("APIService", service["metadata"]["name"], "apiregistration.k8s.io")
        person.delete(key._replace(namespace=""), uid=made.body["metadata"]["uid"])


# -- the policies that ship: F47 -------------------------------------------------------------------

_POLICIES = Path(__file__).parents[2] / "policies"


@pytest.mark.parametrize("name", sorted(p.stem for p in _POLICIES.glob("*.yaml")))
def test_a_sample_policy_is_taken_by_a_server_as_it_stands(real_cluster, name):
    for body in yaml.safe_load_all((_POLICIES / f"{name}.yaml").read_text()):
        if body["kind"] == "ConfigMap":
            body["metadata"]["namespace"] = "default"
        outcome = real_cluster.dry_run(body)
        assert isinstance(outcome, Done), outcome
        assert outcome.warnings == ()
