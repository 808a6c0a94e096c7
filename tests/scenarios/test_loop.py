"""The loop in simulated time: drift, back-off, outages of Git, leases, what is recorded."""

import itertools
import json

import pytest

from reconciler.apply import lease
from reconciler.engine.views.report import Changes
from reconciler.objects.key import ObjectKey
from reconciler.objects.outcome import RefusalCause
from reconciler.operate import passes
from reconciler.operate.exposition import text
from reconciler.operate.loop import Timing
from reconciler.operate.passes import UnitState
from reconciler.operate.reports import pass_report
from reconciler.plan.statuses import status_key
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support
from tests.looping import Place

WEB = ObjectKey("apps", "Deployment", "ml-one", "web-v1")
TWO = support.small().but(
    {
        "environments/prod/one/api.yaml": "serving: {version: v1}\n",
        "models/api/model.yaml": support.small().files["models/web/model.yaml"],
        "models/api/versions/v1.yaml": support.record("v1"),
    }
)


@pytest.fixture
def place():
    return Place(support.small())


def settled(place, **options):
    """A loop that has applied everything and seen it healthy."""
    loop = place.runner(**options)
    place.steps(loop, 3)
    return loop


def replicas(place):
    return place.cluster.get(WEB).body["spec"]["replicas"]


def drift(place, count=7):
    place.cluster.edit(WEB, lambda body: body["spec"].update(replicas=count))


def entry(place, unit="prod/one/web"):
    group, _, model = unit.rpartition("/")
    seen = place.cluster.get(status_key(group))
    return json.loads(seen.body["data"][model]) if seen.is_present else {}


def ready(place, unit="prod/one/web"):
    return next(c for c in entry(place, unit)["conditions"] if c["type"] == "Ready")


def test_a_hundred_quiet_hours_write_nothing_and_renew_the_lease(place):
    leases = place.leases(timing=lease.Timing(duration=300, renew_deadline=200, retry=40))
    loop = settled(place, leases=leases, timing=Timing(interval=300))
    before = len(place.writes(loop))
    count = place.hours(loop, 100)
    assert count > 1000
    assert len(place.writes(loop)) == before
    assert loop.leases.held == ("prod/one",)
    assert 'reconciler_reconcile_total{environment="prod",result="noop"}' in text(loop.registry)


def test_drift_is_put_right_within_an_interval_without_a_new_commit(place):
    loop = settled(place)
    drift(place)
    place.steps(loop, 1)
    assert replicas(place) == 1
    shown = text(loop.registry)
    assert 'drift_corrections_total{environment="prod",kind="Deployment"} 1' in shown


def test_drift_is_only_reported_where_that_is_asked_for(place):
    loop = settled(place, corrects=False)
    assert replicas(place) == 1
    drift(place)
    before = len(place.writes(loop))
    place.steps(loop, 3)
    assert replicas(place) == 7
    assert [t for _, t in place.writes(loop)[before:] if "prod.one.status" not in t] == []
    assert 'objects{environment="prod",state="drifted"} 1' in text(loop.registry)
    assert ready(place)["reason"] == "Drifted"
    place.repo.push(flow_three())
    place.steps(loop, 3)
    assert replicas(place) == 3
    assert ready(place)["reason"] == "Succeeded"


def flow_three():
    return support.small().but(
        {"environments/prod/web.yaml": 'serving:\n  version: "v1"\n  replicas: 3\n'}
    )


def test_a_commit_that_changes_nothing_of_an_app_does_not_hide_its_drift(place):
    loop = settled(place, corrects=False)
    place.repo.push(support.small().but({"models/web/README.md": "hello\n"}))
    place.steps(loop, 1)
    drift(place)
    place.steps(loop, 1)
    assert replicas(place) == 7


def test_the_drift_that_is_only_reported_is_shown(place):
    loop = settled(place, corrects=False)
    drift(place)
    settings = passes.PassSettings(corrects=False)
    done = passes.run_pass(
        place.repo.tree, loop.cluster, place.clock, support.Silent(), settings, loop.leases
    )
    assert done.exit_code == 0
    (changes,) = [s for s in pass_report(done).sections if isinstance(s, Changes)]
    shown = [change.key for change in changes.plan.changes()]
    assert shown == [WEB]
    assert any("drifted" in line for line in pass_report(done).closing)


