"""A hold is told as one: in the plan, the last line, the exit code, the condition, the metric and
the event."""

import json
from functools import partial

import pytest

from reconciler.engine.views.reviews import plan_report
from reconciler.errors import ExitCode
from reconciler.objects.outcome import Done, RefusalCause, Refused, Verb
from reconciler.operate import passes
from reconciler.operate.exposition import text
from reconciler.operate.passes import UnitState
from reconciler.operate.reports import pass_report
from reconciler.output.format import Options, format_named
from reconciler.plan.statuses import status_key
from reconciler.simulation.controller import SimulationSettings
from reconciler.unit import UnitId
from tests import flow, support
from tests.looping import Place

APP = UnitId("prod", "one", "web")
WANTED = flow.pointing(flow.ROUTED, "v2")
WHY = "not ready within 20m"
WAY_OUT = "point serving.version at another version; to try v2 again, point it at v1 first"


def held(tree=WANTED):
    """A loop whose release was given up, and the loop."""
    place = Place(flow.ROUTED, settings=SimulationSettings(failing=frozenset({"v2"})))
    loop = place.runner()
    place.steps(loop, 5)
    place.repo.push(tree)
    place.hours(loop, 1)
    return place, loop


def entry(place):
    return json.loads(place.cluster.get(status_key("prod/one")).body["data"]["web"])


def once(place, loop, **settings):
    wanted = passes.PassSettings(**settings)
    return passes.run_pass(
        place.repo.tree, loop.cluster, place.clock, support.Silent(), wanted, loop.leases
    )


def test_a_release_that_was_given_up_is_held_and_no_success():
    place, loop = held()
    done = once(place, loop)
    (found,) = [o for o in done.outcomes if o.unit == APP]
    assert found.state is UnitState.HELD
    assert found.text.startswith("held since 2026-11-23 ")
    assert WHY in found.text
    assert found.text.endswith(f"way out: {WAY_OUT}")
    assert done.exit_code is ExitCode.INCOMPLETE


def test_the_condition_of_a_held_app_is_stalled_with_since_why_and_the_way_out():
    place, _ = held()
    conditions = {c["type"]: c for c in entry(place)["conditions"]}
    assert conditions.keys() == {"Ready", "Stalled"}
    assert (conditions["Ready"]["status"], conditions["Ready"]["reason"]) == ("False", "Held")
    assert WHY in conditions["Stalled"]["message"]
    assert WAY_OUT in conditions["Stalled"]["message"]
    assert entry(place)["history"][0]["result"] == "held"


def test_a_held_app_is_counted_as_held_and_its_environment_is_not_ready():
    _, loop = held()
    shown = text(loop.registry)
    assert 'reconciler_apps{environment="prod",result="held"} 1' in shown
    assert 'ready="false"' in shown


def test_a_hold_is_told_once_by_an_event():
    place, loop = held()
    place.hours(loop, 3)
    found = [e for e in place.events if e["data"]["reason"] == "Held"]
    assert {(e["data"]["app"], e["data"]["ready"]) for e in found} == {(str(APP), "False")}
    assert len({e["id"] for e in found}) == 1


def test_the_last_line_of_a_run_says_held_and_not_all_healthy():
    place, loop = held()
    (line,) = pass_report(once(place, loop)).closing
    assert "Held: prod/one/web since 2026-11-23 " in line
    assert WHY in line
    assert "healthy" not in line


def test_a_plan_says_since_when_a_release_is_held_why_and_the_way_out():
    place, loop = held()
    done = once(place, loop)
    decision = next(a.decision for a in done.plan.apps if a.unit == APP)
    assert decision.hold.since is not None
    assert [r.text for r in decision.reasons] == [
        f"v2 is held {decision.hold}",
        f"way out: {WAY_OUT}",
    ]
    report = json.loads(format_named("json").render(pass_report(done), Options()))
    (app,) = [a for a in report["plan"]["apps"] if a["app"] == str(APP)]
    assert app["decision"]["hold"]["why"] == WHY
    assert app["decision"]["hold"]["wayOut"] == WAY_OUT
    assert app["decision"]["hold"]["since"].endswith("Z")


def test_another_version_ends_a_hold():
    place, loop = held()
    place.repo.push(flow.pointing(flow.ROUTED, "v1"))
    place.steps(loop, 2)
    assert entry(place)["history"][0]["result"] == "success"
    assert {c["type"] for c in entry(place)["conditions"]} == {"Ready"}


def test_the_way_out_of_a_hold_works():
    place, loop = held()
    place.world.client.settings = SimulationSettings()
    place.repo.push(flow.pointing(flow.ROUTED, "v1"))
    place.steps(loop, 2)
    place.repo.push(WANTED)
    place.hours(loop, 3)
    assert entry(place)["history"][0]["result"] == "success"
    assert flow.live(place.world, "Deployment", "ml-one", "web-v2") is not None


