"""The control plane as fixtures, started once a session and only for tests that ask.

Where it is absent, those tests are skipped with the reason; RECONCILER_CLUSTER=required (CI, `make
test-cluster`) builds it, or fails; RECONCILER_CLUSTER=off leaves it out.

Where the suite runs in parallel, all tests that use it are one group: one process runs them.
"""

import os
import time

import pytest

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
from reconciler.objects.key import GroupKind
from reconciler.objects.outcome import Done, RefusalCause
from tests import needs
from tests.controlplane import definitions, plane, programs
from tests.controlplane.audit import Audit

#: A custom kind as a CRD without list markers and status subresource has it.
_WORKFLOW_TEMPLATE = GroupKind("argoproj.io", "WorkflowTemplate")
_LEFT_OUT = "the real cluster is left out"
GROUP = "control-plane"
_PROGRAMS = "control_plane_programs"
_ITEM = pytest.StashKey[pytest.Item]()


def _uses_the_control_plane(item):
    """By its fixtures; a parameter may be the name of one too (`request.getfixturevalue`)."""
    if _PROGRAMS in item.fixturenames:
        return True
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return any(isinstance(named, str) and named == "real_cluster" for named in parameters)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items):
    for item in items:
        if _uses_the_control_plane(item):
            item.add_marker(pytest.mark.xdist_group(GROUP))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.config.stash[_ITEM] = item


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


def install(cluster, found):
    """Applies CRDs, and a stand-in for each kind without one; returns when all are served."""
    stand_ins = [definitions.open_stand_in(kind) for kind in found.absent]
    for definition in (*found.definitions.values(), *stand_ins):
        outcome = cluster.apply(definition)
        assert isinstance(outcome, Done), (definition["metadata"]["name"], outcome)
    kinds = found.definitions.keys() | found.absent.keys()
    assert eventually(lambda: set(cluster.discover().kinds) >= kinds)
    # Served a little after it is said to be.
    assert eventually(lambda: all(_is_served(cluster, kind) for kind in kinds))


def _is_served(cluster, kind):
    version = cluster.discover().kinds[kind].version
    body = {
        "apiVersion": f"{kind.group}/{version}",
        "kind": kind.kind,
        "metadata": {"name": "probe", "namespace": "default"},
    }
    outcome = cluster.dry_run(body)
    return isinstance(outcome, Done) or outcome.refusal is not RefusalCause.NOT_SERVED


@pytest.fixture(scope="session")
def control_plane_programs(pytestconfig):
    item = pytestconfig.stash[_ITEM]
    if hasattr(pytestconfig, "workerinput"):
        # Without the group a second process would start a second control plane, without a word.
        assert item.nodeid.endswith(f"@{GROUP}"), f"{item.nodeid} is not in the group {GROUP}"
    wish = os.environ.get("RECONCILER_CLUSTER", "")
    assert wish in ("", "off", "required"), f"RECONCILER_CLUSTER={wish} is neither off nor required"
    if wish == "off":
        pytest.skip(f"{_LEFT_OUT}: RECONCILER_CLUSTER=off")
    if not needs.HAS_KUBERNETES:
        if wish:
            pytest.fail(needs.NO_KUBERNETES, pytrace=False)
        pytest.skip(f"{_LEFT_OUT}: {needs.NO_KUBERNETES}")
    try:
        return programs.ensured() if wish else programs.found()
    except programs.Missing as missing:
        if wish:
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(f"{_LEFT_OUT}: {missing}")


@pytest.fixture(scope="session")
def control_plane(control_plane_programs):
    running = plane.Plane(control_plane_programs).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def audit(control_plane):
    return Audit(control_plane)


@pytest.fixture(scope="session")
def real_cluster(control_plane):
    """The control plane through the adapter, with one custom kind."""
    made = client(control_plane)
    made.has_controllers = control_plane.controllers
    install(made, definitions.Found({}, {_WORKFLOW_TEMPLATE: "a loose one is wanted"}))
    yield made
    made.close()