def test_one_bad_app_is_tried_ever_less_often_and_slows_nobody():
    place = Place(TWO)
    loop = settled(place)
    tries = []

    def refuse_api(verb, target):
        if verb in ("apply", "replace") and "api" in target and "inventory" not in target:
            tries.append(place.clock.monotonic())
            raise flow.refuse(RefusalCause.FORBIDDEN)

    loop.cluster.before = refuse_api
    place.repo.push(TWO.but({"environments/base.yaml": BASE}))
    place.hours(loop, 6)
    assert place.cluster.get(WEB).body["spec"]["replicas"] == 2
    spans = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert len(tries) < 20
    assert spans == sorted(spans)
    assert spans[-1] >= 3600
    assert ready(place, "prod/one/api")["reason"] == "ReconciliationFailed"
    assert ready(place, "prod/one/web")["status"] == "True"
    # The healthy one is looked at in every pass meanwhile.
    drift(place, 9)
    place.steps(loop, 1)
    assert replicas(place) == 2


BASE = "serving: {replicas: 2, resources: {cpu: 1, memory: 1Gi}}\n"


def test_a_new_commit_is_tried_at_once():
    place = Place(TWO)
    loop = settled(place)
    tries = []

    def refuse_api(verb, target):
        if verb == "apply" and "api-v1" in target:
            tries.append(place.clock.monotonic())
            raise flow.refuse(RefusalCause.FORBIDDEN)

    loop.cluster.before = refuse_api
    place.repo.push(TWO.but({"environments/base.yaml": BASE}))
    place.hours(loop, 5)
    before = len(tries)
    place.repo.push(TWO.but({"environments/base.yaml": BASE.replace("2,", "3,", 1)}))
    place.steps(loop, 1)
    assert len(tries) == before + 1


def test_while_git_is_away_the_last_commit_is_kept_and_drift_put_right(place):
    """F114."""
    loop = settled(place)
    place.repo.down = True
    drift(place)
    place.steps(loop, 1)
    assert replicas(place) == 1
    place.hours(loop, 2)
    errors = [row["msg"] for row in loop.log.rows if "SourceUnavailable" in row["msg"]]
    assert 2 <= len(errors) <= 3  # once, and again each hour
    ages = [int(text.split(" for ")[1].split()[0]) for text in errors]
    assert ages == sorted(ages)
    assert ages[-1] >= 3600
    assert "git_source_age_seconds 7" in text(loop.registry)
    place.repo.down = False
    place.repo.push(flow_three())
    place.steps(loop, 1)
    assert replicas(place) == 3


def test_git_away_from_the_first_pass_touches_nothing_and_is_asked_again_soon(place):
    place.repo.down = True
    loop = place.runner()
    pauses = [loop.step() for _ in range(8)]
    assert pauses[:3] == [5.0, 10.0, 20.0]
    assert max(pauses) <= 60.0
    assert loop.cluster.log == []
    place.repo.down = False
    place.steps(loop, 2)
    assert replicas(place) == 1


def test_a_cluster_that_cannot_be_read_ends_the_pass_and_not_the_loop(place):
    loop = settled(place)

    def down(verb, _target):
        if verb in ("list", "get"):
            raise flow.refuse(RefusalCause.FORBIDDEN)

    loop.cluster.before = down
    pauses = [loop.step() for _ in range(3)]
    assert pauses == [5.0, 10.0, 20.0]
    assert 'passes_total{result="failed"} 3' in text(loop.registry)
    loop.cluster.before = None
    assert loop.step() > 20.0


def test_passes_keep_their_beat_with_jitter_on_top(place):
    loop = place.runner(timing=Timing(interval=60, jitter=0.1))
    place.steps(loop, 3)
    loop._chance = lambda: 0.5
    start = place.clock.monotonic()
    assert place.clock.monotonic() - start + loop.step() == pytest.approx(63.0)


