"""Faults on order, the file, and what a killed process leaves."""

import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from reconciler import kinds
from reconciler.errors import SourceError
from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown
from reconciler.ports import ClusterUnreadable
from reconciler.simulation.clock import SimulatedClock
from reconciler.simulation.cluster import EmbeddedCluster, RequestLost, RequestRefused
from reconciler.simulation.fault import ApiFault


def config(name="a", **data):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


KEY = key_of(config())


def raising(fault):
    def before(verb, target):
        raise fault

    return before


def test_every_request_is_counted_and_logged_ahead_of_it():
    cluster = EmbeddedCluster(kinds=kinds.known())
    seen = []
    cluster.before = lambda verb, target: seen.append((verb, target, cluster.requests))
    cluster.apply(config(a="1"))
    cluster.list(GroupKind("", "ConfigMap"), "default")
    cluster.get(KEY)
    assert cluster.log == [
        ("apply", "ConfigMap default/a"),
        ("list", "ConfigMap default"),
        ("get", "ConfigMap default/a"),
    ]
    assert [count for _, _, count in seen] == [1, 2, 3]


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_write_is_unknown_and_may_have_happened(done):
    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.before = raising(RequestLost(done=done))
    assert isinstance(cluster.apply(config(a="1")), Unknown)
    cluster.before = None
    assert cluster.get(KEY).is_present is done


def test_a_lost_read_is_unreadable_never_absent():
    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.before = raising(RequestLost(done=True))
    with pytest.raises(ClusterUnreadable):
        cluster.get(KEY)
    with pytest.raises(ClusterUnreadable):
        cluster.list(GroupKind("", "ConfigMap"))


def test_a_refusal_on_order_does_nothing():
    cluster = EmbeddedCluster(kinds=kinds.known())
    refused = Refused(RefusalCause.TOO_MANY, 429, "slow down", retry_after=1.0)
    cluster.before = raising(RequestRefused(refused))
    assert cluster.apply(config(a="1")) is refused
    cluster.before = None
    assert not cluster.get(KEY).is_present


def test_anything_else_that_the_hook_raises_kills_the_caller():
    class Killed(BaseException):
        pass

    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.before = raising(Killed())
    with pytest.raises(Killed):
        cluster.apply(config(a="1"))


def test_an_edit_is_by_another_manager_and_no_request():
    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.apply(config(a="1"))
    before = cluster.requests
    body = cluster.edit(KEY, lambda found: found["data"].update(a="2"))
    assert cluster.requests == before
    assert body["data"] == {"a": "2"}
    assert cluster.apply(config(a="1")).managers == ("kubectl-edit",)


def test_emptied_managed_fields_come_back_as_before_first_apply():
    cluster = EmbeddedCluster(kinds=kinds.known())
    cluster.apply(config(a="1"))
    cluster.edit(KEY, lambda found: found["metadata"].update(managedFields=[{}]))
    assert "managedFields" not in cluster.get(KEY).body["metadata"]
    outcome = cluster.apply(config(a="2"))
    assert outcome.managers == ("before-first-apply",)


def test_a_cluster_without_a_crd_does_not_serve_its_kinds():
    cluster = EmbeddedCluster(without=frozenset({"model.kubedl.io"}), kinds=kinds.known())
    kind = GroupKind("model.kubedl.io", "ModelVersion")
    assert kind not in cluster.discover().kinds
    assert cluster.discover().digest != EmbeddedCluster(kinds=kinds.known()).discover().digest
    with pytest.raises(ApiFault):
        cluster.server.delete(ObjectKey(*kind, "default", "x"))


def test_two_processes_of_equal_history_give_equal_uids():
    assert (
        EmbeddedCluster(kinds=kinds.known()).apply(config()).body
        == EmbeddedCluster(kinds=kinds.known()).apply(config()).body
    )
    assert (
        EmbeddedCluster(kinds=kinds.known()).identity()
        != EmbeddedCluster(name="second", kinds=kinds.known()).identity()
    )


