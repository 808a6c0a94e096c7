"""Leases of a run: taken, kept, lost and given back."""

from datetime import timedelta

import pytest

from reconciler.apply import lease
from reconciler.objects.outcome import RefusalCause
from reconciler.operate.leases import Leases, LeaseUnavailable
from reconciler.simulation.clock import SimulatedBackground
from reconciler.simulation.cluster import RequestLost
from reconciler.unit import UnitId
from tests import flow, support
from tests.looping import Place

KEY = lease.lease_key("prod/one")
UNIT = UnitId.parse("prod/one/web")


@pytest.fixture
def place():
    return Place(support.small())


def kept(place, name="one", **options):
    """Leases that are renewed as time goes by."""
    made = place.leases(name, **options)
    assert made.acquire(["prod/one"]) == {}
    made.keep(SimulatedBackground(place.clock.timeline))
    return made


def spec(place):
    return place.cluster.get(KEY).body["spec"]


def test_a_group_is_named_by_its_environment_in_the_tool_s_namespace(place):
    kept(place)
    assert KEY.full() == "Lease.coordination.k8s.io ml-reconciler/prod.one"
    assert spec(place)["holderIdentity"] == "one"
    assert spec(place)["leaseDurationSeconds"] == 15


def test_a_unit_of_a_group_that_was_not_asked_for_may_not_be_written(place):
    made = kept(place)
    assert made.permit(UNIT) == ""
    assert made.permit(UnitId.parse("prod/one/_group")) == ""
    assert "has not asked for" in made.permit(UnitId.parse("prod/two/web"))


def test_a_lease_is_renewed_for_as_long_as_the_main_loop_gets_ahead(place):
    made = kept(place)
    for _ in range(200):
        place.clock.sleep(5)
        assert made.permit(UNIT) == ""
    assert made.held == ("prod/one",)
    assert made.epoch("prod/one") == 0


def test_a_main_loop_that_is_stuck_loses_its_leases(place):
    """F130: nothing asks for a permit any more."""
    made = kept(place, stall=120)
    place.clock.sleep(120 + 2)
    assert made.held == ("prod/one",)
    place.clock.sleep(20)
    assert made.held == ()
    other = place.leases("other")
    assert other.acquire(["prod/one"]) == {}
    assert "renewed in time" in made.permit(UNIT)
    place.clock.sleep(3)
    assert "went to other" in made.permit(UNIT)


def test_a_live_holder_is_left_alone_after_a_few_seconds(place):
    """F75: the loser does not wait a whole duration for somebody who works."""
    kept(place)
    start = place.clock.monotonic()
    locked = place.leases("two").acquire(["prod/one"])
    assert locked == {"prod/one": "the lease is held by one"}
    assert place.clock.monotonic() - start < 10


def test_the_run_after_a_killed_one_waits_one_duration_and_goes_on(place):
    """F135: nobody gave the lease back."""
    place.leases("killed").acquire(["prod/one"])
    place.clock.sleep(1)
    start = place.clock.monotonic()
    made = place.leases("next")
    assert made.acquire(["prod/one"]) == {}
    assert 15 <= place.clock.monotonic() - start <= 15 + 2 * 4.4
    assert made.epoch("prod/one") == 1


def test_what_was_taken_early_is_renewed_while_others_are_waited_for(place):
    place.leases("killed").acquire(["prod/two"])
    made = place.leases("next")
    assert made.acquire(["prod/one", "prod/two"]) == {}
    assert made.held == ("prod/one", "prod/two")


def test_no_wait_asks_once(place):
    place.leases("killed").acquire(["prod/one"])
    start = place.clock.monotonic()
    assert place.leases("two").acquire(["prod/one"], wait=0.0)
    assert place.clock.monotonic() == start


def test_a_wait_outlasts_a_live_holder(place):
    made = kept(place)
    end = place.clock.monotonic() + 60

    def work():
        made.progress()
        if place.clock.monotonic() > end:
            made.release()
        return 5.0

    SimulatedBackground(place.clock.timeline).start("work", work)
    assert place.leases("two").acquire(["prod/one"], wait=300.0) == {}
    assert 55 < place.clock.monotonic() - (end - 60) < 75


def test_a_lease_edited_to_last_for_years_is_not_waited_for(place):
    kept(place).release()
    held = place.leases("hand")
    held.acquire(["prod/one"])
    place.cluster.edit(KEY, lambda body: body["spec"].update(leaseDurationSeconds=10**9))
    start = place.clock.monotonic()
    assert place.leases("two").acquire(["prod/one"])
    assert place.clock.monotonic() - start <= 65


