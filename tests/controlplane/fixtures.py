"""The control plane as fixtures, started once a session and only for tests that ask.

Where it is absent, those tests are skipped with the reason; RECONCILER_CLUSTER=required (CI, `make
test-cluster`) builds it, or fails.
"""

import os
import time

import pytest

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
from reconciler.objects.outcome import Done
from tests.controlplane import plane, programs

#: A kind of its own name and group, as a CRD without list markers and status subresource has it.
_WORKFLOW_TEMPLATE = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "workflowtemplates.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "names": {
            "kind": "WorkflowTemplate",
            "listKind": "WorkflowTemplateList",
            "plural": "workflowtemplates",
            "singular": "workflowtemplate",
        },
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


_LEFT_OUT = "the real cluster is left out"


def eventually(check):
    """The first truth of `check`, which is asked for up to 30 s; its last answer otherwise."""
    end = time.monotonic() + 30
    while not (answer := check()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


def client(plane, user="admin"):
    """A client of its own connections."""
    access = Access(str(plane.kubeconfig(user)), allows=Allows.WRITES)
    return KubernetesCluster(Transport(access, time.sleep), "real")


@pytest.fixture(scope="session")
def control_plane():
    required = os.environ.get("RECONCILER_CLUSTER") == "required"
    try:
        wanted = programs.ensured() if required else programs.found()
    except programs.Missing as missing:
        if required:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(f"{_LEFT_OUT}: {missing}")
    running = plane.Plane(wanted).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def real_cluster(control_plane):
    """The control plane through the adapter, with one custom kind."""
    made = client(control_plane)
    made.has_controllers = control_plane.controllers
    assert isinstance(made.apply(_WORKFLOW_TEMPLATE), Done)
    kind = ("argoproj.io", "WorkflowTemplate")
    assert eventually(lambda: kind in made.discover().kinds)
    yield made
    made.close()