def test_a_status_write_moves_no_generation_where_it_has_its_own_endpoint():
    cluster = EmbeddedCluster(kinds=kinds.known())
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "default"},
        "spec": {"parentRefs": [{"name": "g"}]},
    }
    first = cluster.apply(route).body
    cluster.server.patch_status(key_of(route), {"parents": []}, "gateway")
    seen = cluster.get(key_of(route))
    assert seen.generation == 1
    assert seen.resource_version != first["metadata"]["resourceVersion"]
    rows = [r for r in seen.body["metadata"]["managedFields"] if r["manager"] == "gateway"]
    assert [row["subresource"] for row in rows] == ["status"]


def test_a_put_keeps_the_status_that_has_its_own_endpoint():
    cluster = EmbeddedCluster(kinds=kinds.known())
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cluster.apply(claim)
    cluster.server.patch_status(key_of(claim), {"phase": "Bound"}, "binder")
    cluster.edit(key_of(claim), lambda body: body.update(status={"phase": "Lost"}))
    assert cluster.status(key_of(claim)) == {"phase": "Bound"}


# -- the file --------------------------------------------------------------------------------------


def test_a_file_keeps_objects_counter_and_time(tmp_path):
    path = str(tmp_path / "cluster.db")
    clock = SimulatedClock(datetime(2026, 1, 1, tzinfo=UTC))
    first = EmbeddedCluster(path, clock, kinds=kinds.known())
    clock.sleep(90)
    body = first.apply(config(a="1")).body
    first.close()
    second = EmbeddedCluster(path, kinds=kinds.known())
    assert second.get(KEY).body == body
    assert second.clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    outcome = second.apply(config(name="b"))
    version = int(outcome.body["metadata"]["resourceVersion"])
    assert version == int(body["metadata"]["resourceVersion"]) + 1
    second.close()


def test_a_second_client_of_the_file_sees_the_first_ones_writes(tmp_path):
    path = str(tmp_path / "cluster.db")
    first, second = (
        EmbeddedCluster(path, kinds=kinds.known()),
        EmbeddedCluster(path, kinds=kinds.known()),
    )
    first.apply(config(a="1"))
    assert second.get(KEY).body["data"] == {"a": "1"}
    second.apply(config(a="2"))
    assert first.get(KEY).body["data"] == {"a": "2"}
    first.close()
    second.close()


def test_a_refused_request_and_a_dry_run_leave_no_trace(tmp_path):
    path = str(tmp_path / "cluster.db")
    cluster = EmbeddedCluster(path, kinds=kinds.known())
    cluster.apply(config(a="1"))
    cluster.close()
    with sqlite3.connect(path) as db:
        before = (
            list(db.execute("SELECT * FROM objects")),
            list(db.execute("SELECT * FROM facts")),
        )
    db.close()
    cluster = EmbeddedCluster(path, kinds=kinds.known())
    cluster.dry_run(config(a="2"))
    cluster.delete(KEY, uid="another")
    cluster.dry_run_delete(ObjectKey("", "Namespace", "", "default"), uid="")
    assert cluster.get(KEY).is_present
    cluster.close()
    with sqlite3.connect(path) as db:
        after = (list(db.execute("SELECT * FROM objects")), list(db.execute("SELECT * FROM facts")))
    db.close()
    assert after == before


def test_a_killed_process_leaves_whole_requests(tmp_path):
    path = str(tmp_path / "cluster.db")
    script = f"""
import os, signal
from reconciler.simulation.cluster import EmbeddedCluster
cluster = EmbeddedCluster({path!r})
put = cluster.server.store.put
count = 0
def dying(key, body):
    global count
    put(key, body)
    count += 1
    if count == 4:
        os.kill(os.getpid(), signal.SIGKILL)
cluster.server.store.put = dying
for index in range(9):
    cluster.apply({{"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {{"name": f"c{{index}}", "namespace": "default"}}}})
"""
    run = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert run.returncode == -9
    cluster = EmbeddedCluster(path, kinds=kinds.known())
    found = cluster.list(GroupKind("", "ConfigMap")).items
    assert [item.key.name for item in found] == ["c0", "c1", "c2"]
    assert isinstance(cluster.apply(config()), Done)
    cluster.close()


def test_a_file_that_is_no_database_is_a_source_error(tmp_path):
    path = tmp_path / "cluster.db"
    path.write_text("not a database, and long enough to be read as a header of one\n" * 20)
    with pytest.raises(SourceError) as caught:
        EmbeddedCluster(str(path), kinds=kinds.known())
    assert caught.value.code == "E_SOURCE"
