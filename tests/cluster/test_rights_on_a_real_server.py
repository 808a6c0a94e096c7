"""The rights that `rbac` prints are enough, none too many, and a planner's never write (F25, F71)."""

import itertools
import json
import re

import orjson
import pytest
import yaml

from reconciler.objects.key import ObjectKey, key_of
from reconciler.objects.outcome import Done, Refusal
from tests.cli.conftest import Repo
from tests.controlplane.audit import writes
from tests.controlplane.fixtures import client, eventually
from tests.support import small

_NUMBERS = itertools.count()
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"
CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: main, image: registry.example/nightly:1}]
"""
APP = "environments/{}/one/web.yaml"


class Stage:
    """An environment of its own: a config repo, its namespace, and roles bound to one user."""

    def __init__(self, folder, plane, admin, audit, more=None):
        self.env = f"r{next(_NUMBERS)}"
        files = {
            path.replace("/prod/", f"/{self.env}/"): data.replace(b"ml-one", self.space.encode())
            for path, data in small().files.items()
        }
        files[APP.format(self.env)] = "manifests: [map.yaml, cron.yaml]\n"
        files["models/web/map.yaml"] = MAP
        files["models/web/cron.yaml"] = CRON
        # An app that goes as a whole, and with it its inventory.
        for path, data in list(files.items()):
            if "web" in path and path not in (APP.format(self.env),):
                files[path.replace("web", "other")] = data
        files[APP.format(self.env).replace("web", "other")] = ""
        files |= {path.format(self.env): data for path, data in (more or {}).items()}
        (folder / self.env).mkdir()
        self.repo = Repo(folder / self.env, files)
        self.plane, self.admin, self.audit = plane, admin, audit
        self.held = []

    @property
    def space(self):
        return f"ml-{self.env}"

    def documents(self, purpose, user):
        code, out = self.repo.run(
            "rbac", "--for", purpose, "--user", user, "--name", self.env, "-e", self.env
        )
        assert code == 0, out
        return [d for d in yaml.safe_load_all(re.sub(r"(?m)^note: .*$", "", out)) if d]

    def grant(self, documents, user):
        """Applies them, and returns when the server goes by them."""
        for body in documents:
            outcome = self.admin.apply(body)
            assert isinstance(outcome, Done), (body, outcome)
            self.held.append(key_of(body))
        assert eventually(lambda: all(self.may(user, *right) for right in rights_of(documents)))

    def withdraw(self):
        for key in reversed(self.held):
            if key.kind not in ("Namespace", "ServiceAccount"):
                seen = self.admin.get(key)
                assert isinstance(self.admin.delete(key, uid=seen.uid), Done)
        self.held.clear()

    def may(self, user, namespace, group, resource, name, verb):
        about = {"namespace": namespace, "group": group, "resource": resource, "name": name}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": {**about, "verb": verb}},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = self.admin._transport.request("POST", path, body=orjson.dumps(body))
        return orjson.loads(answer.data)["status"]["allowed"]

    def typed(self, user, *args):
        given = ("-e", self.env, "--kubeconfig", str(self.plane.kubeconfig(user)))
        return self.repo.run(*args, *given)

    def ready(self):
        """What the Deployment's controller would write."""
        for name in ("web-v1", "other-v1"):
            key = ObjectKey("apps", "Deployment", self.space, name)
            seen = self.admin.get(key)
            if seen.is_present:
                self._report(key, seen)

    def _report(self, key, seen):
        body = json.loads(json.dumps(seen.body))
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        body["status"] = {
            "observedGeneration": body["metadata"]["generation"],
            **dict.fromkeys(counts, body["spec"]["replicas"]),
            "conditions": [{"type": "Available", "status": "True"}],
        }
        path = f"/apis/apps/v1/namespaces/{key.namespace}/deployments/{key.name}/status"
        assert self.admin._transport.request("PUT", path, body=orjson.dumps(body)).status == 200

    def life(self, user):
        """New, ready, quiet, drifted, pruned: (exit codes, requests of the user)."""
        mark, codes = self.audit.mark(), []

        def reconciled():
            code, out = self.typed(
                user, "reconcile", "--once", "--timeout", "0", "--wait-for-lease", "0"
            )
            codes.append((code, out))

        reconciled()
        self.ready()
        reconciled()
        reconciled()
        # Somebody took our label off: a listing does not show it any more.
        lost = self.admin.get(ObjectKey("", "ConfigMap", self.space, "settings"))
        if lost.is_present:
            body = json.loads(json.dumps(lost.body))
            del body["metadata"]["labels"]["app.kubernetes.io/managed-by"]
            self.admin.acting_as("kubectl-edit").replace(body)
        self.repo.write(APP.format(self.env), "serving: {replicas: 2}\n")
        (self.repo.folder / APP.format(self.env).replace("web", "other")).unlink()
        self.repo.commit()
        reconciled()
        self.ready()
        reconciled()
        entries = [entry for entry in self.audit.since(mark) if entry.user == user]
        return codes, entries