def test_waiting_ends_when_the_run_does(place):
    place.leases("killed").acquire(["prod/one"])
    start = place.clock.monotonic()
    assert place.leases("two").acquire(["prod/one"], ended=lambda: "ended by SIGTERM")
    assert place.clock.monotonic() == start


def test_leases_that_may_not_be_had_are_an_error_and_not_somebody_else_s(place):
    made = place.leases()
    made.client.before = lambda verb, _target: (
        None if verb == "get" else (_ for _ in ()).throw(flow.refuse(RefusalCause.FORBIDDEN))
    )
    with pytest.raises(LeaseUnavailable, match="on order"):
        made.acquire(["prod/one"], wait=0.0)


def test_an_outage_longer_than_the_renew_deadline_ends_the_writing_and_heals(place):
    """F138: the record did not change meanwhile, so the term goes on."""
    made = kept(place)

    def down(_verb, _target):
        raise RequestLost(done=False)

    made.client.before = down
    place.clock.sleep(5)
    assert made.permit(UNIT) == ""
    place.clock.sleep(8)
    assert "renewed in time" in made.permit(UNIT)
    made.client.before = None
    place.clock.sleep(4)
    assert made.permit(UNIT) == ""
    assert made.epoch("prod/one") == 0


def test_a_deleted_lease_is_lost_for_the_run_and_asked_for_anew_by_the_next(place):
    made = kept(place)
    seen = place.cluster.get(KEY)
    place.cluster.delete(KEY, uid=seen.uid)
    place.clock.sleep(4)
    assert "deleted" in made.permit(UNIT)
    assert made.acquire(["prod/one"]) == {}
    assert made.permit(UNIT) == ""


def test_release_gives_back_and_permits_nothing_from_its_first_moment(place):
    made = kept(place)
    seen = []
    made.client.before = lambda verb, _t: seen.append((verb, made.permit(UNIT)))
    made.release()
    assert [verb for verb, _ in seen] == ["get", "replace"]
    assert all("given back" in why for _, why in seen)
    assert spec(place)["holderIdentity"] == ""
    place.clock.sleep(30)
    assert spec(place)["holderIdentity"] == ""


def test_release_of_a_deposed_holder_leaves_its_successor_alone(place):
    made = place.leases("away")
    made.acquire(["prod/one"])
    other = place.leases("successor")
    other.acquire(["prod/one"])
    made.release()
    assert spec(place)["holderIdentity"] == "successor"


def test_a_lease_is_never_patched_and_put_with_a_version(place):
    made = kept(place)
    place.clock.sleep(60)
    made.release()
    verbs = {verb for verb, _ in made.client.log}
    assert verbs <= {"get", "create", "replace"}
    assert isinstance(made, Leases)


class Jumping:
    """A machine whose wall clock is set again and again, by an hour either way (F109)."""

    def __init__(self, clock):
        self.clock = clock
        self.step = 0

    def now(self):
        self.step += 1
        return self.clock.now() + timedelta(
            hours=(-1) ** self.step, days=365 * 13 * (self.step % 3)
        )

    def monotonic(self):
        return self.clock.monotonic()

    def sleep(self, seconds):
        self.clock.sleep(seconds)


def test_a_wall_clock_that_jumps_changes_nothing(place):
    """F109: an hour back, an hour on, past 2038."""
    clock = Jumping(place.clock)

    def run(name):
        client = place.cluster.acting_as(name)
        return Leases(lambda _g: client, clock, name, chance=lambda: 0.1)

    made = run("one")
    start = place.clock.monotonic()
    assert made.acquire(["prod/one"]) == {}
    assert place.clock.monotonic() == start
    made.keep(SimulatedBackground(place.clock.timeline))
    for _ in range(50):
        place.clock.sleep(3)
        assert made.permit(UNIT) == ""
        assert run("two").acquire(["prod/one"], wait=0.0)
    made._stop()
    start = place.clock.monotonic()
    assert run("three").acquire(["prod/one"]) == {}
    assert 15 <= place.clock.monotonic() - start < 25


@pytest.mark.parametrize("wait", [None, 60.0])
def test_the_deadline_of_a_run_bounds_the_wait_for_a_lease(place, wait):
    kept(place, "other")
    place.clock.sleep(1)
    begun = place.clock.monotonic()
    made = place.leases("one")

    def left():
        return max(0.0, begun + 3.0 - place.clock.monotonic())

    locked = made.acquire(
        ["prod/one"], wait=wait, ended=lambda: "" if left() else "the deadline", left=left
    )
    assert locked.keys() == {"prod/one"}
    assert place.clock.monotonic() - begun <= 3.0
