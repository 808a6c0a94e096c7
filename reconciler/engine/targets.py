"""Maps the cluster names in Git to clients.

Git holds only a cluster's name, neither its address nor credentials: the operator maps names to
clients. All units of one client are planned together, so that every cluster is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from reconciler.apps.app import Fleet, Unit
from reconciler.diagnostics import Diagnostic, error
from reconciler.ports import ClusterReader
from reconciler.unit import UnitId

__all__ = ["Targets", "find_unmapped", "split_fleet", "targets_of"]

ClientT = TypeVar("ClientT", bound=ClusterReader, covariant=True)


@dataclass(frozen=True, slots=True)
class Targets(Generic[ClientT]):
    """`clients` are made when first used; `route` maps a cluster name to a client's index. With
    `everywhere`, the first client serves every name, and units without a name. `whole`: `route`
    lists all clusters of the operator, and a run reads each of them, also one that no group names
    any more."""

    clients: Sequence[ClientT]
    route: Mapping[str, int] = field(default_factory=dict)
    everywhere: bool = False
    whole: bool = False

    def index(self, name: str) -> int | None:
        """The index of a cluster's client; None when the operator has mapped none."""
        return 0 if self.everywhere else self.route.get(name)


def targets_of(client: Targets[ClientT] | ClientT) -> Targets[ClientT]:
    """The targets as they are; a single client serves every cluster name."""
    return client if isinstance(client, Targets) else Targets((client,), everywhere=True)


def split_fleet(fleet: Fleet, targets: Targets[ClusterReader]) -> Iterator[tuple[int, Fleet]]:
    """(client's index, the client's part of the fleet). A unit stays in the `known` of every client
    but those that it is certainly not on. So the old cluster prunes a unit that moved to another
    one, and no cluster prunes a unit whose files cannot be read."""
    places = {unit.id: targets.index(unit.cluster) for unit in fleet.units()}
    for index in range(len(targets.clients)):
        if not (targets.everywhere or targets.whole) and index not in places.values():
            continue
        elsewhere = frozenset(unit for unit, place in places.items() if place != index)
        own_fleet = replace(
            fleet,
            apps=tuple(app for app in fleet.apps if app.id not in elsewhere),
            foundations=tuple(f for f in fleet.foundations if f.id not in elsewhere),
            known=fleet.known - elsewhere,
        )
        yield index, own_fleet


def find_unmapped(fleet: Fleet, targets: Targets[ClusterReader]) -> dict[UnitId, Diagnostic]:
    """Unit → the mistake in its cluster's name, for units without a client."""
    out: dict[UnitId, Diagnostic] = {}
    for unit in fleet.units():
        if targets.index(unit.cluster) is None:
            out[unit.id] = _unknown(unit, targets).reaching(unit.id)
    return out


def _unknown(unit: Unit, targets: Targets[ClusterReader]) -> Diagnostic:
    known = ", ".join(sorted(targets.route)) or "none"
    named = unit.cluster_value
    if named is None:
        return error(
            "E_CLUSTER_NAME",
            f"{unit.group_id} names no cluster, and there are several: {known}",
            help="set `cluster` in its environment.yaml or group.yaml",
        )
    return error(
        "E_CLUSTER_NAME",
        f"the cluster {named.value!r} is not known",
        named.site,
        path="cluster",
        found=f"known clusters: {known}",
        help="the operator maps names to clusters: --clusters, or a context of that name",
    )