def rights_of(documents):
    """(namespace, group, resource, name, verb) of every right that roles give."""
    for body in documents:
        for rule in body.get("rules", ()) if body["kind"].endswith("Role") else ():
            for group, resource, name, verb in itertools.product(
                rule["apiGroups"],
                rule["resources"],
                rule.get("resourceNames", [""]),
                rule["verbs"],
            ):
                yield body["metadata"].get("namespace", ""), group, resource, name, verb


def rules_of(documents):
    """Where each rule is: (document, rule)."""
    return [
        (at, number)
        for at, body in enumerate(documents)
        if body["kind"].endswith("Role")
        for number in range(len(body["rules"]))
    ]


def without(documents, at, number):
    copy = json.loads(json.dumps(documents))
    removed = copy[at]["rules"].pop(number)
    return copy, removed


def refused(entries):
    return [entry for entry in entries if entry.code == 403]


@pytest.fixture(scope="module")
def admin(control_plane):
    made = client(control_plane)
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path, control_plane, admin, audit):
    made = Stage(tmp_path, control_plane, admin, audit)
    yield made
    made.withdraw()


# -- a writing run ---------------------------------------------------------------------------------


def test_a_life_of_an_app_goes_by_the_generated_rights(stage):
    documents = stage.documents("reconcile", "runner")
    stage.grant(documents, "runner")
    codes, entries = stage.life("runner")
    assert refused(entries) == []
    assert [code for code, _ in codes] == [6, 0, 0, 6, 0], codes
    gone = (ObjectKey("batch", "CronJob", stage.space, "nightly"),
            ObjectKey("", "ConfigMap", stage.space, "settings"))  # fmt: skip
    assert not any(stage.admin.get(key).is_present for key in gone)

    # Each rule's verbs are asked for, of one of its kinds at least.
    used = {(e.namespace, e.group, e.resource, e.verb) for e in entries}
    # RBAC asks for `create` in an apply of what is new, and the log says patch.
    used |= {(*rest, "create") for *rest, verb in used if verb == "patch"}
    idle = []
    for at, number in rules_of(documents):
        space, rule = documents[at]["metadata"].get("namespace", ""), documents[at]["rules"][number]
        asked = {v for n, g, r, v in used
                 if g in rule["apiGroups"] and r in rule["resources"] and space in ("", n)}  # fmt: skip
        idle += [(space, rule["resources"], v) for v in rule["verbs"] if v not in asked]
    assert idle == [], idle


def test_each_rule_is_needed(tmp_path, control_plane, admin, audit):
    probe = Stage(tmp_path, control_plane, admin, audit)
    total = len(rules_of(probe.documents("reconcile", "runner")))
    assert total > 8
    needless = []
    for index in range(total):
        stage = Stage(tmp_path, control_plane, admin, audit)
        documents = stage.documents("reconcile", "runner")
        less, removed = without(documents, *rules_of(documents)[index])
        stage.grant(less, "runner")
        try:
            if not refused(stage.life("runner")[1]):
                needless.append(removed)
        finally:
            stage.withdraw()
            assert eventually(
                lambda less=less, stage=stage: (
                    not any(stage.may("runner", *right) for right in rights_of(less))
                )
            )
    assert needless == []


def test_nothing_is_given_by_wildcard_and_nothing_that_leads_further(stage):
    for purpose in ("reconcile", "plan", "read-only"):
        for right in rights_of(stage.documents(purpose, "runner")):
            assert "*" not in right, right
            assert right[-1] not in ("escalate", "bind", "deletecollection"), right
            assert not (right[2] == "namespaces" and right[-1] in ("delete", "create")) or (
                purpose == "plan" and right[-1] == "create"
            )


# -- another identity ------------------------------------------------------------------------------