def test_of_two_loops_one_works_and_the_other_takes_over_when_it_dies():
    """F75 and F130: two replicas of a Deployment."""
    place = Place(support.small())
    first, second = place.runner("first"), place.runner("second")
    place.steps(first, 3)
    place.steps(second, 2)
    assert second.log.rows[-1]["result"] == "skipped_locked"
    assert place.writes(second) == []
    # The first one is killed: it asks and renews no more.
    first.leases._stop()
    drift(place)
    place.steps(second, 2)
    assert replicas(place) == 1
    assert second.leases.epoch("prod/one") == 1
    assert first.leases.permit(UnitId.parse("prod/one/web"))


def test_two_runs_without_leases_come_to_the_same_end_and_make_nothing_twice():
    """F75: the lease is economy, not safety."""
    place = Place(support.small())
    ledger = flow.Ledger(place.world)
    loops = [place.runner(name, leases=False) for name in ("one", "two")]
    for _ in range(4):
        for loop in loops:
            loop.step()
        place.clock.sleep(60)
    alone = Place(support.small())
    other = flow.Ledger(alone.world)
    place.steps(place.runner("three", leases=False), 1)
    lone = alone.runner("one", leases=False)
    alone.steps(lone, 5)
    assert flow.ends(place.world) == flow.ends(alone.world)
    assert ledger.counts == other.counts


@pytest.mark.parametrize("number", range(11))
def test_a_run_that_is_ended_begins_no_write_after_that(number):
    """F73, in every place that a signal can come: the next run finishes."""
    place = Place(support.small())
    loop = place.runner()
    after = []

    def signalled(verb, target):
        if place.ended and verb in flow.WRITES:
            after.append((verb, target))
        if len(place.writes(loop)) == number:
            place.ended = "ended by SIGTERM"

    loop.cluster.before = signalled
    loop.step()
    assert place.ended
    # The one in flight is let finish; nothing begins after it.
    assert len(after) <= 1
    assert flow.orphans(place.world) == set()
    loop.leases.release()
    place.ended = ""
    loop.cluster.before = None
    again = place.runner("again")
    place.steps(again, 3)
    assert replicas(place) == 1
    assert again.leases.held == ("prod/one",)


def test_a_lease_lost_in_mid_run_stops_it_between_two_writes():
    """F137: the queued write is not sent."""
    place = Place(support.small())
    loop = place.runner()
    taken = []

    def steal(verb, target):
        if verb == "apply" and not taken:
            taken.append(target)
            # Stopped for a minute: nothing renews, somebody else takes over.
            loop.leases._stop()
            place.clock.sleep(60)
            other = place.leases("successor")
            assert other.acquire(["prod/one"]) == {}

    loop.cluster.before = steal
    loop.step()
    applies = [target for verb, target in loop.cluster.log if verb == "apply"]
    assert applies == taken
    stopped = [row for row in loop.log.rows if row.get("result") == "stopped"]
    assert stopped
    assert not entry(place)


def test_an_older_commit_that_wakes_up_late_stops_and_prunes_nothing():
    """F77: run A is paused ahead of its first write, B completes, A goes on."""
    old = TWO.but({"environments/prod/one/api.yaml": None})
    place = Place(TWO)
    late, fast = place.runner("late", leases=False), place.runner("fast", leases=False)
    place.steps(fast, 3)
    paused = []

    def pause(verb, target):
        if verb in flow.WRITES and not paused:
            paused.append(target)
            place.repo.push(flow_new(), "3" * 40)
            for _ in range(3):
                fast.step()
                place.clock.sleep(5)

    place.repo.push(old.but({"environments/base.yaml": BASE}), "2" * 40)
    late.cluster.before = pause
    late.step()
    assert paused
    place.repo.push(flow_new(), "3" * 40)
    place.steps(fast, 2)
    assert place.cluster.get(WEB).body["spec"]["replicas"] == 4
    assert place.cluster.get(WEB._replace(name="api-v1")).is_present


def flow_new():
    return TWO.but({"environments/base.yaml": BASE.replace("2,", "4,", 1)})


# -- what is recorded ------------------------------------------------------------------------------


