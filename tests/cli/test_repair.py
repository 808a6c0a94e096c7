"""A damaged inventory is shown beside the cluster and Git, and written again only when told to."""

import contextlib
import re

import pytest

from reconciler import kinds
from reconciler.objects.key import ObjectKey
from reconciler.plan import inventory, records
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId

UNIT = UnitId.parse("prod/one/web")
KEY = inventory.inventory_key(UNIT)


@contextlib.contextmanager
def opened(repo):
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    yield cluster
    cluster.close()


def damaged(repo, change):
    code, out = repo.live("reconcile", "--once")
    assert code == 0, out
    with opened(repo) as cluster:
        cluster.edit(KEY, lambda body: change(body["data"]))
        return cluster.get(KEY).resource_version


def _foreign(data):
    data["members"] += "\n- v1 ConfigMap kube-system coredns u-1 - -"


def _emptied(data):
    data["members"] = ""


def _json(data):
    data["members"] = '{"a": [}'


@pytest.mark.parametrize("change", [_foreign, _emptied, _json])
def test_a_damaged_inventory_is_shown_and_written_anew_with_what_is_ours(repo, change):
    version = damaged(repo, change)
    code, out = repo.live("repair")
    assert code == 4, out
    assert "ml-one/web-v1" in out
    assert ("kube-system/coredns" in out) == (change is _foreign)
    with opened(repo) as cluster:
        assert cluster.get(KEY).resource_version == version
    code, out = repo.live("repair", "--write", "000000000000")
    assert code == 4, out
    approval = re.search(r"--write ([0-9a-f]{12})", out)[1]
    code, out = repo.live("repair", "--write", approval)
    assert (code, "written again" in out) == (0, True), out
    with opened(repo) as cluster:
        found = records.from_body(cluster.get(KEY).body)
        assert ObjectKey("", "ConfigMap", "kube-system", "coredns") not in {
            m.key for m in found.members
        }
        assert all(m.uid == cluster.get(m.key).uid for m in found.members)
        assert found.members
    code, out = repo.live("reconcile", "--once")
    assert code == 0, out
    code, out = repo.live("plan", "--exit-code")
    assert code == 0, out
    code, out = repo.live("repair")
    assert (code, "no inventory is damaged" in out) == (0, True), out


def test_an_approval_is_of_no_use_when_something_moved(repo):
    damaged(repo, _emptied)
    _, out = repo.live("repair")
    approval = re.search(r"--write ([0-9a-f]{12})", out)[1]
    with opened(repo) as cluster:
        cluster.edit(KEY, lambda body: _foreign(body["data"]))
    code, out = repo.live("repair", "--write", approval)
    assert (code, "written again" in out) == (4, False), out


def test_an_inventory_of_a_newer_version_is_not_repaired(repo):
    damaged(repo, lambda data: data.update(schemaVersion="99"))
    code, out = repo.live("repair")
    assert (code, "upgrade" in out, "--write" in out) == (4, True, False), out
