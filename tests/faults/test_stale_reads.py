"""Reads of a server that lags behind, and of one that goes back in time (F87); a render that is cut
off from the network (F69)."""

import copy
import subprocess
import sys

import pytest

from reconciler.engine import apply_plan
from reconciler.objects.key import key_of
from reconciler.objects.observed import absent_object, live_object
from reconciler.ports import Listing
from tests import flow, support
from tests.support import ROOT

TARGET = flow.key("Deployment", "ml-one", "web-v1")


class Lagging:
    """A cluster whose objects are read as they were when this was made; writes and dry-runs reach
    the present."""

    def __init__(self, cluster):
        self._cluster = cluster
        self._then = {key: copy.deepcopy(body) for key, body in cluster.server.store.everything()}

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    def get(self, key):
        body = self._then.get(key)
        return live_object(copy.deepcopy(body)) if body is not None else absent_object(key)

    def list(self, kind, namespace="", labels=None):
        return Listing(kind, tuple(map(self.get, self._keys(kind, namespace, labels or {}))))

    def _keys(self, kind, namespace, labels):
        return sorted(
            key
            for key, body in self._then.items()
            if key.group_kind == kind
            and namespace in ("", key.namespace)
            and labels.items() <= (body["metadata"].get("labels") or {}).items()
        )


def stale_run(tree, place, reader):
    """Read late and written now."""
    seen = support.reviewed(tree, reader, place.clock.now())
    settings = apply_plan.ApplySettings(timeout=60.0)
    return support.Ran(apply_plan.reconcile(seen, reader, place.clock, support.Silent(), settings))


#: What is wanted by the run that reads late.
WANTED = {
    "nothing new": flow.ROUTED,
    "a change": flow.pointing(flow.ROUTED, "v1", "  replicas: 3\n"),
    "another version": flow.pointing(flow.ROUTED, "v2"),
    "a removal": flow.ROUTED.but({"environments/prod/one/web.yaml": None}),
}


@pytest.mark.parametrize("wanted", WANTED)
def test_an_object_made_anew_since_is_neither_written_nor_deleted(wanted):
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    late = Lagging(place.cluster)
    theirs = copy.deepcopy(place.cluster.server.get(TARGET))
    place.cluster.server.delete(TARGET, uid=theirs["metadata"]["uid"])
    meta = {"name": TARGET.name, "namespace": TARGET.namespace}
    body = {**theirs, "metadata": meta}
    body.pop("status", None)
    made = place.cluster.acting_as("somebody").create(body)
    assert key_of(made.body) == TARGET
    before = place.cluster.server.get(TARGET)
    stale_run(WANTED[wanted], place, late)
    after = place.cluster.server.get(TARGET)
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]


@pytest.mark.parametrize("wanted", WANTED)
def test_a_run_that_reads_what_was_before_the_last_one_makes_nothing_twice_and_heals(wanted):
    """Time travel: the second run sees the time before the first."""
    place = flow.world()
    flow.settled(support.small(), place)
    late = Lagging(place.cluster)
    flow.settled(flow.ROUTED, place, runs=60)
    ledger = flow.Ledger(place)
    report = stale_run(WANTED[wanted], place, late)
    deleted = [slot for slot in ledger.counts if slot[0] == "deleted"]
    created = [slot for slot in ledger.counts if slot[0] == "created"]
    # What Git gave up may go: by its uid and the version that was read.
    assert deleted == [] or wanted == "a removal"
    assert [slot for slot in created if "HTTPRoute" in slot[1] or "web-v1" in slot[1]] == []
    assert report.exit_code in (0, 4, 6)
    flow.walk(WANTED[wanted], place)
    assert flow.orphans(place) == set()


_RENDER = """
import sys
refused = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")
def hook(event, args):
    if event in refused:
        sys.stderr.write(f"connects: {event} {args}")
        raise OSError(event)
if sys.argv.pop() == "cut-off":
    sys.addaudithook(hook)
from reconciler.cli.program import main
main(sys.argv[1:])
"""


def test_a_render_without_a_network_is_the_same_and_tries_nothing():
    def rendered(how):
        done = subprocess.run(
            [sys.executable, "-c", _RENDER, "render", "--repo", str(ROOT), how],
            capture_output=True,
            cwd=ROOT,
        )
        assert b"connects" not in done.stderr, done.stderr
        return done

    free, cut_off = rendered("free"), rendered("cut-off")
    assert free.returncode == cut_off.returncode == 0, cut_off.stderr
    assert len(free.stdout) > 10_000
    assert free.stdout == cut_off.stdout