def test_a_group_that_applies_as_somebody_else_has_two_sets_of_rights(
    tmp_path, control_plane, admin, audit
):
    more = {
        "environments/{}/one/group.yaml": (
            "group: {namespace: ml-tenant, serviceAccount: models, applyAs: tenant}\n"
        )
    }
    stage = Stage(tmp_path, control_plane, admin, audit, more)
    stage.__class__ = type("Tenants", (Stage,), {"space": "ml-tenant"})
    documents = stage.documents("reconcile", "runner")
    binding = next(d for d in documents if d["metadata"]["name"] == f"{stage.env}-writer-1")
    assert binding["metadata"]["namespace"] == "ml-tenant"
    stage.grant([d for d in documents if not d["metadata"]["name"].endswith("-writer-1")], "runner")
    for body in documents:
        if body["metadata"]["name"].endswith("-writer-1"):
            assert isinstance(stage.admin.apply(body), Done)
            stage.held.append(key_of(body))
    own = [r for d in documents if not d["metadata"]["name"].endswith("-writer-1")
           for r in rights_of([d]) if r[0] == "ml-tenant"]  # fmt: skip
    assert {r[-1] for r in own if r[1:3] == ("apps", "deployments")} == {"get"}
    assert ("", "", "users", "tenant", "impersonate") in list(rights_of(documents))
    mark = audit.mark()
    codes, entries = stage.life("runner")
    theirs = [e for e in audit.since(mark) if e.user == "tenant"]
    assert refused(entries) == refused(theirs) == []
    assert [code for code, _ in codes] == [6, 0, 0, 6, 0], codes
    written = {e.resource for e in writes(theirs)}
    assert written >= {"deployments", "cronjobs", "configmaps"}
    stage.withdraw()


# -- those who only look ---------------------------------------------------------------------------


def test_a_planner_asks_by_dry_run_and_cannot_write(stage):
    stage.grant(stage.documents("plan", "planner"), "planner")
    planner = client(stage.plane, "planner")
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "mine", "namespace": stage.space},
        "data": {"a": "1"},
    }
    # The policy is in force a moment after it was made.
    refusal = eventually(lambda: _refused_by_policy(planner, body, stage))
    assert refusal.code == 403
    assert "may only ask by dry-run" in refusal.message
    assert isinstance(planner.dry_run(body), Done)
    planner.close()
    mark = stage.audit.mark()
    code, out = stage.typed("planner", "plan", "--exit-code")
    assert (code, "Deployment/web-v1" in out) == (2, True), out
    entries = [e for e in stage.audit.since(mark) if e.user == "planner"]
    assert refused(entries) == writes(entries) == []
    assert any(e.dry for e in entries)
    # And the very right, on the server's own word without our client in between.
    code, out = stage.typed("planner", "reconcile", "--once", "--no-lease", "--timeout", "0")
    assert code != 0
    assert not stage.admin.get(ObjectKey("apps", "Deployment", stage.space, "web-v1")).is_present, (
        out
    )


def _refused_by_policy(planner, body, stage):
    """The refusal of a real apply; what slipped through before the policy was in force is undone."""
    outcome = planner.apply(body)
    if isinstance(outcome, Done):
        key = key_of(body)
        stage.admin.delete(key, uid=stage.admin.get(key).uid)
        return None
    return outcome if outcome.refusal in (Refusal.FORBIDDEN, Refusal.INVALID) else None


def test_a_planner_may_ask_about_a_group_that_a_proposal_adds(stage):
    stage.grant(stage.documents("plan", "planner"), "planner")
    stage.repo.write(f"environments/{stage.env}/two/group.yaml",
                     f"group: {{namespace: {stage.space}-two}}\n")  # fmt: skip
    stage.repo.write(f"environments/{stage.env}/two/web.yaml", "")
    code, out = stage.typed("planner", "plan", "--exit-code")
    assert (code, f"Namespace/{stage.space}-two" in out) == (2, True), out


def test_a_reader_plans_without_a_right_to_write_anything(stage):
    documents = stage.documents("read-only", "viewer")
    assert {right[-1] for right in rights_of(documents)} == {"get", "list"}
    stage.grant(documents, "viewer")
    mark = stage.audit.mark()
    code, out = stage.typed("viewer", "plan", "--read-only", "--exit-code")
    assert (code, "Deployment/web-v1" in out) == (2, True), out
    code, out = stage.typed("viewer", "status")
    assert code == 0, out
    entries = [e for e in stage.audit.since(mark) if e.user == "viewer"]
    assert {e.verb for e in entries} <= {"get", "list"}
    assert refused(entries) == []
