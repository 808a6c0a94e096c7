"""A large inventory is several objects."""

import pytest

from reconciler.objects.key import ObjectKey
from reconciler.plan import records
from reconciler.plan.inventory import Inventory, InventoryInvalid, Member, Phase
from reconciler.unit import UnitId

UNIT = UnitId.parse("prod/one/web")


def members(count):
    return tuple(
        Member(ObjectKey("", "ConfigMap", "ml-one", f"map-{n:05}"), "v1", f"u{n}", "m", "l")
        for n in range(count)
    )


def read(stored):
    return records.from_body(stored.parent, {b["metadata"]["name"]: b for b in stored.shards})


def test_a_large_inventory_is_spread_over_shards_and_read_back_as_it_was():
    wanted = Inventory(UNIT, members(20_000), "4f2c", Phase.APPLYING, tool="1", epoch=3)
    stored = records.to_objects(wanted)
    sizes = [len(str(body)) for body in (stored.parent, *stored.shards)]
    assert len(stored.shards) > 1
    assert max(sizes) < 900_000
    found = read(stored)
    assert found.members == wanted.members
    assert (found.revision, found.phase, found.epoch) == ("4f2c", Phase.APPLYING, 3)
    assert found.shards == stored.names


def test_a_small_one_is_one_object():
    assert records.to_objects(Inventory(UNIT, members(5))).shards == ()


def test_a_shard_is_named_by_its_content():
    first = records.to_objects(Inventory(UNIT, members(50)), most=1000)
    again = records.to_objects(Inventory(UNIT, members(50)), most=1000)
    more = records.to_objects(Inventory(UNIT, members(51)), most=1000)
    assert first.names == again.names
    # Only the last one has other content, or there is one more.
    assert set(first.names[:-1]) <= set(more.names)
    assert first.names != more.names


def missing(shards):
    shards.pop(next(iter(shards)))


def edited(shards):
    body = next(iter(shards.values()))
    body["data"]["members"] = body["data"]["members"].replace("map-00000", "map-99999")


@pytest.mark.parametrize("damage", [missing, edited])
def test_a_lost_or_edited_shard_makes_the_inventory_invalid(damage):
    stored = records.to_objects(Inventory(UNIT, members(50)), most=1000)
    shards = {b["metadata"]["name"]: b for b in stored.shards}
    damage(shards)
    with pytest.raises(InventoryInvalid):
        records.from_body(stored.parent, shards)
