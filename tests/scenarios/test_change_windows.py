"""While the change windows of an environment are closed, news from Git waits, and the rest goes on.

The world begins on a Monday at 12:00 UTC. Changes are allowed from 9 to 17."""

from datetime import timedelta

from reconciler.engine import apply_plan, review
from reconciler.errors import ExitCode
from reconciler.operate import passes
from reconciler.operate.passes import UnitState
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support
from tests.looping import Place

OFFICE = '{kind: allow, cron: "0 9 * * *", duration: 8h}'
APP = UnitId("prod", "one", "web")
ENVIRONMENT = "environments/prod/environment.yaml"


def windowed(tree, window=OFFICE):
    block = f"environment: {{rank: 1, cluster: main, windows: [{window}]}}\n"
    return tree.but({ENVIRONMENT: block})


TREE = windowed(flow.ROUTED)
SCALED = flow.pointing(TREE, "v1", "  replicas: 3\n")


def until(place, hour, day=0):
    """Moves the clock to an hour of a later day."""
    now = place.clock.now()
    wanted = now.replace(hour=hour, minute=0) + timedelta(days=day)
    flow.minutes(place, (wanted - now).total_seconds() / 60)


def settled():
    place = flow.world()
    flow.settled(TREE, place)
    return place


def prunes_of(tree, place):
    """The approvals of the deletes of a tree's plan: the window must hold these on its own."""
    return [r.approval for r in flow.plan_of(tree, place).refusals if not r.defers]


def replicas(place):
    return flow.live(place, "Deployment", "ml-one", "web-v1")["spec"]["replicas"]


def _first_backend(route):
    return route["spec"]["rules"][0]["backendRefs"][0]


def test_the_world_begins_in_an_open_window():
    assert support.NOW.isoformat() == "2026-11-23T12:00:00+00:00"


def test_what_git_changes_waits_until_the_window_opens():
    place = settled()
    before = replicas(place)
    until(place, 20)
    report = flow.run(SCALED, place)
    assert report.exit_code == ExitCode.DONE
    assert replicas(place) == before
    assert report.closing[0].startswith("applied worktree: nothing to do, 4 unchanged. Waits: ")
    assert "is closed until Tue 2026-11-24 09:00 UTC" in report.closing[0]
    until(place, 9, day=1)
    flow.settled(SCALED, place)
    assert replicas(place) == 3


def test_a_wait_writes_nothing_pass_after_pass():
    place = settled()
    until(place, 20)
    flow.run(SCALED, place)
    for more in ("", "  port: 8081\n"):
        flow.quiet(flow.pointing(TREE, "v1", f"  replicas: 3\n{more}"), place)


def test_a_new_app_and_a_deleted_app_wait_too():
    place = settled()
    until(place, 20)
    other = TREE.but(
        {
            "environments/prod/one/web.yaml": None,
            "environments/prod/one/other.yaml": "",
            **{
                path.replace("models/web/", "models/other/"): data
                for path, data in TREE.files.items()
                if path.startswith("models/web/")
            },
        }
    )
    plan = flow.plan_of(other, place, approved=prunes_of(other, place))
    assert not any(change.goes for change in plan.changes())
    assert any(change.deferred for change in plan.changes())
    flow.run(other, place, approved=prunes_of(other, place))
    assert flow.live(place, "Deployment", "ml-one", "web-v1") is not None
    assert flow.live(place, "Deployment", "ml-one", "other-v1") is None


def test_an_app_that_is_gone_from_git_waits_when_it_alone_is_selected():
    place = settled()
    until(place, 20)
    gone = TREE.but({"environments/prod/one/web.yaml": None})
    approved = prunes_of(gone, place)
    plan = flow.plan_of(gone, place, approved=approved, models={"web"})
    (app,) = [app for app in plan.apps if app.unit == APP]
    assert app.deferral is not None
    assert not any(change.goes for change in app.changes())


def test_drift_is_corrected_in_a_closed_window_beside_changes_that_wait():
    place = settled()
    until(place, 20)
    key = flow.key("HTTPRoute", "ml-one", "web")
    place.cluster.edit(key, lambda body: _first_backend(body).update(port=81))
    before = replicas(place)
    report = flow.run(SCALED, place)
    assert _first_backend(place.cluster.get(key).body)["port"] == 80
    assert replicas(place) == before
    assert report.exit_code == ExitCode.DONE


