"""What only a real server proves of writing: who it is that writes, what is shared with an
autoscaler, what is made anew, and what the modes of plan send."""

import itertools

import orjson
import pytest
import yaml

from reconciler.objects.key import ObjectKey
from tests.cli.conftest import Repo
from tests.controlplane.audit import writes
from tests.support import small

GROUPS = (f"ml-w{n}" for n in itertools.count())
DEPLOYMENT = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: extra, annotations: {notes}}}\n"
    "spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {app}}}}}\n"
    "  template: {{metadata: {{labels: {{app: {app}}}}},"
    " spec: {{containers: [{{name: c, image: 'i:{image}',"
    " resources: {{requests: {{cpu: 0.5, memory: 1024Mi}}}}}}]}}}}\n"
)
HPA = (
    "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: extra}\n"
    "spec:\n  maxReplicas: 9\n"
    "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: extra}\n"
)


class Place:
    """A config repo of one app of plain manifests, in a namespace of its own."""

    def __init__(self, folder, plane, text, group=""):
        self.namespace = next(GROUPS)
        env = self.namespace.removeprefix("ml-")
        self.where = ("--kubeconfig", str(plane.kubeconfig()), "--group", f"{env}/one")
        files = {p.replace("prod/", f"{env}/"): d for p, d in small().files.items()}
        for path in [p for p in files if p.endswith("web.yaml") and p.startswith("environments/")]:
            del files[path]
        files[f"environments/{env}/one/web.yaml"] = "manifests: [extra.yaml]\n"
        files[f"environments/{env}/one/group.yaml"] = (
            f"group: {{namespace: {self.namespace}{group}}}\n"
        )
        files["models/web/model.yaml"] = "model: {type: plain, owner: web}\n"
        files["environments/types/plain.yaml"] = "{}\n"
        files["environments/base.yaml"] = "{}\n"
        files = {p: d for p, d in files.items() if "versions/" not in p and "vision" not in p}
        files["models/web/extra.yaml"] = text
        self.repo = Repo(folder, files)

    def run(self, command, *args):
        return self.repo.run(command, *args, *self.where)

    def change(self, text):
        self.repo.write("models/web/extra.yaml", text)
        self.repo.commit()

    def key(self, kind="Deployment", group="apps", name="extra"):
        return ObjectKey(group, kind, self.namespace, name)


def deployment(notes="{}", replicas=2, app="extra", image=1):
    return DEPLOYMENT.format(notes=notes, replicas=replicas, app=app, image=image)


@pytest.fixture
def place(tmp_path, control_plane):
    def made(text, group=""):
        return Place(tmp_path, control_plane, text, group)

    return made


def settled(one):
    code, out = one.run("reconcile", "--once", "--timeout", "0")
    assert code in (0, 6), out
    assert "refused" not in out, out


def scale(cluster, key, count):
    """As an autoscaler does: through the scale subresource."""
    path = f"/apis/apps/v1/namespaces/{key.namespace}/deployments/{key.name}/scale"
    found = orjson.loads(cluster._transport.request("GET", path).data)
    found["spec"]["replicas"] = count
    query = (("fieldManager", "kube-controller-manager"),)
    answer = cluster._transport.request("PUT", path, query, orjson.dumps(found))
    assert answer.status == 200, answer


def test_replicas_are_left_to_an_autoscaler_of_the_same_app(place, real_cluster):
    one = place(deployment() + HPA)
    settled(one)
    scale(real_cluster, one.key(), 7)
    code, out = one.run("plan", "--exit-code", "--revision", "HEAD")
    assert (code, "No difference" in out) == (0, True), out
    one.change(deployment(image=2) + HPA)
    settled(one)
    spec = real_cluster.get(one.key()).body["spec"]
    assert spec["replicas"] == 7
    assert spec["template"]["spec"]["containers"][0]["image"] == "i:2"