def test_a_first_apply_is_recorded_once_a_group_and_a_quiet_pass_is_not(place):
    loop = place.runner()
    place.steps(loop, 3)
    status = [t for v, t in loop.cluster.log if v in flow.WRITES and "prod.one.status" in t]
    found = entry(place)
    assert found["lastAppliedRevision"] == "1" * 40
    assert found["history"][0]["result"] == "success"
    assert ready(place)["reason"] == "Succeeded"
    before = len(status)
    place.steps(loop, 5)
    after = [t for v, t in loop.cluster.log if v in flow.WRITES and "prod.one.status" in t]
    assert len(after) == before <= 3


def test_history_holds_ten_runs_newest_first(place):
    loop = settled(place)
    for number in range(14):
        place.repo.push(
            support.small().but(
                {
                    "environments/prod/web.yaml": f"serving: {{version: v1, replicas: {number + 2}}}\n"
                }
            )
        )
        place.steps(loop, 1)
    found = entry(place)["history"]
    assert len(found) == 10
    assert [row["at"] for row in found] == sorted((row["at"] for row in found), reverse=True)


def test_a_mistake_is_recorded_as_stalled_with_its_place_and_heals_with_its_repair(place):
    loop = settled(place)
    since = ready(place)["lastTransitionTime"]
    place.repo.push(support.small().but({"environments/prod/web.yaml": "serving: {vers: 1}\n"}))
    place.steps(loop, 3)
    bad = entry(place)
    assert ready(place)["reason"] == "BuildFailed"
    assert "environments/prod/web.yaml:1" in ready(place)["message"]
    assert {c["type"] for c in bad["conditions"]} == {"Ready", "Stalled"}
    assert bad["lastAppliedRevision"] == "1" * 40
    assert ready(place)["lastTransitionTime"] > since
    place.repo.push(support.small())
    place.steps(loop, 2)
    assert {c["type"] for c in entry(place)["conditions"]} == {"Ready"}
    assert ready(place)["status"] == "True"


def test_each_transition_is_told_once(place):
    loop = settled(place)
    told = [(e["subject"], e["data"]["reason"]) for e in place.events]
    assert told.count(("prod/one/web", "Succeeded")) == len(
        [row for row in entry(place)["history"] if row["result"] == "success"]
    )
    place.repo.push(support.small().but({"environments/prod/web.yaml": "serving: {vers: 1}\n"}))
    place.events.clear()
    place.steps(loop, 20)
    assert [(e["subject"], e["data"]["reason"]) for e in place.events] == [
        ("prod/one/web", "BuildFailed")
    ]
    assert len({e["id"] for e in place.events}) == 1
    # Another process knows from the cluster that it was told.
    loop.leases.release()
    place.steps(place.runner("later"), 3)
    assert len(place.events) == 1


def test_an_app_that_is_gone_leaves_the_status(place):
    place = Place(TWO)
    loop = settled(place)
    assert entry(place, "prod/one/api")
    place.repo.push(TWO.but({"environments/prod/one/api.yaml": None}))
    place.steps(loop, 4)
    body = place.cluster.get(status_key("prod/one")).body
    assert "api" not in body["data"]
    assert "web" in body["data"]


def test_a_status_that_cannot_be_written_fails_nothing(place):
    def refuse(verb, target):
        if verb in flow.WRITES and "prod.one.status" in target:
            raise flow.refuse(RefusalCause.FORBIDDEN)

    loop = place.runner()
    loop.cluster.before = refuse
    place.steps(loop, 3)
    assert replicas(place) == 1
    assert place.events == []
    assert [row for row in loop.log.rows if "is not recorded" in row["msg"]]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"conditions": 3, "history": {"a": 1}}', "null"])
def test_a_damaged_status_counts_as_none(place, text):
    loop = settled(place)
    key = status_key("prod/one")
    place.cluster.edit(key, lambda body: body["data"].update(web=text))
    drift(place)
    place.steps(loop, 1)
    assert replicas(place) == 1
    assert ready(place)["status"] == "True"


