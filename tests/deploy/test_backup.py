"""What docs/operations.md says of lost and restored inventories, on the embedded cluster."""

import json
from datetime import datetime

import reconciler
from reconciler import kinds
from reconciler.objects.key import GroupKind
from reconciler.objects.outcome import Done
from reconciler.simulation.world import World
from tests.cli.conftest import START, Repo
from tests.support import small

LATER = "2026-11-23T11:00:00Z"


def _state(repo):
    """Takes away all ConfigMaps of the program; their bodies."""
    world = World(str(repo.cluster), start=datetime.fromisoformat(START), kinds=kinds.known())
    kind = GroupKind("", "ConfigMap")
    found = world.cluster.list(kind, reconciler.TOOL_NAMESPACE).items
    assert found
    for item in found:
        assert isinstance(world.cluster.delete(item.key, uid=item.uid), Done)
    world.close()
    return [json.loads(json.dumps(item.body)) for item in found]


def test_lost_inventories_are_recorded_again_and_nothing_else_is_written(tmp_path):
    repo = Repo(tmp_path, small().files)
    repo.live("reconcile", "--once")
    _state(repo)
    code, out = repo.live("reconcile", "--once", now=LATER)
    assert code == 0, out
    assert not {"created", "deleted"} & set(out.split()), out
    code, out = repo.live("plan", "--exit-code", now=LATER)
    assert code == 0, out


def test_inventories_can_be_put_back(tmp_path):
    repo = Repo(tmp_path, small().files)
    repo.live("reconcile", "--once")
    bodies = _state(repo)
    world = World(str(repo.cluster), start=datetime.fromisoformat(START), kinds=kinds.known())
    for body in bodies:
        for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            body["metadata"].pop(name, None)
        assert isinstance(world.cluster.create(body), Done)
    world.close()
    code, out = repo.live("plan", "--exit-code", now=LATER)
    assert code == 0, out
