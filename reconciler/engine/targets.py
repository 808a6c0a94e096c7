"""Which client speaks to which of the clusters that Git names.

Git says a cluster's name, never where it is or with what rights: the operator maps names to
clients. What one client answers for is planned together, so that every cluster is read once.
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
    """`clients` by an index, made when they are first asked for; `route` maps cluster names to it.
    With `everywhere`, the first client stands for every name, also for one that no group says.
    `whole`: the map is the operator's list of all clusters, so that each is looked at, also one
    that no group names any more."""

    clients: Sequence[ClientT]
    route: Mapping[str, int] = field(default_factory=dict)
    everywhere: bool = False
    whole: bool = False

    def index(self, name: str) -> int | None:
        """The client of a cluster; None where the operator knows none."""
        return 0 if self.everywhere else self.route.get(name)


def targets_of(client: Targets[ClientT] | ClientT) -> Targets[ClientT]:
    """One client stands for all cluster names."""
    return client if isinstance(client, Targets) else Targets((client,), everywhere=True)


def split_fleet(fleet: Fleet, targets: Targets[ClusterReader]) -> Iterator[tuple[int, Fleet]]:
    """The fleet as each client has it, by the client's index. A unit counts as known to a client
    unless it is known to be on another cluster: so one that moved is pruned where it was, and one
    that cannot be read is left alone everywhere."""
    places = {unit.id: targets.index(unit.cluster) for unit in fleet.units()}
    for index in range(len(targets.clients)):
        if not (targets.everywhere or targets.whole) and index not in places.values():
            continue
        elsewhere = frozenset(unit for unit, place in places.items() if place != index)
        here = replace(
            fleet,
            apps=tuple(app for app in fleet.apps if app.id not in elsewhere),
            foundations=tuple(f for f in fleet.foundations if f.id not in elsewhere),
            known=fleet.known - elsewhere,
        )
        yield index, here


def find_unmapped(fleet: Fleet, targets: Targets[ClusterReader]) -> dict[UnitId, Diagnostic]:
    """Unit → what is wrong with the cluster that it names."""
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
            f"{unit.group_id} names no cluster, and several are at hand: {known}",
            help="set `cluster` in its environment.yaml or group.yaml",
        )
    return error(
        "E_CLUSTER_NAME",
        f"no cluster {named.value!r} is at hand",
        named.site,
        path="cluster",
        found=f"known here: {known}",
        help="the operator maps names to clusters: --clusters, or a context of that name",
    )
