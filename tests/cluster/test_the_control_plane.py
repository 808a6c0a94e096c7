"""The tools that other tests stand on: the audit log, the users, and the faults of a server."""

import pytest

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import Done, RefusalCause
from reconciler.ports import ClusterUnreadable
from tests.controlplane import plane
from tests.controlplane.audit import Audit, counted, writes
from tests.controlplane.fixtures import client, eventually

KEY = ObjectKey("", "ConfigMap", "default", "seen")
BODY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": KEY.name, "namespace": KEY.namespace},
}


def test_the_audit_log_tells_a_write_from_a_question_and_from_a_dry_run(real_cluster, audit):
    real_cluster.discover()
    mark = audit.mark()
    real_cluster.dry_run(BODY)
    made = real_cluster.apply(BODY)
    uid = made.body["metadata"]["uid"]
    real_cluster.dry_run_delete(KEY, uid=uid)
    real_cluster.list(GroupKind("", "ConfigMap"), "default")
    real_cluster.delete(KEY, uid=uid)
    entries = audit.since(mark)
    assert [(e.verb, e.name, e.dry) for e in entries] == [
        ("patch", "seen", True),
        ("patch", "seen", False),
        ("delete", "seen", True),
        ("list", "", False),
        ("delete", "seen", False),
    ]
    assert [e.verb for e in writes(entries)] == ["patch", "delete"]
    assert {(e.user, e.resource, e.namespace) for e in entries} == {
        ("admin", "configmaps", "default")
    }
    assert audit.since(audit.mark()) == []


def test_leases_are_not_counted_as_work(real_cluster, audit):
    mark = audit.mark()
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l", "namespace": "default"},
    }
    assert isinstance(real_cluster.apply(lease), Done)
    entries = audit.since(mark)
    assert [e.resource for e in entries] == ["leases"]
    assert counted(entries) == []


@pytest.mark.parametrize("user", ["viewer", "planner", "runner", "tenant"])
def test_each_person_may_do_what_is_granted_and_no_more(control_plane, user):
    theirs = client(control_plane, user)
    assert theirs.apply(BODY).refusal is RefusalCause.FORBIDDEN
    theirs.close()


@pytest.fixture
def fragile(control_plane_programs):
    """A control plane to break."""
    running = plane.Plane(control_plane_programs, controllers=(), quota=16 * 1024 * 1024).start()
    made = client(running)
    made._transport._sleep = lambda seconds: None
    yield running, made
    made.close()
    running.stop()


def test_a_server_that_was_killed_comes_back_with_its_data_and_one_log(fragile):
    running, cluster = fragile
    audit = Audit(running)
    mark = audit.mark()
    uid = cluster.apply(BODY).body["metadata"]["uid"]
    running.kill_apiserver()
    with pytest.raises(ClusterUnreadable):
        cluster.get(KEY)
    running.restart_apiserver()
    assert cluster.get(KEY).uid == uid
    assert [e.verb for e in audit.since(mark) if e.resource] == ["patch", "get"]


def test_a_full_store_refuses_writes_and_a_paused_one_goes_on(fragile):
    running, cluster = fragile
    big = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "x" * 900_000}}
    full = eventually(
        lambda: (
            not isinstance(
                cluster.create(
                    {**big, "metadata": {"generateName": "big-", "namespace": "default"}}
                ),
                Done,
            )
        )
    )
    assert full
    running.pause_etcd()
    running.resume_etcd()
    assert cluster.get(KEY).is_present is False
