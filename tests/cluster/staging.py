"""An environment of its own on a shared API server, with the roles that `rbac` prints."""

import itertools
import json
import re

import orjson
import yaml

from reconciler.objects.key import ObjectKey, key_of
from reconciler.objects.outcome import Done
from tests.cli.conftest import Repo
from tests.controlplane.fixtures import eventually
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
