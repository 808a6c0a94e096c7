"""Leases and events as a real API server takes them (F134, F135, F138 to F140)."""

import itertools
import time

import pytest

from reconciler.adapters.clock import SystemClock
from reconciler.adapters.direct import DirectClient
from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
from reconciler.apply import lease
from reconciler.apply.lease import Timing
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.outcome import Done, RefusalCause
from reconciler.operate.group_status import Transition
from reconciler.operate.leases import Leases
from reconciler.operate.observers import _event
from reconciler.operate.passes import UnitState
from reconciler.unit import UnitId
from tests.cli.conftest import Repo
from tests.support import NOW, small

SHORT = Timing(duration=3, renew_deadline=2.0, retry=0.5)
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def client(control_plane):
    access = Access(str(control_plane.kubeconfig()), allows=Allows.WRITES, connect=2.0, read=3.0)
    made = DirectClient(Transport(access, time.sleep))
    yield made
    made.close()


@pytest.fixture
def group(client):
    """A group of its own for each test."""
    return f"prod/g{next(_NUMBERS)}"


def contender(client, name, timing=SHORT):
    return Leases(lambda _g: client, SystemClock(), name, chance=lambda: 0.1, timing=timing)


def spec(client, group):
    return dict(client.get(lease.lease_key(group)).body["spec"])


def put(client, group, **changes):
    body = client.get(lease.lease_key(group)).body
    merged = {k: v for k, v in {**body.get("spec", {}), **changes}.items() if v is not None}
    outcome = client.replace({**body, "spec": merged})
    assert isinstance(outcome, Done), outcome


def test_taking_renewing_and_giving_back(client, group):
    made = contender(client, "one")
    assert made.acquire([group]) == {}
    first = spec(client, group)
    assert made._renew() == SHORT.retry
    second = spec(client, group)
    assert second["acquireTime"] == first["acquireTime"]
    assert second["renewTime"] > first["renewTime"]
    assert made.permit(UnitId.parse(f"{group}/web")) == ""
    made.release()
    assert spec(client, group).get("holderIdentity", "") == ""
    other = contender(client, "two")
    assert other.acquire([group], wait=0.0) == {}
    assert other.epoch(group) == 1


def test_a_dead_holder_whose_record_is_of_the_future(client, group):
    contender(client, "dead").acquire([group])
    put(client, group, renewTime="2099-01-01T00:00:00.000000Z")
    begun = time.monotonic()
    made = contender(client, "next")
    assert made.acquire([group]) == {}
    assert time.monotonic() - begun >= SHORT.duration
    assert made.epoch(group) == 1


def test_a_second_creator_and_a_stale_put_lose(client, group):
    made = contender(client, "one")
    made.acquire([group])
    body = client.get(lease.lease_key(group)).body
    bare = {**body, "metadata": {"name": body["metadata"]["name"], "namespace": "ml-reconciler"}}
    assert client.create(bare).refusal is RefusalCause.ALREADY_EXISTS
    made._renew()
    assert client.replace(body).refusal is RefusalCause.STALE
    assert client.replace(bare).refusal is RefusalCause.INVALID


@pytest.mark.parametrize("odd", [{"holderIdentity": ""}, {"holderIdentity": None}, {"spec": None}])
def test_a_lease_without_a_holder_is_free(client, group, odd):
    key = lease.lease_key(group)
    contender(client, "maker").acquire([group])
    if "spec" in odd:
        body = {k: v for k, v in client.get(key).body.items() if k != "spec"}
        assert isinstance(client.replace({**body, "spec": {}}), Done)
    else:
        put(client, group, **odd)
    made = contender(client, "one")
    assert made.acquire([group], wait=0.0) == {}
    assert made.epoch(group) == 1


def test_fields_of_coordinated_election_are_kept(client, group):
    contender(client, "dead").acquire([group])
    strange = {"strategy": "OldestEmulationVersion", "preferredHolder": "x"}
    put(client, group, **strange)
    kept = {name: spec(client, group).get(name) for name in strange}
    made = contender(client, "one")
    assert made.acquire([group]) == {}
    made._renew()
    assert {name: spec(client, group).get(name) for name in strange} == kept
    made.release()
    assert {name: spec(client, group).get(name) for name in strange} == kept


def test_a_lease_deleted_in_mid_run_is_not_held(client, group, real_cluster):
    made = contender(client, "one")
    made.acquire([group])
    key = lease.lease_key(group)
    real_cluster.delete(key, uid=client.get(key).uid)
    made._renew()
    assert "deleted" in made.permit(UnitId.parse(f"{group}/web"))


def test_a_deposed_holder_s_release_leaves_its_successor_alone(client, group):
    away = contender(client, "away")
    away.acquire([group])
    successor = contender(client, "successor")
    assert successor.acquire([group]) == {}
    away.release()
    assert spec(client, group)["holderIdentity"] == "successor"


def test_an_event_is_taken(client, real_cluster):
    key = lease.lease_key("prod/event")
    contender(client, "maker").acquire(["prod/event"])
    moved = Transition(
        UnitId("prod", "event", "_group"),
        UnitState.FAILED,
        "False",
        "ReconciliationFailed",
        "why",
        "4" * 40,
        {},
    )
    outcome = client.create(_event(moved, NOW, "host_uuid", str))
    assert isinstance(outcome, Done), outcome
    listed = real_cluster.list(GroupKind("events.k8s.io", "Event"), key.namespace)
    (seen,) = [o.body for o in listed.items if "prod.event" in o.key.name]
    assert seen["note"] == "prod/event/_group: why"


def test_a_run_on_a_real_server_takes_the_lease_and_tells_of_itself(
    control_plane, real_cluster, tmp_path
):
    # A group of its own: the server is shared with other tests.
    files = {path.replace("/one/", "/leased/"): data for path, data in small().files.items()}
    files["environments/prod/leased/group.yaml"] = (
        "group: {namespace: ml-leased, serviceAccount: models}\n"
    )
    repo = Repo(tmp_path, files)
    where = ("--group", "prod/leased", "--kubeconfig", str(control_plane.kubeconfig()))
    code, out = repo.run("reconcile", "--once", "--timeout", "0", *where)
    assert code in (0, 6), out
    held = real_cluster.get(lease.lease_key("prod/leased")).body["spec"]
    assert held.get("holderIdentity", "") == ""
    status = real_cluster.get(ObjectKey("", "ConfigMap", "ml-reconciler", "prod.leased.status"))
    assert status.is_present
    code, out = repo.run("status", *where)
    assert "incomplete" in out or "success" in out
    for seen in real_cluster.list(GroupKind("", "ConfigMap"), "ml-reconciler").items:
        if seen.key.name.startswith("prod.leased."):
            real_cluster.delete(seen.key, uid=seen.uid)