def test_a_pass_of_many_results_has_one_state_an_app(place):
    loop = settled(place)
    done = passes.run_pass(
        place.repo.tree, loop.cluster, place.clock, support.Silent(), passes.PassSettings(), None
    )
    assert [(str(o.unit), o.state) for o in done.outcomes] == [
        ("prod/one/_group", UnitState.NOOP),
        ("prod/one/web", UnitState.NOOP),
    ]


# -- while Git is away ---------------------------------------------------------------------------------


def _routed(version):
    return flow.pointing(flow.ROUTED, version)


def fail(world, version):
    """From now on the pods of a version are not ready."""
    world.client.settings = SimulationSettings(failing=frozenset({version}))
    key = flow.key("Deployment", "ml-one", f"web-{version}")
    status = {**world.cluster.status(key), "readyReplicas": 0, "availableReplicas": 0}
    world.cluster.server.patch_status(key, status, "kube-controller-manager")


#: The type's layer for an app whose split stands in Git.
STATIC = "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"


def _weights(place):
    return flow.split(place.world, "ml-one", "web")


def _at_ten(place):
    loop = place.runner(timing=Timing(interval=60))
    place.steps(loop, 4)
    place.repo.push(_routed("v2"))
    for _ in range(30):
        place.steps(loop, 1)
        if _weights(place) == {"web-v1": 90, "web-v2": 10}:
            return loop
    raise AssertionError(_weights(place))


def test_while_git_is_away_no_weight_moves_forward_and_nothing_is_deleted():
    place = Place(_routed("v1"))
    loop = _at_ten(place)
    place.repo.down = True
    before = len(place.writes(loop))
    place.hours(loop, 3)
    assert _weights(place) == {"web-v1": 90, "web-v2": 10}
    assert [e for e in place.writes(loop)[before:] if e[0] == "delete"] == []
    place.repo.down = False
    place.hours(loop, 3)
    assert _weights(place) == {"web-v2": 100}


def test_while_git_is_away_drift_of_a_canary_is_corrected():
    place = Place(_routed("v1"))
    loop = _at_ten(place)
    place.repo.down = True
    key = flow.key("Deployment", "ml-one", "web-v2")
    place.cluster.edit(key, lambda body: body["spec"].update(replicas=5))
    place.steps(loop, 2)
    assert place.cluster.get(key).body["spec"]["replicas"] == 1


def test_while_git_is_away_a_static_split_that_was_seen_before_does_not_move():
    split = flow.ROUTED.but(
        {"environments/prod/web.yaml": "serving:\n  traffic: {v1: 100, v2: 0}\n"}
    )
    split = split.but({"environments/types/vision.yaml": STATIC})
    place = Place(split)
    loop = place.runner(timing=Timing(interval=60))
    place.steps(loop, 6)
    before = _weights(place)
    assert before["web-v1"] == 100
    moved = split.but({"environments/prod/web.yaml": "serving:\n  traffic: {v1: 50, v2: 50}\n"})
    place.repo.push(moved)
    loop._tree = place.repo.tree  # the commit was seen, and Git went away before the pass
    place.repo.down = True
    place.steps(loop, 5)
    assert _weights(place) == before
    place.repo.down = False
    place.steps(loop, 5)
    assert _weights(place) == {"web-v1": 50, "web-v2": 50}


def test_while_git_is_away_a_release_that_fails_goes_back():
    place = Place(_routed("v1"))
    loop = _at_ten(place)
    place.repo.down = True
    fail(place.world, "v2")
    place.hours(loop, 2)
    assert _weights(place) == {"web-v1": 100}


def test_while_git_is_away_an_app_that_the_last_commit_dropped_is_not_deleted():
    place = Place(TWO)
    loop = settled(place)
    place.repo.push(TWO.but({"environments/prod/one/api.yaml": None}))
    latest = place.repo.tree
    loop._tree = latest  # the commit was seen, and Git went away before the pass
    place.repo.down = True
    before = len(place.writes(loop))
    place.steps(loop, 3)
    assert [e for e in place.writes(loop)[before:] if e[0] == "delete"] == []
    place.repo.down = False
    place.steps(loop, 3)
    assert [e for e in place.writes(loop)[before:] if e[0] == "delete"]


