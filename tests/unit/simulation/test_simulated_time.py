"""The timeline, the clock, and what a later process continues."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from reconciler import extensions
from reconciler.objects.key import GroupKind, key_of
from reconciler.objects.kind import Kind
from reconciler.objects.outcome import Refused
from reconciler.objects.status import kstatus
from reconciler.simulation.clock import SimulatedClock
from reconciler.simulation.controller import Project
from reconciler.simulation.outcomes import Outcomes
from reconciler.simulation.timeline import Timeline
from reconciler.simulation.world import World

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_events_fire_in_order_of_time_then_of_scheduling():
    timeline, seen = Timeline(START), []
    for name, seconds in [("c", 20), ("a", 10), ("b", 10)]:
        timeline.at(START + timedelta(seconds=seconds), partial(seen.append, name))
    timeline.advance(START + timedelta(seconds=19))
    assert seen == ["a", "b"]
    timeline.advance(START + timedelta(seconds=20))
    assert seen == ["a", "b", "c"]


def test_an_event_sees_its_own_time_and_may_add_more():
    timeline, seen = Timeline(START), []

    def tick():
        seen.append(timeline.now - START)
        timeline.at(timeline.now + timedelta(seconds=5), tick)

    timeline.at(START + timedelta(seconds=5), tick)
    timeline.advance(START + timedelta(seconds=17))
    assert [s.total_seconds() for s in seen] == [5, 10, 15]
    assert timeline.now == START + timedelta(seconds=17)


def test_time_never_goes_back():
    timeline = Timeline(START)
    timeline.advance(START - timedelta(days=1))
    assert timeline.now == START


def test_a_loop_that_never_settles_is_an_error_and_no_hang():
    timeline = Timeline(START)

    def again():
        timeline.at(timeline.now, again)

    timeline.at(START, again)
    with pytest.raises(RuntimeError, match="never settle"):
        timeline.advance(START + timedelta(seconds=1))


def test_a_start_without_zone_is_refused():
    with pytest.raises(ValueError, match="zone"):
        Timeline(datetime(2026, 1, 1))  # noqa: DTZ001


def test_sleeping_moves_the_clock_and_fires_what_is_due():
    clock, seen = SimulatedClock(START), []
    clock.timeline.at(START + timedelta(seconds=2), lambda: seen.append(1))
    clock.sleep(1.5)
    assert seen == []
    clock.sleep(0.5)
    assert seen == [1]
    assert clock.now() == START + timedelta(seconds=2)


def test_every_file_of_the_room_holds_a_project_whose_controllers_have_names_of_their_own():
    room = "reconciler.simulation.controllers"
    found = [extensions.load(room, name, "PROJECT") for name in extensions.names(room)]
    assert all(isinstance(project, Project) for project in found)
    names = [controller.name for project in found for controller in project.controllers]
    assert len(set(names)) == len(names) > 10


def test_a_kind_that_it_is_told_of_is_served_and_without_a_controller_stays_in_progress():
    thing = Kind(GroupKind("example.com", "ThingJob"), "thingjobs", "v1", kstatus)
    body = {
        "apiVersion": "example.com/v1",
        "kind": "ThingJob",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"workers": 2},
    }
    world = World(start=START, kinds={thing.group_kind: thing})
    world.cluster.apply(body)
    world.run_for(timedelta(days=1))
    live = world.cluster.get(key_of(body))
    assert live.body is not None
    assert "status" not in live.body
    assert isinstance(World(start=START, kinds={}).cluster.apply(body), Refused)


def test_outcomes_depend_on_run_and_candidate_alone():
    assert Outcomes().of("r", "a") == Outcomes().of("r", "a")
    assert Outcomes().of("r", "a") != Outcomes().of("r", "b")
    assert Outcomes().of("r", "a", "loss").metrics["loss"] < 0.2
    table = Outcomes(table={"r/*": {"accuracy": 0.5}}, failing=("r/b",))
    assert table.of("r", "a").metrics == {"accuracy": 0.5}
    assert not table.of("r", "b").succeeded
    assert table.of("r", "a").succeeded


def test_a_used_file_remembers_its_time_and_ignores_another_start(town, tmp_path):
    path = str(tmp_path / "w.db")
    first = town(path=path)
    first.pass_(hours=3)
    now = first.now
    assert first.again(start=START).now == now


def test_the_same_history_gives_the_same_cluster(town):
    def history():
        one = town()
        one.put("v1", "Service", "s", {"ports": [{"port": 80}]})
        one.pass_(minutes=1)
        return [body for _, body in one.world.cluster.server.store.everything()]

    assert history() == history()
