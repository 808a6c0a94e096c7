"""Which deletes are of older generations of what a unit still has."""

from dataclasses import replace

import pytest

from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan.change import Action, AppPlan, Change, Standing
from reconciler.plan.inventory import Inventory, Member
from reconciler.unit import UnitId

UNIT = UnitId("prod", "one", "web")


def inference(name, *, kind="Inference", namespace="ml-one"):
    return ObjectKey("serving.kubedl.io", kind, namespace, name)


OLD, NEW = inference("web-v1-0a1b2"), inference("web-v1-c3d4e")
DELETE = Change(OLD, "v1", Action.DELETE, Wave.WORKLOADS)
PLAN = AppPlan(
    UNIT, "prod", "one", "ml-one", "main", ((DELETE,),), (Member(NEW, "v1"),), stems={NEW: "web-v1"}
)


def test_an_object_whose_stem_the_unit_still_has_is_superseded():
    assert PLAN.is_superseded(OLD)


@pytest.mark.parametrize(
    "other",
    [
        inference("web-v2-0a1b2"),
        inference("web-v1-0a1b"),
        inference("web-v1-0a1bz"),
        inference("web-v1"),
        inference("web-v1-"),
        inference("web-v1-extra-0a1b2"),
        inference("web-v1-0a1b2", kind="Service"),
        inference("web-v1-0a1b2", namespace="ml-two"),
        NEW,
    ],
    ids=str,
)
def test_another_version_kind_namespace_or_form_of_name_is_not_superseded(other):
    assert not PLAN.is_superseded(other)


def test_nothing_of_a_removed_unit_is_superseded():
    assert not replace(PLAN, removed=True).is_superseded(OLD)


def test_nothing_of_a_unit_that_was_renamed_is_superseded():
    source = Inventory(UnitId("prod", "old", "web"), (Member(OLD, "v1"),))
    assert not replace(PLAN, source=source).is_superseded(OLD)


def test_without_a_drawn_successor_nothing_is_superseded():
    assert not replace(PLAN, stems={}).is_superseded(OLD)
    assert not replace(PLAN, members=()).is_superseded(OLD)


def test_a_successor_that_is_held_supersedes_nothing():
    held = Change(
        NEW, "v1", Action.CREATE, Wave.WORKLOADS, Standing.HELD, (Reason("not this program's"),)
    )
    assert not replace(PLAN, waves=((held,), (DELETE,))).is_superseded(OLD)