def test_a_field_that_cannot_change_is_held_and_replaced_only_where_git_says_so(
    place, real_cluster, audit
):
    one = place(deployment())
    settled(one)
    uid = real_cluster.get(one.key()).uid
    one.change(deployment(app="other"))
    mark = audit.mark()
    code, out = one.run("reconcile", "--once", "--timeout", "0")
    assert code == 4, out
    assert "cannot be changed in place; with ml-reconciler.dev/replace: enabled" in out
    assert [e for e in writes(audit.since(mark)) if e.resource == "deployments"] == []
    assert real_cluster.get(one.key()).uid == uid
    one.change(deployment(app="other", notes="{ml-reconciler.dev/replace: enabled}"))
    code, out = one.run("plan", "--revision", "HEAD")
    assert code == 0, out
    assert "deleted and made anew" in out
    mark = audit.mark()
    settled(one)
    done = [e.verb for e in writes(audit.since(mark)) if e.resource == "deployments"]
    assert done == ["delete", "patch"]
    live = real_cluster.get(one.key())
    assert live.uid != uid
    assert live.body["spec"]["selector"] == {"matchLabels": {"app": "other"}}


def test_an_apps_objects_are_written_as_who_its_group_says_and_the_rest_as_ourselves(
    place, real_cluster, audit
):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\ndata: {a: b}\n"
    one = place(text, ", applyAs: 'system:serviceaccount:tenants:deployer'")
    mark = audit.mark()
    code, out = one.run("reconcile", "--once", "--timeout", "0")
    assert code == 6, out
    assert "deployer" in out
    assert "forbidden" in out
    for body in _rights(one.namespace, "system:serviceaccount:tenants:deployer"):
        real_cluster.apply(body)
    settled(one)
    mine = [e for e in writes(audit.since(mark)) if e.namespace == one.namespace and e.code < 300]
    assert {e.user for e in mine if e.name == "extra"} == {"system:serviceaccount:tenants:deployer"}
    state = [e for e in writes(audit.since(mark)) if e.namespace == "ml-reconciler"]
    assert {e.user for e in state} == {"admin"}
    assert real_cluster.get(one.key("ConfigMap", "")).is_present


def _rights(namespace, user):
    api = "rbac.authorization.k8s.io/v1"
    metadata = {"name": "deployer", "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "patch", "get"]}]
    yield {"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules}
    yield {
        "apiVersion": api,
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "deployer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }


@pytest.mark.parametrize("options", [(), ("--read-only",), ("--full",)])
def test_no_mode_of_plan_writes_anything(place, real_cluster, audit, options):
    one = place(deployment())
    mark = audit.mark()
    code, out = one.run("plan", *options)
    assert code == 0, out
    settled(one)
    one.change(deployment(replicas=3, image=2))
    before = audit.mark()
    code, out = one.run("plan", *options)
    assert (code, "2 -> 3" in out) == (0, True), out
    sent = audit.since(before)
    assert writes(sent) == []
    dry = [e for e in sent if e.dry]
    assert bool(dry) == (options != ("--read-only",))
    assert mark < before


def test_reading_only_shows_what_a_dry_run_shows(place, real_cluster):
    one = place(deployment() + HPA)
    settled(one)
    code, out = one.run("plan", "--read-only", "--full", "--exit-code", "--revision", "HEAD")
    assert (code, "No difference" in out) == (0, True), out
    one.change(deployment(replicas=3, image=2) + HPA)
    asked = _fields(one.run("plan", "-o", "json"))
    assert _fields(one.run("plan", "--read-only", "-o", "json")) == asked
    assert {path for path, _, _ in asked} == {
        "spec.replicas",
        "spec.template.spec.containers[0].image",
    }


def _fields(answer):
    code, out = answer
    assert code == 0, out
    (app,) = [a for a in yaml.safe_load(out)["plan"]["apps"] if a["app"].endswith("/web")]
    changes = [c for wave in app["waves"] for c in wave]
    return {(f["path"], str(f["before"]), str(f["after"])) for c in changes for f in c["fields"]}


def test_each_cluster_name_goes_to_the_context_of_that_name(place, control_plane, tmp_path):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"
    one = place(text)
    config = orjson.loads(control_plane.kubeconfig().read_bytes())
    (context,) = config["contexts"]
    config["contexts"] = [{**context, "name": name} for name in ("elsewhere", "main")]
    config["current-context"] = "elsewhere"
    several = tmp_path / "several"
    several.write_bytes(orjson.dumps(config))
    one.where = ("--kubeconfig", str(several), *one.where[2:])
    code, out = one.run("plan")
    assert code == 0, out
    assert "-> main" in out
    config["contexts"] = [{**context, "name": name} for name in ("elsewhere", "another")]
    several.write_bytes(orjson.dumps(config))
    code, out = one.run("plan")
    assert code == 1
    assert "the cluster 'main' is not known" in out
    assert "known clusters: another, elsewhere" in out
