"""A real API server that goes away, forgets, is full, or no longer knows us: F59, F83, F85, F131."""

import collections
import json
import time

import orjson
import pytest

from reconciler.adapters.kubernetes import cluster as adapter
from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.transport import Access, Allows, Transport
from reconciler.apply.effect import Apply
from reconciler.engine import apply_plan
from reconciler.objects.key import GroupKind
from reconciler.objects.outcome import Done, RefusalCause
from reconciler.ports import ClusterUnreadable
from tests import support
from tests.cluster.place import Group, config_map, problems
from tests.controlplane import plane
from tests.controlplane.fixtures import client, eventually
from tests.support import Silent

_QUOTA = 24 * 1024 * 1024


@pytest.fixture(scope="module")
def fragile(control_plane_programs):
    running = plane.Plane(control_plane_programs, controllers=(), quota=_QUOTA).start()
    yield running
    running.stop()


@pytest.fixture
def group(fragile):
    made = Group(fragile, client(fragile))
    yield made
    made.cluster.close()


def made(entries):
    """How often each ConfigMap of a group was created."""
    return collections.Counter(e.name for e in entries if e.code == 201 and e.mutates)


@pytest.mark.parametrize("number", [1, 4])
def test_a_run_whose_server_is_killed_ends_and_the_next_one_finishes(group, number):
    maps = [f"m{n}" for n in range(1, 7)]
    tree = group.tree(*map(config_map, maps))
    group.settled(group.tree(config_map("m0")))
    mark = group.audit.mark()
    applied = []

    def before(effect):
        if isinstance(effect, Apply):
            applied.append(effect.change.key.name)
            if len(applied) == number:
                group.plane.kill_apiserver()

    report = _run(group, tree, before)
    assert report.exit_code == 6
    assert applied == maps[:number]
    assert "no answer" in str(problems(report))
    group.plane.restart_apiserver()
    group.settled(tree)
    counts = made([e for e in group.audit.since(mark) if e.namespace == group.namespace])
    assert counts == dict.fromkeys(maps, 1)


def _run(group, tree, before):
    """A run whose audit log cannot be asked for at its end."""
    seen = group.review(tree)
    settings = apply_plan.ApplySettings(timeout=5.0, before=before)
    return support.Ran(apply_plan.reconcile(seen, group.cluster, group.clock, Silent(), settings))


def test_a_list_whose_pages_expire_is_read_again_in_one_piece(group, monkeypatch):
    group.settled(group.tree(*(config_map(f"p{n}") for n in range(6))))
    monkeypatch.setattr(adapter, "_PAGE", 2)
    person = client(group.plane)
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "p6", "namespace": group.namespace},
    }
    ask = group.cluster._transport.request
    codes = []

    def request(method, path, query=(), *args, **options):
        answer = ask(method, path, query, *args, **options)
        codes.append(answer.status)
        if len(codes) == 1:
            person.apply({**body, "data": {"n": "1"}})
            _forget(group.plane)
        return answer

    monkeypatch.setattr(group.cluster._transport, "request", request)
    listing = group.cluster.list(GroupKind("", "ConfigMap"), group.namespace)
    assert codes == [200, 410, 200]
    assert [seen.key.name for seen in listing.items] == [f"p{n}" for n in range(7)]
    person.close()


def _forget(running):
    """Forgets all but the present, and starts anew: a server keeps some versions in memory."""
    running.kill_apiserver()
    revision = running.etcd("/v3/maintenance/status", {})["header"]["revision"]
    running.etcd("/v3/kv/compaction", {"revision": revision, "physical": True})
    running.restart_apiserver()


def test_a_full_store_is_an_unknown_outcome_and_heals(group):
    group.settled(group.tree(config_map("a")))
    big = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "x" * 900_000}}
    filler = group.cluster.acting_as("kubectl")
    meta = {"generateName": "big-", "namespace": "default"}
    assert eventually(lambda: not isinstance(filler.create({**big, "metadata": meta}), Done))
    tree = group.tree(config_map("a", "{a: two}"), config_map("b"))
    mark = group.audit.mark()
    report, _ = group.run(tree)
    assert report.exit_code == 6
    assert "unknown" in str(problems(report))
    tried = [e for e in group.audit.since(mark) if e.mutates]
    assert len(tried) <= 2
    for seen in filler.list(GroupKind("", "ConfigMap"), "default").items:
        filler.delete(seen.key, uid=seen.uid)
    store = group.plane.etcd
    revision = store("/v3/maintenance/status", {})["header"]["revision"]
    store("/v3/kv/compaction", {"revision": revision, "physical": True})
    store("/v3/maintenance/defragment", {})
    for alarm in store("/v3/maintenance/alarm", {"action": "GET"})["alarms"]:
        store("/v3/maintenance/alarm", {**alarm, "action": "DEACTIVATE"})
    group.settled(tree)
    assert group.live("ConfigMap", "a")["data"] == {"a": "two"}
    assert group.live("ConfigMap", "b") is not None


def _known(running, token):
    """A token of an administrator that is the only one besides those of the plane."""
    path = running.folder / "tokens.csv"
    kept = [line for line in path.read_text().splitlines() if ",rotating," not in line]
    path.write_text("\n".join([*kept, f"{token},rotating,rotating,system:masters", ""]))
    running.restart_apiserver()


def test_a_token_renewed_on_disk_is_read_once_and_a_revoked_one_is_not_tried_for_ever(
    fragile, tmp_path
):
    token = tmp_path / "token"
    token.write_text("old-token-of-the-runner")
    body = orjson.loads(fragile.kubeconfig().read_bytes())
    body["users"][0]["user"] = {"tokenFile": str(token)}
    file = tmp_path / "kubeconfig"
    file.write_bytes(orjson.dumps(body))
    _known(fragile, "old-token-of-the-runner")
    cluster = KubernetesCluster(
        Transport(Access(str(file), allows=Allows.WRITES), time.sleep), "rotating"
    )
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "rotated", "namespace": "default"},
    }
    assert isinstance(cluster.apply(config), Done)
    _known(fragile, "new-token-of-the-runner")
    token.write_text("new-token-of-the-runner")
    before = cluster.requests
    assert isinstance(cluster.apply({**config, "data": {"a": "b"}}), Done)
    assert cluster.requests == before + 2

    token.write_text("revoked-token-of-the-runner")
    stale = KubernetesCluster(
        Transport(Access(str(file), allows=Allows.WRITES), _never), "rotating"
    )
    with pytest.raises(ClusterUnreadable, match="refuses the credentials") as caught:
        stale.discover()
    assert stale.requests == 2
    assert "revoked-token" not in str(caught.value)
    _known(fragile, "another-token")
    before = cluster.requests
    refused = cluster.apply(config)
    assert (refused.refusal, cluster.requests - before) == (RefusalCause.UNAUTHORIZED, 2)
    assert "token-of-the-runner" not in json.dumps(refused.message)
    cluster.close()
    stale.close()


def _never(seconds):
    raise AssertionError(f"waits for {seconds} s")
