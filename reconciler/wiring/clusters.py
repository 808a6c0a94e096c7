"""Builds the clients of the clusters that a command's options name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import kinds
from reconciler.errors import UsageMistake
from reconciler.wiring import redaction
from reconciler.wiring.common import CommonOptions, now

if TYPE_CHECKING:
    from reconciler.engine.targets import Targets
    from reconciler.ports import Clock, ClusterWriter, LeaseClient, Workers
    from reconciler.wiring import places

__all__ = ["Cluster", "cluster", "lease_client", "require_cluster"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The clients of one or several clusters. `clock` is the clock for waits, `workers` make as
    many calls at once as the clusters allow. `client` is the only client, or the first."""

    targets: Targets[ClusterWriter]
    clock: Clock
    workers: Workers

    @property
    def client(self) -> ClusterWriter:
        return self.targets.clients[0]

    def requests(self) -> int:
        """The number of requests sent so far, to all clusters."""
        clients = self.targets.clients
        used = clients.used() if isinstance(clients, _LazyClients) else clients
        return sum(client.requests for client in used)


@contextmanager
def cluster(
    common: CommonOptions,
    *,
    allows: str = "reads",
    sleep: Callable[[float], None] | None = None,
    left: Callable[[], float] | None = None,
) -> Iterator[Cluster | None]:
    """The clusters that the options name; None when they name none. `allows` limits the requests to
    a real cluster: `reads`, `dry-runs` or `writes`. `sleep` is called before a request is sent
    again; `left` returns the seconds until the run's deadline. Raises UsageMistake."""
    named = {
        "--embedded": common.embedded is not None,
        "--kubeconfig": common.kubeconfig is not None,
        "--clusters": common.clusters is not None,
        "--in-cluster": common.in_cluster,
    }
    given = [option for option, is_given in named.items() if is_given]
    if len(given) > 1:
        raise UsageMistake(f"{' and '.join(given)} exclude each other")
    if common.context and common.kubeconfig is None:
        raise UsageMistake("--context needs --kubeconfig: the variable KUBECONFIG is not read")
    if not given:
        yield None
        return
    if common.embedded is None:
        with _real(common, allows, sleep, left) as found:
            yield found
        return
    from reconciler.adapters.masked import MaskedCluster
    from reconciler.engine.targets import Targets
    from reconciler.ports import SEQUENTIAL
    from reconciler.simulation.world import World

    folder = Path(common.embedded).resolve().parent
    if not folder.is_dir():
        raise UsageMistake(f"--embedded {common.embedded}: there is no folder {folder}")
    world = World(common.embedded, start=now(common), kinds=kinds.known())
    try:
        # Time has passed since the file was last used: its controllers run up to now.
        if world.clock.now() < now(common):
            world.run_until(now(common))
        masked = MaskedCluster(world.cluster, redaction.redactor())
        yield Cluster(Targets((masked,), everywhere=True), world.clock, SEQUENTIAL)
    finally:
        world.close()


@contextmanager
def _real(
    common: CommonOptions,
    allows: str,
    sleep: Callable[[float], None] | None,
    left: Callable[[], float] | None,
) -> Iterator[Cluster]:
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.kubernetes.cluster import KubernetesCluster
    from reconciler.adapters.kubernetes.transport import Allows, Transport
    from reconciler.adapters.masked import MaskedCluster
    from reconciler.adapters.workers import Threads
    from reconciler.engine.targets import Targets
    from reconciler.wiring import places

    clock = SystemClock()
    limit = {"reads": Allows.READS, "dry-runs": Allows.DRY_RUNS, "writes": Allows.WRITES}[allows]
    found = places.places(common)
    redactor = redaction.redactor()

    def make(place: places.Place) -> MaskedCluster:
        access = replace(place.access, allows=limit)
        transport = Transport(
            access, sleep or clock.sleep, redactor.learn, left or (lambda: float("inf"))
        )
        name = place.name or common.context or transport.host
        return MaskedCluster(KubernetesCluster(transport, name), redactor)

    clients = _LazyClients(found, make)
    named = {place.name: index for index, place in enumerate(found)}
    one = not found[0].name
    targets: Targets[ClusterWriter] = Targets(
        clients, named, everywhere=one, whole=common.clusters is not None
    )
    try:
        if one:
            _ = clients[0]  # makes the client now, so that a mistake in its access comes first
        yield Cluster(targets, clock, Threads(found[0].access.connections))
    finally:
        clients.close()


class _LazyClients(Sequence[Any]):
    """Clients that are made when first used: making one may start a credential program."""

    def __init__(self, places: list[places.Place], make: Callable[[places.Place], Any]) -> None:
        self._places = places
        self._make = make
        self._made: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        if index not in self._made:
            self._made[index] = self._make(self._places[index])
        return self._made[index]

    def used(self) -> Sequence[Any]:
        """The clients that were made so far."""
        return tuple(self._made.values())

    def close(self) -> None:
        for client in self._made.values():
            client.close()


@contextmanager
def lease_client(
    common: CommonOptions,
    *,
    sleep: Callable[[float], None] = time.sleep,
    left: Callable[[], float] = lambda: inf,
) -> Iterator[LeaseClient]:
    """A second client of the first cluster, for leases and events; usable while the main client is
    busy. `sleep` and `left` are as for `cluster`: the run's deadline bounds its waits too."""
    if common.embedded is not None:
        from reconciler.simulation.clock import RememberedClock
        from reconciler.simulation.cluster import EmbeddedCluster

        second = EmbeddedCluster(common.embedded, kinds=kinds.known())
        second.server.clock = RememberedClock(lambda: second.server.recall("now"))
        try:
            yield second
        finally:
            second.close()
        return
    from reconciler.adapters.direct import DirectClient
    from reconciler.adapters.kubernetes.transport import Allows, Transport
    from reconciler.wiring import places

    home = places.places(common)[0].access
    access = replace(home, allows=Allows.WRITES, connect=2.0, read=3.0)

    def pause(seconds: float) -> None:
        # Short waits only: a lease attempt that fails is repeated by the lease's own rules.
        sleep(min(seconds, 1.0))

    direct = DirectClient(Transport(access, pause, redaction.redactor().learn, left))
    try:
        yield direct
    finally:
        direct.close()


def require_cluster(found: Cluster | None) -> Cluster:
    """The cluster, for a command that needs one. Raises UsageMistake for None."""
    if found is None:
        raise UsageMistake(
            "no cluster is named",
            hint="--kubeconfig FILE or --clusters PATH names a real one, --in-cluster the one that "
            "the program runs in; --embedded FILE keeps an embedded one in that file",
        )
    return found
