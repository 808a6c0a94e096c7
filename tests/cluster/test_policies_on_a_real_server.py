"""The sample's policies on a real API server: the same verdicts there as offline."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.objects.key import key_of
from reconciler.objects.outcome import Done
from reconciler.policy.evaluate import judge_objects
from tests.unit.policy.policymaking import loaded, subject_of

_FOLDER = Path(__file__).parents[2] / "policies"
_NAMESPACE = "policies-of-the-sample"
_LABELS = {
    "app.kubernetes.io/managed-by": "reconciler",
    "ml-reconciler.dev/environment": "prod",
    "ml-reconciler.dev/group": "hz-a",
}
_JOINED = ("image-digest", "pod-safety", "resource-limits", "owner-label")
_DIGEST = "a@sha256:" + "0" * 64
_OWNER = {"ml-reconciler.dev/owner": "vision"}
_FINE = {
    "name": "c",
    "image": _DIGEST,
    "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
}


def _pod(**more):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "labels": _OWNER},
        "spec": {"containers": [_FINE], "serviceAccountName": "models", **more},
    }


def _template(**more):
    return {"metadata": {"labels": {"app": "p", **_OWNER}}, "spec": _pod(**more)["spec"]}


def _deployment(**more):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "p", "labels": _OWNER},
        "spec": {
            "selector": {"matchLabels": {"app": "p"}},
            "template": _template(**more),
        },
    }


def _cron_job(**more):
    job = {"template": _template(restartPolicy="Never", **more)}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "p", "labels": _OWNER},
        "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": job}},
    }


def _pod_template(**more):
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "p", "labels": _OWNER},
        "template": _template(**more),
    }


_FAULTS = {
    "nothing wrong": {},
    "the host's network": {"hostNetwork": True},
    "a path of the host": {"volumes": [{"name": "r", "hostPath": {"path": "/"}}]},
    "another's account": {"serviceAccountName": "admin"},
    "the latest image": {"containers": [{**_FINE, "image": "a:latest"}]},
    "an init container's tag": {"initContainers": [{**_FINE, "name": "i", "image": "a:1"}]},
    "no limits": {"containers": [{"name": "c", "image": _DIGEST}]},
}
_KINDS = (_pod, _deployment, _cron_job, _pod_template)
_CASES = [(kind, fault) for kind in _KINDS for fault in _FAULTS]


@pytest.fixture(scope="module")
def text():
    return b"\n---\n".join((_FOLDER / f"{name}.yaml").read_bytes() for name in _JOINED)


@pytest.fixture(scope="module")
def cluster(real_cluster, text):
    labels = {"name": _NAMESPACE, "labels": _LABELS}
    real_cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": labels})
    bodies = list(map(_confined, yaml.safe_load_all(text)))
    made = [real_cluster.apply(body) for body in bodies]
    bad = [outcome for outcome in made if not isinstance(outcome, Done)]
    assert not bad, bad[0].message
    bad = _placed(_pod(hostNetwork=True))
    deadline = time.monotonic() + 30
    while isinstance(real_cluster.dry_run(bad), Done):
        assert time.monotonic() < deadline, "the server does not judge by the policies"
        time.sleep(0.2)
    time.sleep(1)  # The policies come into force one by one.
    yield real_cluster
    for outcome in made:
        real_cluster.delete(key_of(outcome.body), uid=outcome.body["metadata"]["uid"])


def _confined(body):
    """A binding that holds in the namespace of these tests alone: others use this server too."""
    if body["kind"] != "ValidatingAdmissionPolicyBinding":
        return body
    match = body["spec"].setdefault("matchResources", {})
    selector = match.setdefault("namespaceSelector", {})
    labels = {**selector.get("matchLabels", {}), "kubernetes.io/metadata.name": _NAMESPACE}
    match["namespaceSelector"] = {**selector, "matchLabels": labels}
    return body


def _placed(body):
    return {**body, "metadata": {**body["metadata"], "namespace": _NAMESPACE}}


@pytest.mark.parametrize(
    ("kind", "fault"), _CASES, ids=[f"{k.__name__[1:]}, {fault}" for k, fault in _CASES]
)
def test_a_server_denies_what_is_denied_offline_and_nothing_else(cluster, text, kind, fault):
    changes: Any = _FAULTS[fault]
    body = _placed(kind(**changes))
    offline = judge_objects(loaded(text), [subject_of(body)])
    there = cluster.dry_run(body)
    assert bool(offline) is (fault != "nothing wrong"), offline
    assert isinstance(there, Done) is not any(f.blocks for f in offline), (there, offline)
    if offline:
        assert any(f.policy in str(there) for f in offline), there


def test_a_server_denies_a_privileged_container(cluster):
    """By the policy, or before it: a server may be set up to allow none."""
    body = _placed(_deployment(containers=[{**_FINE, "securityContext": {"privileged": True}}]))
    assert not isinstance(cluster.dry_run(body), Done)
