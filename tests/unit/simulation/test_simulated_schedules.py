"""CronWorkflows on simulated time: when they fire, and what they make up for."""

from datetime import UTC, datetime

from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import ReadinessState
from tests.unit.simulation.simulated_pipeline import DOMAIN, outcomes, phases, state, template


def cron(town, *schedules, name="nightly", **more):
    spec = {
        "schedules": list(schedules),
        "timezone": "Asia/Shanghai",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 3600,
        "workflowMetadata": {"labels": {f"{DOMAIN}/model": "mnist"}},
        "workflowSpec": {"workflowTemplateRef": {"name": "mnist-train"}},
        **more,
    }
    return town.put("argoproj.io/v1alpha1", "CronWorkflow", name, spec)


def runs(town):
    return town.names("argoproj.io", "Workflow")


def unix(year, month, day, hour=0, minute=0):
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


def test_a_schedule_fires_in_its_zone_under_a_name_of_the_time(town):
    town = town(outcomes=outcomes())
    template(town)
    key = cron(town, "0 2 * * *")
    town.pass_(hours=10, minutes=30)  # 02:30 on Tuesday in Shanghai
    assert runs(town) == [f"nightly-{unix(2026, 11, 23, 18)}"]
    run = town.body(ObjectKey("argoproj.io", "Workflow", "ml", runs(town)[0]))
    metadata = run["metadata"]
    assert metadata["annotations"] == {
        "workflows.argoproj.io/scheduled-time": "2026-11-24T02:00:00+08:00"
    }
    assert metadata["labels"][f"{DOMAIN}/model"] == "mnist"
    assert metadata["labels"]["workflows.argoproj.io/cron-workflow"] == "nightly"
    assert metadata["ownerReferences"][0]["uid"] == town.body(key)["metadata"]["uid"]
    status = town.status(key)
    assert status["lastScheduledTime"] == "2026-11-23T18:00:00Z"
    assert [active["name"] for active in status["active"]] == runs(town)
    used = town.body(key)["metadata"]["annotations"]
    assert used == {
        "cronworkflows.argoproj.io/last-used-schedule": "CRON_TZ=Asia/Shanghai 0 2 * * *"
    }
    town.pass_(hours=2)
    assert "active" not in town.status(key)
    assert town.status(key)["succeeded"] == 1


def test_history_keeps_the_newest_of_each_outcome(town):
    town = town(outcomes=outcomes())
    template(town)
    cron(town, "0 2 * * *", successfulJobsHistoryLimit=2)
    town.pass_(days=5)
    assert len(runs(town)) == 2
    assert runs(town)[-1] == f"nightly-{unix(2026, 11, 27, 18)}"


def test_forbid_skips_and_makes_up_for_the_newest_tick_inside_the_deadline(town):
    town = town(outcomes=outcomes())
    template(town)
    key = cron(town, "*/50 * * * *")
    # 08:50 runs for 45 minutes; 09:00 is made up for then, under its own time.
    town.pass_(minutes=65)
    assert runs(town) == [f"nightly-{unix(2026, 11, 23, 8, 50)}"]
    town.pass_(minutes=40)
    assert runs(town)[-1] == f"nightly-{unix(2026, 11, 23, 9, 0)}"
    assert [active["name"] for active in town.status(key)["active"]] == runs(town)[-1:]


def test_forbid_without_a_deadline_loses_the_tick(town):
    town = town(outcomes=outcomes())
    template(town)
    cron(town, "*/30 * * * *", startingDeadlineSeconds=0, successfulJobsHistoryLimit=9)
    town.pass_(hours=2, minutes=5)
    # A run takes 44 minutes: every second tick is skipped and none is made up for.
    assert runs(town) == [
        f"nightly-{unix(2026, 11, 23, 8, 30)}",
        f"nightly-{unix(2026, 11, 23, 9, 30)}",
    ]


def test_replace_terminates_the_run_and_leaves_its_job_running(town):
    town = town(outcomes=outcomes())
    template(town, candidates=("a",))
    key = cron(town, "*/20 * * * *", concurrencyPolicy="Replace", failedJobsHistoryLimit=9)
    town.pass_(minutes=41)
    old, new = runs(town)
    first = ObjectKey("argoproj.io", "Workflow", "ml", old)
    assert town.status(first)["phase"] == "Failed"
    assert "onExit" not in phases(town, first)
    assert [active["name"] for active in town.status(key)["active"]] == [new]
    job = ObjectKey("training.kubedl.io", "TFJob", "ml", f"{old}-a")
    assert town.condition(job, "Running") == "True"


def test_a_suspended_schedule_rests_and_resuming_may_start_a_run_at_once(town):
    town = town(outcomes=outcomes())
    template(town)
    key = cron(town, "0 * * * *")
    town.pass_(hours=2)
    before = runs(town)
    town.world.cluster.edit(key, lambda body: body["spec"].update(suspend=True))
    town.pass_(hours=5, minutes=30)
    assert runs(town) == before
    town.world.cluster.edit(key, lambda body: body["spec"].update(suspend=False))
    town.pass_(minutes=1)
    assert f"nightly-{unix(2026, 11, 23, 15)}" in runs(town)


def test_after_an_edit_of_the_schedule_nothing_is_made_up_for(town):
    town = town(outcomes=outcomes())
    template(town)
    key = cron(town, "0 * * * *")
    town.pass_(hours=2)
    town.world.cluster.edit(key, lambda body: body["spec"].update(suspend=True))
    town.pass_(hours=5, minutes=30)
    before = runs(town)
    change = {"suspend": False, "schedules": ["15 * * * *"]}
    town.world.cluster.edit(key, lambda body: body["spec"].update(change))
    town.pass_(minutes=1)
    assert runs(town) == before


def test_a_schedule_that_cannot_be_read_says_so(town):
    town = town()
    key = cron(town, "99 0 1 * *")
    town.pass_(minutes=1)
    assert town.condition(key, "SpecError") == "True"
    assert state(town, key) is ReadinessState.FAILED


def test_a_schedule_without_its_template_cannot_submit(town):
    town = town()
    key = cron(town, "0 * * * *")
    town.pass_(hours=1)
    assert town.condition(key, "SubmissionError") == "True"
    assert town.status(key)["failed"] == 1
    assert runs(town) == []


def test_two_schedules_in_one_minute_are_one_run(town):
    town = town(outcomes=outcomes())
    template(town)
    cron(town, "0 2 * * *", "0 */2 * * *", concurrencyPolicy="Allow")
    town.pass_(hours=10, minutes=1)
    assert runs(town).count(f"nightly-{unix(2026, 11, 23, 18)}") == 1


def test_a_process_that_dies_before_a_tick_is_followed_by_one_that_fires_it(town, tmp_path):
    town = town(outcomes=outcomes(), path=str(tmp_path / "w.db"))
    template(town)
    cron(town, "0 2 * * *")
    town.pass_(hours=9, minutes=59, seconds=59)
    town = town.again()
    town.pass_(seconds=30)
    assert runs(town) == [f"nightly-{unix(2026, 11, 23, 18)}"]
    town.world.close()


def test_deleting_a_schedule_kills_its_runs(town):
    town = town(outcomes=outcomes())
    template(town)
    key = cron(town, "0 2 * * *")
    town.pass_(hours=10, minutes=5)
    assert len(runs(town)) == 1
    town.world.cluster.delete(key, uid=town.body(key)["metadata"]["uid"])
    assert runs(town) == []
