"""`status` tells what the cluster has, whatever the config says."""

from datetime import datetime, timedelta

import pytest

from reconciler.backends.live_split import read_split, reads_of
from reconciler.engine.use import status
from reconciler.engine.use.live_app import LiveApp
from reconciler.engine.views.status import Health, StepKind
from reconciler.errors import ExitCode
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import absent_object, live_object, unread_object
from reconciler.objects.outcome import RefusalCause
from reconciler.objects.timetable import read_timetable
from reconciler.plan.inventory import inventory_key
from reconciler.plan.snapshot import Snapshot
from reconciler.plan.statuses import RecordedStatus
from reconciler.simulation.cluster import RequestRefused
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow
from tests.support import NOW, record, sample, select, small

APP = UnitId("prod", "one", "web")
OWN = "environments/prod/one/web.yaml"
ROUTE = ObjectKey("gateway.networking.k8s.io", "HTTPRoute", "ml-one", "web")
TRAIN = UnitId("prod", "train", "mnist")


def seen(tree, place, **selected):
    return status.status(tree, select(**selected), place.cluster, place.cluster.clock.now())


def row_of(tree, place, app=APP):
    (row,) = [row for row in seen(tree, place).sections[1].apps if row.app == app]
    return row


@pytest.fixture
def place():
    made = flow.world()
    flow.settled(flow.ROUTED, made)
    return made


def rolling():
    made = flow.world()
    flow.settled(flow.ROUTED, made)
    wanted = flow.pointing(flow.ROUTED, "v2")
    for _ in range(3):
        flow.run(wanted, made)
        flow.minutes(made, 1)
    return made, wanted


# -- traffic ---------------------------------------------------------------------------------------


def test_traffic_is_that_of_the_live_route_and_not_of_the_tree(place):
    assert row_of(flow.pointing(flow.ROUTED, "v2"), place).traffic == {"v1": 100}


def test_traffic_that_another_sets_on_the_route_is_shown(place):
    def edit(body):
        refs = body["spec"]["rules"][0]["backendRefs"]
        refs[0]["weight"] = 60
        refs.append({"name": "somebody", "port": 80, "weight": 40})

    place.cluster.edit(ROUTE, edit)
    assert row_of(flow.ROUTED, place).traffic == {"v1": 60, "somebody": 40}


def test_a_route_that_cannot_be_read_leaves_the_traffic_unknown_and_the_app_shown(place):
    place.cluster.before = _refuse("HTTPRoute")
    row = row_of(flow.ROUTED, place)
    assert (row.health, row.traffic) == (Health.UNKNOWN, {})
    assert row.unrouted.startswith("not read: ")
    assert row.last_run == row_of(flow.ROUTED, place).last_run
    assert row.revision


def test_one_object_that_cannot_be_read_does_not_blank_the_traffic(place):
    place.cluster.before = _refuse("Deployment")
    row = row_of(flow.ROUTED, place)
    assert (row.health, row.unrouted) == (Health.UNKNOWN, "")
    assert sum(row.traffic.values()) == 100


def _refuse(kind):
    def before(verb, target):
        if verb == "list" and kind in target:
            raise RequestRefused(flow.refuse(RefusalCause.FORBIDDEN).refused)

    return before


def test_a_route_that_no_gateway_accepts_is_told(place):
    status_of = {"parents": []}
    place.cluster.server.patch_status(ROUTE, status_of, "gateway")
    row = row_of(flow.ROUTED, place)
    assert row.unrouted
    assert row.traffic == {"v1": 100}


def test_without_a_router_the_only_version_takes_all_traffic():
    made = flow.world()
    flow.settled(small(), made)
    assert row_of(small(), made).traffic == {"v1": 100}


@pytest.mark.parametrize(
    "spec",
    [
        "text",
        {"rules": "text"},
        {"rules": ["text", {"backendRefs": "text"}]},
        {"rules": [{"backendRefs": ["text", {"weight": "x"}, {"name": "a", "weight": -1}]}]},
        {"rules": None},
    ],
)
def test_a_route_of_a_wrong_shape_routes_nothing_and_stops_nothing(spec):
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": "ml-one", "labels": "text"},
        "spec": spec,
    }
    found = read_split([ROUTE], lambda key: live_object(body))
    assert found.weights == {}


