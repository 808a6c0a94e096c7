"""What a client may not do is told as that: never as an object that is absent."""

import pytest

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import RefusalCause
from reconciler.ports import ClusterUnreadable
from tests.controlplane.fixtures import client

KEY = ObjectKey("", "ConfigMap", "default", "c")
BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": KEY.name, "namespace": KEY.namespace},
}


@pytest.fixture(scope="module")
def viewer(control_plane):
    made = client(control_plane, "viewer")
    yield made
    made.close()


def test_a_forbidden_read_is_unreadable(viewer):
    with pytest.raises(ClusterUnreadable, match="forbidden"):
        viewer.get(KEY)
    with pytest.raises(ClusterUnreadable, match="forbidden"):
        viewer.list(GroupKind("", "ConfigMap"))


@pytest.mark.parametrize("write", ["apply", "dry_run", "create", "replace"])
def test_a_forbidden_write_is_refused(viewer, write):
    outcome = getattr(viewer, write)(BODY)
    assert (outcome.refusal, outcome.code) == (RefusalCause.FORBIDDEN, 403)


def test_a_forbidden_delete_is_refused_also_as_a_dry_run(viewer):
    assert viewer.delete(KEY, uid="").refusal is RefusalCause.FORBIDDEN
    assert viewer.dry_run_delete(KEY, uid="").refusal is RefusalCause.FORBIDDEN
