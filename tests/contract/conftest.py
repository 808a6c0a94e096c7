"""One suite for every cluster: what the embedded one claims, a real API server must answer too.

Each test works in a namespace of its own and only through the ports. What the tests expect is what
kube-apiserver 1.36.3 was seen to do, with the namespace and garbage-collector controllers beside it;
they work a little after the request, the embedded cluster within it.
"""

import itertools
from typing import Any

import pytest

from reconciler import kinds
from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.simulation.cluster import EmbeddedCluster
from tests.controlplane.fixtures import eventually

_COUNT = itertools.count(1)


@pytest.fixture(params=["memory", "file", pytest.param("real_cluster", id="real")])
def cluster(request, tmp_path):
    if request.param == "real_cluster":
        yield request.getfixturevalue(request.param)
        return
    path = str(tmp_path / "cluster.db") if request.param == "file" else None
    made = EmbeddedCluster(path, kinds=kinds.known())
    yield made
    made.close()


@pytest.fixture
def until(cluster):
    """`until(check)`: whether it holds, in the end, on a cluster whose controllers take their time.

    What it waits for is a controller's work: without controllers the test is left out."""
    if not isinstance(cluster, KubernetesCluster):
        return lambda check: check()
    real: Any = cluster
    if not real.has_controllers:
        pytest.skip("this control plane has no kube-controller-manager")
    return eventually


@pytest.fixture
def other(cluster):
    """A person with kubectl on the same cluster."""
    return cluster.acting_as("kubectl-edit")


@pytest.fixture
def namespace(cluster):
    name = f"contract-{next(_COUNT)}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def config(namespace):
    """A ConfigMap's body with the given data."""

    def body(name="config", labels=None, **data):
        metadata = {"name": name, "namespace": namespace}
        if labels:
            metadata["labels"] = labels
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    return body


@pytest.fixture
def deployment(namespace):
    """A Deployment's body; keyword arguments go into its spec."""

    def body(name="server", containers=None, **spec):
        pod = {"containers": containers or [{"name": "server", "image": "registry.example/s:1"}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
        }

    return body


@pytest.fixture
def workflow_template(namespace):
    """A custom resource without a status subresource."""

    def body(name="train", templates=("a",)):
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "WorkflowTemplate",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "entrypoint": "a",
                "templates": [
                    {"name": t, "container": {"image": "i:1", "command": ["x"]}} for t in templates
                ],
            },
        }

    return body
