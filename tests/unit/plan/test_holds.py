"""What a run cannot reach while another change is held."""

from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.plan import holds, order
from reconciler.plan.change import Action, AppPlan, Change, Plan, Standing, StateSwap
from reconciler.unit import UnitId


def change(kind, wave, action=Action.UPDATE, standing=Standing.GO, **more):
    return Change(ObjectKey("", kind, "ns", "x"), "v1", action, wave, standing, **more)


def standings(*changes, swap=None):
    """Kind → its standing in the plan, and the swap that is left."""
    unit = UnitId("p", "g", "m")
    app = AppPlan(unit, "p", "g", "ns", "c", order.order_waves(changes), swap=swap)
    (after,) = holds.hold_unreachable(Plan("l", "", (), (app,))).apps
    return {c.key.kind: c.standing for c in after.changes()}, after.swap


def test_a_plan_in_which_everything_goes_stays_the_same():
    app = AppPlan(UnitId("p", "g", "m"), "p", "g", "ns", "c", ((change("A", Wave.CONFIG),),))
    plan = Plan("l", "", (), (app,))
    assert holds.hold_unreachable(plan) == plan


def test_later_waves_deletes_and_the_state_wait_for_a_held_change():
    found, swap = standings(
        change("Before", Wave.CONFIG),
        change("Held", Wave.WORKLOADS, standing=Standing.HELD),
        change("Beside", Wave.WORKLOADS),
        change("Route", Wave.ROUTING),
        change("Old", Wave.CONFIG, Action.DELETE),
        swap=StateSwap(()),
    )
    assert found == {
        "Before": "go",
        "Held": "held",
        "Beside": "go",
        "Route": "held",
        "Old": "held",
    }
    assert swap is None


def test_a_refused_delete_and_a_kept_object_hold_nothing_else():
    found, _ = standings(
        change("Refused", Wave.CONFIG, Action.DELETE, Standing.HELD),
        change("Kept", Wave.CONFIG, Action.KEEP, Standing.HELD),
        change("Route", Wave.ROUTING),
        change("Old", Wave.CONFIG, Action.DELETE),
    )
    assert (found["Route"], found["Old"]) == ("go", "go")


def test_a_delete_waits_for_an_object_of_a_later_wave_that_is_being_deleted():
    found, _ = standings(
        change("Route", Wave.ROUTING, Action.KEEP, Standing.HELD, awaited=True),
        change("Backend", Wave.WORKLOADS, Action.DELETE),
    )
    assert found["Backend"] == "held"


def test_nothing_of_a_unit_goes_while_one_object_is_not_judged():
    found, swap = standings(
        change("A", Wave.CONFIG),
        change("B", Wave.ROUTING, standing=Standing.UNJUDGED, reasons=(Reason("503"),)),
        swap=StateSwap(()),
    )
    assert found == {"A": "unjudged", "B": "unjudged"}
    assert swap is None
