"""Which recorded objects are deleted."""

import pytest

from reconciler.objects.observed import live_object
from reconciler.plan import inventory, prune
from reconciler.plan.snapshot import Snapshot
from reconciler.unit import UnitId
from tests import flow

TARGET = flow.key("ConfigMap", "ns", "a")


def seen_as(uid="u", unit="p/g/old", manager="reconciler"):
    return live_object(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "a",
                "namespace": "ns",
                "uid": uid,
                "labels": {inventory.PART_OF: inventory.part_of(UnitId.parse(unit))},
                "managedFields": [
                    {"manager": manager, "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}
                ],
            },
        }
    )


@pytest.mark.parametrize(
    ("seen", "others", "deleted"),
    [
        (seen_as(), [], True),
        (seen_as(uid="another"), [], False),
        (seen_as(manager="helm"), [], False),
        # Both inventories list it: the object itself says whose it is, so one of them keeps it.
        (seen_as(), ["p/g/new"], True),
        (seen_as(unit="p/g/new"), ["p/g/new"], False),
        (seen_as(unit="p/g/new"), [], True),
    ],
)
def test_a_recorded_object_is_deleted_only_while_it_is_ours(seen, others, deleted):
    member = inventory.Member(TARGET, "v1", "u", "m", "l")
    known = {
        UnitId.parse(u): inventory.Inventory(UnitId.parse(u), (member,))
        for u in ("p/g/old", *others)
    }
    snapshot = Snapshot(inventories=known)
    changes, stay = prune.plan_deletions(
        UnitId.parse("p/g/old"), [member], frozenset(), {TARGET: seen}, snapshot
    )
    assert [c.action.value for c in changes] == (["delete"] if deleted else [])
    assert stay == ([member] if deleted else [])