# -- drift that is only reported, or corrected ---------------------------------------------------------


def test_drift_of_an_app_that_is_not_healthy_yet_is_only_reported_too():
    place = Place(support.small(), settings=SimulationSettings(failing=frozenset({"v1"})))
    loop = place.runner(corrects=False)
    place.steps(loop, 2)
    assert ready(place)["reason"] == "HealthCheckFailed"
    drift(place)
    before = len(place.writes(loop))
    place.steps(loop, 3)
    assert replicas(place) == 7
    assert [t for _, t in place.writes(loop)[before:] if "prod.one.status" not in t] == []


def test_drift_beside_a_change_of_git_is_not_written_and_not_forgotten(place):
    loop = settled(place, corrects=False)
    service = ObjectKey("", "Service", "ml-one", "web-v1")
    place.cluster.edit(service, lambda body: body["spec"]["ports"][0].update(port=9))
    place.repo.push(flow_three())
    place.steps(loop, 3)
    assert replicas(place) == 3
    assert place.cluster.get(service).body["spec"]["ports"][0]["port"] == 9
    assert 'objects{environment="prod",state="drifted"} 1' in text(loop.registry)


def test_corrected_drift_gives_an_event_of_that_name(place):
    loop = settled(place)
    place.events.clear()
    drift(place)
    place.steps(loop, 1)
    (event,) = place.events
    assert event["data"]["reason"] == "DriftCorrected"
    assert "corrected drift of 1 Deployment" in event["data"]["message"]
    assert ready(place)["reason"] == "Succeeded"


# -- a loop and a server under load ---------------------------------------------------------------------


def test_passes_that_were_due_while_one_ran_are_counted_and_logged(place):
    loop = settled(place, timing=Timing(interval=60, jitter=0.0))
    run = loop._run

    def slow(tree, settings):
        place.clock.sleep(200)
        return run(tree, settings)

    loop._run = slow
    loop.step()
    assert "reconciler_skipped_passes_total 3" in text(loop.registry)
    assert any("3 passes left out: one took 200 s" in row["msg"] for row in loop.log.rows)


def test_at_most_ten_events_a_minute_and_group_are_written(place):
    from datetime import timedelta

    loop = place.runner()
    now = support.NOW
    may_send = loop._observer._may_send
    sent = [may_send("prod/one", now + timedelta(seconds=n)) for n in range(30)]
    assert sent.count(True) == 10
    assert may_send("prod/two", now)
    assert may_send("prod/one", now + timedelta(seconds=61))
    assert 'reconciler_events_total{result="dropped"} 20' in text(loop.registry)


# -- fights, and what only waits ------------------------------------------------------------------------


def test_after_three_flips_the_object_is_held_and_the_manager_is_named(place):
    loop = settled(place)
    for count in range(3):
        drift(place, 7 + count)
        place.steps(loop, 1)
        assert replicas(place) == 1
    drift(place, 20)
    place.steps(loop, 2)
    assert replicas(place) == 20
    assert "kubectl-edit and this program set spec.replicas in turn" in ready(place)["message"]
    other = place.runner("two", leases=False)  # it is known to a process that starts anew
    place.steps(other, 2)
    assert replicas(place) == 20
    place.repo.push(flow_three())
    place.steps(loop, 2)
    assert replicas(place) == 3


def test_drift_that_is_corrected_twice_is_no_fight(place):
    loop = settled(place)
    for count in range(2):
        drift(place, 7 + count)
        place.steps(loop, 5)
    assert replicas(place) == 1
    assert ready(place)["reason"] == "Succeeded"


def test_an_object_that_is_being_deleted_is_waited_for_and_needs_no_approval(place):
    loop = settled(place)
    place.cluster.edit(WEB, lambda b: b["metadata"].update(finalizers=["other.example/hold"]))
    place.cluster.delete(WEB, uid=place.cluster.get(WEB).uid)
    place.steps(loop, 1)
    assert ready(place)["reason"] == "HealthCheckFailed"
    place.cluster.edit(WEB, lambda b: b["metadata"].pop("finalizers"))
    place.steps(loop, 3)
    assert ready(place)["reason"] == "Succeeded"