def test_a_split_knows_what_it_could_not_read():
    assert read_split([ROUTE], absent_object).routed
    assert read_split([ROUTE], lambda key: unread_object(key, "no")).unread == "no"
    inference = GroupKind("serving.kserve.io", "InferenceService")
    assert GroupKind("apps", "Deployment") in reads_of([inference])
    assert reads_of([]) == frozenset()


# -- rollouts and holds ----------------------------------------------------------------------------


def test_a_rollout_that_goes_on_has_its_step_its_live_share_and_its_time():
    made, wanted = rolling()
    found = row_of(wanted, made).rollout
    assert (found.stable, found.wanted, found.weight) == ("v1", "v2", 10)
    assert (found.step, found.steps) == (1, 3)
    assert found.until is not None


def test_a_tree_that_asks_for_another_version_does_not_hide_the_rollout_in_the_cluster():
    made, _ = rolling()
    third = {"models/web/versions/v3.yaml": record("v3")}
    row = row_of(flow.pointing(flow.ROUTED, "v3").but(third), made)
    assert (row.rollout.stable, row.rollout.wanted, row.rollout.weight) == ("v1", "v2", 10)
    assert row.rollout.until is None
    assert ("version v3", True) in [(step.text, step.pending) for step in row.next]


def test_a_held_release_is_held_with_since_when_why_and_the_way_out():
    made = flow.world(settings=SimulationSettings(failing=frozenset({"v2"})))
    flow.settled(flow.ROUTED, made)
    wanted = flow.pointing(flow.ROUTED, "v2")
    flow.walk(wanted, made, timeout=10)
    row = row_of(wanted, made)
    assert (row.health, row.traffic, row.rollout) == (Health.HELD, {"v1": 100}, None)
    assert isinstance(row.hold.since, datetime)
    assert row.hold.why == "not ready within 20m"
    assert row.hold.way_out.startswith("point serving.version at another version")
    # A tree that is not applied yet does not end it.
    assert row_of(flow.ROUTED, made).health is Health.HELD


def test_a_hold_that_only_the_recorded_status_knows_is_shown():
    recorded = RecordedStatus(
        {
            "conditions": [
                {
                    "type": "Stalled",
                    "reason": "Held",
                    "message": "held since 2026-11-23 10:00 UTC: v2 has none; way out: repair it",
                    "lastTransitionTime": "2026-11-23T10:00:00Z",
                }
            ],
            "history": [{"result": "held"}],
        }
    )
    found = LiveApp(APP, (), Snapshot(), recorded).hold()
    assert (found.why, found.way_out, found.since.hour) == ("v2 has none", "repair it", 10)
    ended = RecordedStatus({**recorded.status, "history": [{"result": "success"}]})
    assert LiveApp(APP, (), Snapshot(), ended).hold() is None


# -- what the tree says ----------------------------------------------------------------------------


def test_a_mistake_in_the_config_does_not_blank_an_app_that_serves(place):
    wrong = flow.ROUTED.but({OWN: "serving: {replcas: 2}\n"})
    row = row_of(wrong, place)
    assert (row.health, row.traffic) == (Health.READY, {"v1": 100})
    assert (row.blocked, row.in_git) == (("E_UNKNOWN_KEY",), True)
    assert row.revision
    assert seen(wrong, place).exit_code is ExitCode.ERROR


def test_a_mistake_in_a_policy_does_not_blank_the_fleet(place):
    wrong = flow.ROUTED.but({"policies/broken.yaml": "apiVersion: v1\nkind: [\n"})
    row = row_of(wrong, place)
    assert (row.health, row.traffic) == (Health.READY, {"v1": 100})
    assert row.blocked


