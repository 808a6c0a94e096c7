"""The commands as a user types them, against a real API server without Deployment controller: the
test reports the Deployment's status in its stead."""

import orjson
import pytest

from reconciler.objects.key import ObjectKey
from tests.cli.conftest import Repo
from tests.support import small

SERVER = ObjectKey("apps", "Deployment", "ml-one", "web-v1")


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    return Repo(tmp_path_factory.mktemp("repo"), small().files)


@pytest.fixture(scope="module")
def run(repo, control_plane):
    def typed(*args):
        return repo.run(*args, "--kubeconfig", str(control_plane.kubeconfig()))

    return typed


def _report_ready(cluster, key):
    """What the controller would write."""
    body = dict(cluster.get(key).body)
    count = body["spec"]["replicas"]
    body["status"] = {
        "observedGeneration": body["metadata"]["generation"],
        **dict.fromkeys(
            ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count
        ),
        "conditions": [{"type": "Available", "status": "True"}],
    }
    path = f"/apis/apps/v1/namespaces/{key.namespace}/deployments/{key.name}/status"
    answer = cluster._transport.request("PUT", path, body=orjson.dumps(body))
    assert answer.status == 200, answer


def test_a_saved_plan_is_applied_drift_is_seen_and_put_right(run, repo, real_cluster, tmp_path):
    saved = str(tmp_path / "one.plan")
    code, out = run("plan", "--exit-code", "--revision", "HEAD", "--out", saved)
    assert (code, "Deployment/web-v1" in out) == (2, True), out
    code, out = run("apply", saved, "--timeout", "0")
    assert (code, "not ready" in out) == (6, True), out
    _report_ready(real_cluster, SERVER)
    code, out = run("apply", "--timeout", "0")
    assert code == 0, out
    code, out = run("plan", "--exit-code")
    assert code == 0, out

    person = real_cluster.acting_as("kubectl-edit")
    edited = dict(real_cluster.get(SERVER).body)
    edited["spec"] = {**edited["spec"], "replicas": 7}
    person.replace(edited)
    code, out = run("plan", "--exit-code")
    assert (code, "spec.replicas" in out) == (2, True), out
    run("apply", "--timeout", "0")
    assert real_cluster.get(SERVER).body["spec"]["replicas"] == 1

    code, out = run("status")
    assert (code, "prod/one/web" in out) == (0, True), out
