"""What may leave the process: the promise of plan modes, kept by the transport alone."""

import itertools
import json

import orjson
import pytest

from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.adapters.kubernetes.transport import Access, Allows, NotAllowed, Transport
from tests import needs
from tests.unit.adapters.test_kubernetes_requests import BODY, Stub, discovered, reply

pytestmark = needs.kubernetes

DRY = orjson.dumps({"dryRun": ["All"]})
METHODS = ("POST", "PUT", "PATCH", "DELETE")
QUERIES = {"no query": (), "a dry-run": (("dryRun", "All"),), "an odd one": (("dryRun", "None"),)}
BODIES = {"no body": None, "options": b"{}", "dry options": DRY}


@pytest.fixture
def stub():
    made = Stub()
    made.script = [reply(200)]
    yield made
    made.close()


def transport(stub, tmp_path, allows):
    path = tmp_path / "config"
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": stub.url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return Transport(Access(str(path), allows=allows), lambda _: None)


def is_dry(method, query, body):
    """What the server goes by: a DELETE's options in its body, else the query."""
    return body == DRY if method == "DELETE" else query == QUERIES["a dry-run"]


@pytest.mark.parametrize("allows", [Allows.READS, Allows.DRY_RUNS])
def test_nothing_that_writes_leaves_a_client_that_may_not(stub, tmp_path, allows):
    made = transport(stub, tmp_path, allows)
    for method, query, body in itertools.product(METHODS, QUERIES.values(), BODIES.values()):
        before = len(stub.asked)
        if allows is Allows.DRY_RUNS and is_dry(method, query, body):
            made.request(method, "/x", query, body)
            assert len(stub.asked) == before + 1
        else:
            with pytest.raises(NotAllowed):
                made.request(method, "/x", query, body)
            assert len(stub.asked) == before
    assert made.request("GET", "/x").status == 200
    made.close()


def test_a_client_looks_only_unless_it_is_told_otherwise():
    assert Access().allows is Allows.READS


def test_every_write_of_the_adapter_is_stopped_and_every_dry_run_is_let_through(stub, tmp_path):
    made = transport(stub, tmp_path, Allows.DRY_RUNS)
    stub.script = discovered()
    cluster = KubernetesCluster(made, "stub")
    cluster.discover()
    stub.script = [reply(200, {**BODY, "metadata": {**BODY["metadata"], "uid": "u"}})]
    key = ("", "ConfigMap", "n", "c")
    from reconciler.objects.key import ObjectKey

    for write in (
        lambda: cluster.apply(BODY),
        lambda: cluster.create(BODY),
        lambda: cluster.replace(BODY),
        lambda: cluster.delete(ObjectKey(*key), uid="u"),
    ):
        with pytest.raises(NotAllowed):
            write()
    start = len(stub.asked)
    cluster.dry_run(BODY)
    cluster.dry_run_delete(ObjectKey(*key), uid="u")
    assert len(stub.asked) == start + 2
    made.close()


def test_who_is_acted_for_is_named_in_every_request_and_never_left_out(stub, tmp_path):
    made = transport(stub, tmp_path, Allows.WRITES)
    stub.script = discovered()
    cluster = KubernetesCluster(made, "stub")
    cluster.discover()
    stub.script = [reply(201, {**BODY, "metadata": {**BODY["metadata"], "uid": "u"}})]
    acting = cluster.acting_for("system:serviceaccount:n:deployer")
    acting.apply(BODY)
    acting.dry_run(BODY)
    cluster.apply(BODY)
    users = [headers.get("Impersonate-User") for _, _, headers in stub.asked[2:]]
    assert users == ["system:serviceaccount:n:deployer"] * 2 + [None]
    with pytest.raises(ValueError, match="no user"):
        cluster.acting_for("")
    made.close()


class Watch:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_requests_are_kept_to_a_rate_where_the_server_does_not_share_itself_out(
    stub, tmp_path, monkeypatch
):
    watch = Watch()
    monkeypatch.setattr("reconciler.adapters.kubernetes.transport.time", watch)
    made = transport(stub, tmp_path, Allows.READS)
    made._sleep = watch.sleep
    made.pace(shared_out=False)
    times = []
    for _ in range(401):
        made.request("GET", "/x")
        times.append(watch.now)
    assert len(stub.asked) == 401
    # 300 at once, then 50 a second.
    assert set(times[:300]) == {0.0}
    assert times[300:] == pytest.approx([n / 50 for n in range(1, 102)])
    made.pace(shared_out=True)
    made.request("GET", "/x")
    assert watch.now == times[-1]
    made.close()