def test_an_app_that_only_the_cluster_has_is_listed(place):
    gone = flow.ROUTED.but({OWN: None})
    row = row_of(gone, place)
    assert (row.health, row.traffic, row.in_git) == (Health.READY, {"v1": 100}, False)
    assert [(s.kind, s.pending) for s in row.next] == [(StepKind.PASS, True)]


def test_an_app_that_only_the_cluster_has_can_be_selected(place):
    gone = flow.ROUTED.but({OWN: None})
    report = seen(gone, place, models=["web"])
    assert [row.app for row in report.sections[1].apps] == [APP]
    assert report.exit_code is ExitCode.DONE


def test_a_selection_lists_no_app_of_the_cluster_beside_it(place):
    gone = flow.ROUTED.but({OWN: None})
    report = seen(gone, place, models=["api"])
    assert report.sections[1].apps == ()
    assert report.exit_code is ExitCode.ERROR


def test_a_damaged_inventory_does_not_blank_an_app_that_serves(place):
    body = dict(place.cluster.get(inventory_key(APP)).body)
    place.cluster.edit(inventory_key(APP), lambda b: b["data"].update(members="nothing"))
    assert body
    row = row_of(flow.ROUTED, place)
    assert (row.health, row.traffic) == (Health.READY, {"v1": 100})
    assert row.blocked == ("E_INVENTORY",)


def test_what_is_not_applied_yet_makes_no_app_unhealthy(place):
    wanted = flow.pointing(flow.ROUTED, "v2")
    row = row_of(wanted, place)
    assert row.health is Health.READY
    assert [(s.text, s.pending) for s in row.next] == [("version v2", True)]


# -- trainings -------------------------------------------------------------------------------------


@pytest.fixture
def trained():
    made = flow.world()
    for _ in range(4):
        flow.run(sample(), made)
        flow.minutes(made, 2)
    return made


def at_noon():
    files = sample().files
    path = "models/mnist/model.yaml"
    text = bytes(files[path]).decode()
    assert '"0 2 * * *"' in text
    return sample().but({path: text.replace('"0 2 * * *"', '"0 12 * * *"')})


def test_the_next_training_is_that_of_the_schedule_in_the_cluster(trained):
    applied = row_of(sample(), trained, TRAIN).next
    assert [(s.kind, s.text, s.pending) for s in applied] == [(StepKind.SCHEDULE, "nightly", False)]
    first, *rest = row_of(at_noon(), trained, TRAIN).next
    assert first == applied[0]
    assert [(s.text, s.pending) for s in rest] == [("nightly", True)]
    assert rest[0].at.hour == (applied[0].at.hour + 10) % 24


def test_a_schedule_that_is_suspended_in_the_cluster_has_no_next_training(trained):
    key = next(k for k in flow.ours(trained) if k.kind == "CronWorkflow" and "mnist-n" in k.name)
    trained.cluster.edit(key, lambda body: body["spec"].update(suspend=True))
    (step,) = row_of(sample(), trained, TRAIN).next
    assert (step.text, step.pending) == ("nightly", True)


def test_the_last_training_is_not_the_last_pass(trained):
    before = row_of(sample(), trained, TRAIN)
    assert before.last_training is None
    trained.clock.sleep(timedelta(days=1).total_seconds())
    row = row_of(sample(), trained, TRAIN)
    assert row.last_training.schedule == "nightly"
    assert row.last_training.at > before.next[0].at - timedelta(seconds=1)


@pytest.mark.parametrize("spec", ["text", {}, {"schedules": [3, None]}, {"schedule": {}}])
def test_a_timetable_of_a_wrong_shape_starts_nothing(spec):
    found = read_timetable({"spec": spec, "status": {"active": 3, "lastScheduledTime": 7}})
    assert (found.crons, found.last, found.running) == ((), None, 0)


def test_environments_are_in_the_order_of_their_ranks():
    report = status.status(sample(), select(), None, NOW)
    found = [row.app.environment for row in report.sections[1].apps]
    assert list(dict.fromkeys(found)) == ["dev", "staging", "prod"]
