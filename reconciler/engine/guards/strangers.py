"""The guard of namespaces: deleting a namespace deletes everything in it, so a namespace is kept
while it holds an object that Git does not ask to delete."""

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
    """The guard of a run. `reader_of` returns the client of an index, None for a run without a
    cluster. A namespace whose objects cannot be listed is kept. Sends requests only when a
    namespace would be deleted."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            reader = reader_of(app.place)
            for change in app.changes():
                is_delete = change.action is Action.DELETE and change.standing is Standing.GO
                if reader is None or not is_delete or change.key.kind != "Namespace":
                    continue
                inventories = recorded.get(app.place, {}).values()
                own = {member.key for found in inventories for member in found.members}
                why = _explain_kept(reader, change.key, own)
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


def _explain_kept(reader: ClusterReader, namespace: ObjectKey, own: set[ObjectKey]) -> str:
    """Why a namespace is kept; "" when it may be deleted."""
    try:
        found = find_strangers(reader, namespace.name, own)
    except ClusterUnreadable as error:
        return error.message
    return f"kept: it holds {format_keys(found)}, not this program's to delete" if found else ""
