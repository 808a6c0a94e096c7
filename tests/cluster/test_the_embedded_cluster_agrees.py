"""The embedded cluster against a real API server: the same request, the same object."""

import copy

import orjson
import pytest

from reconciler import kinds
from reconciler.objects.outcome import Done
from reconciler.simulation.cluster import EmbeddedCluster
from tests.contract.bodies import BODIES

#: Where they differ on purpose: addresses are a range's; a claim's finalizer would need the
#: controller that takes it off.
_OWN = {
    "Service": {".spec.clusterIP", ".spec.clusterIPs[0]"},
    "PersistentVolumeClaim": {".metadata.finalizers[0]"},
}
_SERVER = ("uid", "resourceVersion", "creationTimestamp")


@pytest.fixture(scope="module")
def embedded():
    made = EmbeddedCluster(kinds=kinds.known())
    yield made
    made.close()


@pytest.fixture(scope="module")
def clusters(real_cluster, embedded):
    return real_cluster, embedded


def _flat(node, path=""):
    if isinstance(node, dict) and node:
        for name, child in node.items():
            yield from _flat(child, f"{path}.{name}")
    elif isinstance(node, list) and node:
        for index, child in enumerate(node):
            yield from _flat(child, f"{path}[{index}]")
    else:
        yield path, node


def _comparable(body):
    """Every leaf by its path, without what differs from run to run."""
    uid = body["metadata"]["uid"]
    body = orjson.loads(orjson.dumps(body).replace(uid.encode(), b"UID"))
    for name in _SERVER:
        body["metadata"].pop(name, None)
    for row in body["metadata"].get("managedFields", ()):
        row.pop("time")
    own = _OWN.get(body["kind"], ())
    return {path: value for path, value in _flat(body) if path not in own}


@pytest.mark.parametrize("verb", ["apply", "create"])
@pytest.mark.parametrize("body", BODIES, ids=lambda b: f"{b['kind']}-{b['metadata']['name']}")
def test_the_same_object_comes_of_the_same_request(clusters, body, verb):
    """With all defaults, and with the same owner of every field."""
    body = copy.deepcopy(body)
    if "namespace" in body["metadata"]:
        # A namespace each: limits and quotas work on what else is in theirs.
        space = f"{body['kind'].lower()}-{body['metadata']['name']}-{verb}"
        body["metadata"]["namespace"] = space
        for cluster in clusters:
            cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    else:
        body["metadata"]["name"] += f"-{verb}"
    outcomes = [getattr(cluster, verb)(body) for cluster in clusters]
    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    real, embedded = (_comparable(outcome.body) for outcome in outcomes)
    assert embedded == real