def test_a_rollout_takes_no_step_while_the_window_is_closed_and_goes_on_after_it():
    place = settled()
    tree = flow.pointing(TREE, "v2")
    until(place, 16)
    flow.minutes(place, 45)
    flow.run(tree, place)
    flow.minutes(place, 5)
    flow.run(tree, place)
    flow.minutes(place, 5)
    flow.run(tree, place)
    reached = flow.split(place, "ml-one", "web")
    assert reached == {"web-v1": 90, "web-v2": 10}
    until(place, 20)
    for _ in range(3):
        flow.run(tree, place)
        flow.minutes(place, 30)
        assert flow.split(place, "ml-one", "web") == reached
    until(place, 9, day=1)
    flow.walk(tree, place)
    assert flow.split(place, "ml-one", "web") == {"web-v2": 100}


def test_a_rollout_that_fails_goes_back_in_a_closed_window():
    place = settled()
    tree = flow.pointing(TREE, "v2")
    until(place, 16)
    flow.minutes(place, 45)
    for _ in range(3):
        flow.run(tree, place)
        flow.minutes(place, 4)
    assert flow.split(place, "ml-one", "web") == {"web-v1": 90, "web-v2": 10}
    until(place, 20)
    key = flow.key("Deployment", "ml-one", "web-v2")
    place.client.settings = SimulationSettings(failing=frozenset({"v2"}))
    status = {**place.cluster.status(key), "readyReplicas": 0, "availableReplicas": 0}
    place.cluster.server.patch_status(key, status, "kube-controller-manager")
    for _ in range(8):
        flow.run(tree, place)
        flow.minutes(place, 10)
    assert flow.split(place, "ml-one", "web").get("web-v2", 0) == 0


def test_an_apply_in_a_closed_window_writes_nothing_and_names_the_approval():
    place = settled()
    until(place, 20)
    seen = support.reviewed(SCALED, place.cluster, place.clock.now())
    run = apply_plan.apply(seen, place.cluster, place.clock, support.Silent())
    assert run.exit_code is ExitCode.REFUSED
    assert run.results == ()
    (refusal,) = {r.way_out for r in seen.plan.refusals}
    approval = refusal.rpartition(" ")[2]
    allowed = support.reviewed(SCALED, place.cluster, place.clock.now(), approved=[approval])
    run = apply_plan.apply(allowed, place.cluster, place.clock, support.Silent())
    assert run.exit_code is ExitCode.DONE
    assert replicas(place) == 3


def test_an_approval_is_good_for_one_commit_alone():
    place = settled()
    until(place, 20)
    first = support.MemoryTree(SCALED.files, "HEAD", "a" * 40)
    other = support.MemoryTree(SCALED.files, "HEAD", "b" * 40)
    hashes = {r.approval for tree in (first, other) for r in flow.plan_of(tree, place).refusals}
    assert len(hashes) == 2


def test_a_deny_window_wins():
    place = settled()
    deny = '{kind: deny, cron: "0 12 * * *", duration: 30m}'
    tree = windowed(flow.pointing(flow.ROUTED, "v1", "  replicas: 3\n"), f"{OFFICE}, {deny}")
    assert flow.plan_of(tree, place).refusals
    flow.minutes(place, 31)
    assert not flow.plan_of(tree, place).refusals


def test_a_pass_records_the_app_as_waiting_for_its_window():
    place = Place(TREE)
    loop = place.runner()
    place.steps(loop, 5)
    place.repo.push(SCALED)
    place.hours(loop, 9)
    place.repo.push(flow.pointing(TREE, "v1", "  replicas: 4\n"))
    done = passes.run_pass(
        place.repo.tree,
        loop.cluster,
        place.clock,
        support.Silent(),
        passes.PassSettings(),
        loop.leases,
    )
    (found,) = [o for o in done.outcomes if o.unit == APP]
    assert found.state is UnitState.DEFERRED
    assert "change window of prod is closed" in found.text
    assert done.exit_code is ExitCode.DONE


def test_a_plan_without_a_cluster_does_not_speak_of_windows():
    closed = support.NOW + timedelta(hours=10)
    seen = review.review(SCALED, support.select(), closed)
    assert seen.plan is not None
    assert not seen.plan.refusals
