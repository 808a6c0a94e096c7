"""The door that hides secrets is one for every identity."""

from reconciler import kinds
from reconciler.adapters.masked import MaskedCluster
from reconciler.secrets import Redactor
from reconciler.simulation.world import World
from tests.support import NOW


def test_a_cluster_behind_the_door_can_act_for_somebody_else():
    world = World(":memory:", start=NOW, kinds=kinds.known())
    masked = MaskedCluster(world.cluster, Redactor(b"0" * 16))
    twin = masked.acting_for("tenant")
    assert isinstance(twin, MaskedCluster)
    assert twin.name == masked.name
    assert twin.identity() == masked.identity()
    world.close()