def test_a_hold_that_an_older_program_recorded_is_shown_without_its_time():
    place, loop = held()
    key = next(k for k in _states(place) if k.name == "prod.one.web.rollout")
    place.cluster.edit(key, lambda body: body["data"].pop("held_since"))
    found = next(a.decision for a in once(place, loop).plan.apps if a.unit == APP)
    assert found.hold.since is None
    assert found.reasons[0].text == f"v2 is held {WHY}"


def _states(place):
    return [key for key, _ in place.cluster.server.store.everything() if key.kind == "ConfigMap"]


def test_traffic_that_waits_for_replicas_is_not_a_success():
    """The only version, and a static split, have no steps that would tell."""
    place, loop = _dying()
    place.steps(loop, 1)
    assert entry(place)["history"][0]["result"] == "incomplete"
    ready = entry(place)["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "HealthCheckFailed")
    assert once(place, loop).exit_code is ExitCode.INCOMPLETE


def test_traffic_that_waits_longer_than_the_deadline_is_held():
    place, loop = _dying()
    place.hours(loop, 1)
    assert entry(place)["history"][0]["result"] == "held"
    (found,) = [o for o in once(place, loop).outcomes if o.unit == APP]
    assert found.state is UnitState.HELD
    assert "way out: repair the backends" in found.text


def overdue():
    """A static split that waits for longer than its deadline, and its loop."""
    place, loop = _dying()
    place.hours(loop, 1)
    return place, loop


def test_a_static_split_past_its_deadline_is_held_in_the_plan():
    place, loop = overdue()
    reviewed = support.reviewed(place.repo.tree, loop.cluster, place.clock.now())
    (decision,) = [a.decision for a in reviewed.plan.apps if a.unit == APP]
    assert decision.hold.way_out == "repair the backends, or change serving in Git"
    assert "v2 has 0 of 1 replicas ready" in decision.hold.why
    assert [r.text for r in decision.reasons[:2]] == [
        f"held {decision.hold}",
        f"way out: {decision.hold.way_out}",
    ]
    report = plan_report(reviewed)
    assert report.exit_code is ExitCode.DONE
    (line,) = report.closing
    assert f"Held: prod/one/web {decision.hold}" in line
    shown = " ".join(format_named("text").render(report, Options()).split())
    assert f"held {decision.hold}" in shown
    assert "way out: repair the backends, or change serving in Git" in shown
    comment = format_named("markdown").render(report, Options())
    assert "**Held** (1)" in comment
    assert "the traffic of 1 app held" in comment.splitlines()[2]
    assert "➜ repair the backends, or change serving in Git" in comment
    data = json.loads(format_named("json").render(report, Options()))
    (app,) = [a for a in data["plan"]["apps"] if a["app"] == str(APP)]
    assert app["decision"]["hold"]["since"].endswith("Z")


def test_a_static_split_within_its_deadline_is_not_held_in_the_plan():
    place, loop = _dying()
    place.steps(loop, 2)
    reviewed = support.reviewed(place.repo.tree, loop.cluster, place.clock.now())
    assert all(app.hold is None for app in reviewed.plan.apps)
    assert "Held" not in plan_report(reviewed).closing[0]


def test_the_last_line_and_the_exit_code_of_a_run_tell_the_hold_of_a_static_split():
    place, loop = overdue()
    done = once(place, loop)
    (line,) = pass_report(done).closing
    assert "Held: prod/one/web since 2026-11-23 " in line
    assert "v2 has 0 of 1 replicas ready" in line
    assert "healthy" not in line
    assert done.exit_code is ExitCode.INCOMPLETE
    (found,) = [o for o in done.outcomes if o.unit == APP]
    assert found.held_since == next(a.hold.since for a in done.plan.apps if a.unit == APP)


def test_the_condition_of_a_static_split_past_its_deadline_is_held_since_it_was_not_ready():
    place, _ = overdue()
    conditions = {c["type"]: c for c in entry(place)["conditions"]}
    assert conditions["Ready"]["reason"] == conditions["Stalled"]["reason"] == "Held"
    assert conditions["Ready"]["lastTransitionTime"] < conditions["Stalled"]["lastTransitionTime"]


def test_repaired_backends_end_the_hold_of_a_static_split():
    place, loop = overdue()
    place.world.client.settings = SimulationSettings()
    web = flow.key("Deployment", "ml-one", "web-v2")
    status = {**place.cluster.status(web), "readyReplicas": 1, "availableReplicas": 1}
    place.cluster.server.patch_status(web, status, "kube-controller-manager")
    place.steps(loop, 2)
    done = once(place, loop)
    assert all(app.hold is None for app in done.plan.apps)
    assert done.exit_code is ExitCode.DONE


def test_a_first_route_that_waited_past_its_deadline_is_no_hold_once_a_run_has_made_it():
    tree = flow.ROUTED.but(
        {"environments/prod/web.yaml": "serving: {traffic: {v1: 50, v2: 50}, rollout: null}\n"}
    )
    place = Place(tree, settings=SimulationSettings(failing=frozenset({"v1", "v2"})))
    loop = place.runner()
    place.hours(loop, 2)
    (first,) = [a for a in once(place, loop).plan.apps if a.unit == APP]
    assert first.hold is not None
    assert (first.hold_after(done=False), first.hold_after(done=True)) == (first.hold, None)
    other, its_loop = overdue()
    (split,) = [a for a in once(other, its_loop).plan.apps if a.unit == APP]
    assert split.hold is not None
    assert split.hold_after(done=True) == split.hold


class EventServer:
    """Keeps Events as the API server does: a name is made once."""

    def __init__(self):
        self.bodies = {}

    def create(self, body):
        name = body["metadata"]["name"]
        if name in self.bodies:
            return Refused(RefusalCause.ALREADY_EXISTS, 409, f"{name} already exists")
        self.bodies[name] = body
        return Done(Verb.CREATED, body)

    def reasons(self):
        return [body["reason"] for body in self.bodies.values()]


def test_a_hold_is_one_event_however_many_passes_and_commits_see_it():
    place, first = overdue()
    first.leases.release()
    events = EventServer()
    loop = place.runner("two", events=events)
    forget(place)
    for number in range(3):
        place.steps(loop, 2)
        edit = {"models/web/more.txt": f"{number}\n"}
        place.repo.push(place.repo.tree.but(edit))
    place.hours(loop, 1)
    assert events.reasons().count("Held") == 1
    event = next(body for body in events.bodies.values() if body["reason"] == "Held")
    assert "way out: repair the backends" in event["note"]
    assert len({e["id"] for e in place.events if e["data"]["reason"] == "Held"}) == 1
    assert entry(place)["lastAttemptedRevision"] == place.repo.tree.commit


def test_a_run_that_is_killed_between_the_event_of_a_hold_and_its_status_sends_no_second_event():
    place, first = overdue()
    first.leases.release()
    forget(place)
    events = EventServer()
    loop = place.runner("two", events=events)

    def kill(verb, target):
        if verb in ("create", "replace") and "prod.one.status" in target:
            raise flow.Killed

    loop.cluster.before = kill
    with pytest.raises(flow.Killed):
        place.steps(loop, 3)
    assert events.reasons() == ["Held"]
    loop.leases.release()
    again = place.runner("three", events=events)
    place.steps(again, 3)
    assert entry(place)["history"][0]["result"] == "held"
    assert events.reasons() == ["Held"]


def forget(place):
    """Lets the recorded status say that the app is not ready, and not that it is held."""

    def edit(body):
        row = json.loads(body["data"]["web"])
        row.pop("hold", None)
        (ready,) = [c for c in row["conditions"] if c["type"] == "Ready"]
        row["conditions"] = [{**ready, "reason": "HealthCheckFailed"}]
        body["data"]["web"] = json.dumps(row)

    place.cluster.edit(status_key("prod/one"), edit)


def _dying():
    """A split whose second version loses its pods, and stays without."""
    tree = flow.ROUTED.but(
        {"environments/prod/web.yaml": "serving: {traffic: {v1: 50, v2: 50}, rollout: null}\n"}
    )
    place = Place(tree)
    loop = place.runner()
    place.steps(loop, 8)
    assert entry(place)["history"][0]["result"] in ("success", "noop")
    place.world.client.settings = SimulationSettings(failing=frozenset({"v2"}))
    web = flow.key("Deployment", "ml-one", "web-v2")
    status = {**place.cluster.status(web), "readyReplicas": 0, "availableReplicas": 0}
    place.cluster.server.patch_status(web, status, "kube-controller-manager")
    return place, loop


def _scale(body, replicas):
    body["spec"]["replicas"] = replicas


def test_an_object_that_two_managers_set_in_turn_is_held_and_not_only_refused():
    place = Place(support.small())
    loop = place.runner()
    place.steps(loop, 3)
    web = flow.key("Deployment", "ml-one", "web-v1")
    for count in range(5):
        place.cluster.edit(web, partial(_scale, replicas=7 + count))
        place.steps(loop, 1)
    ready = entry(place)["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", "Held")
    assert "stop kubectl-edit" in ready["message"]
    assert 'reconciler_apps{environment="prod",result="held"} 1' in text(loop.registry)
    (line,) = pass_report(once(place, loop)).closing
    assert "Held: prod/one/web: Deployment/web-v1: kubectl-edit and this program set" in line
    assert once(place, loop).exit_code is ExitCode.REFUSED


def test_the_last_line_of_a_run_has_the_hash_that_approves_what_was_refused():
    place = Place(support.small())
    loop = place.runner()
    place.steps(loop, 3)
    place.repo.push(support.small().but({"environments/prod/one/web.yaml": None}))
    done = once(place, loop)
    (refusal,) = done.plan.refusals
    (line,) = pass_report(done).closing
    assert refusal.approval
    assert f"(if meant: --approve-prune {refusal.approval})" in line
    assert done.exit_code is ExitCode.REFUSED
    assert once(place, loop, approvals=support.approvals([refusal.approval])).exit_code == 0
