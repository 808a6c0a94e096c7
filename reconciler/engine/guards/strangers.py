"""The guard over namespaces: deleting one takes everything in it along, so it stays while it holds
what nobody asked us to delete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.apply.strangers import find_strangers
from reconciler.engine.guards.guard import Guard
from reconciler.objects.key import ObjectKey, format_keys
from reconciler.plan.change import Action, Plan, Refusal, Standing
from reconciler.plan.inventory import Inventory
from reconciler.ports import ClusterReader, ClusterUnreadable
from reconciler.unit import UnitId

__all__ = ["guard"]

_CODE = "E_STRANGERS"


def guard(
    reader_of: Callable[[int], ClusterReader | None],
    recorded: Mapping[int, Mapping[UnitId, Inventory]],
) -> Guard:
    """The guard for a run. `reader_of` gives the client of a place, None where no cluster is asked.
    A namespace that cannot be looked into is kept. Cost: requests only where a namespace goes."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            reader = reader_of(app.place)
            for change in app.changes():
                going = change.action is Action.DELETE and change.standing is Standing.GO
                if reader is None or not going or change.key.kind != "Namespace":
                    continue
                inventories = recorded.get(app.place, {}).values()
                ours = {member.key for found in inventories for member in found.members}
                why = _kept_because(reader, change.key, ours)
                if why:
                    yield Refusal(
                        _CODE,
                        why,
                        "",
                        app.unit,
                        app.place,
                        frozenset([change.key]),
                        is_of_one=True,
                        awaits=True,
                    )

    return refuse


def _kept_because(reader: ClusterReader, namespace: ObjectKey, ours: set[ObjectKey]) -> str:
    """Why a namespace stays; "" when it may go."""
    try:
        found = find_strangers(reader, namespace.name, ours)
    except ClusterUnreadable as error:
        return error.message
    return f"kept: it holds {format_keys(found)}, not ours to delete" if found else ""
