"""What each use case hands to the formats, as data: nothing is cut, rounded or made a text."""

from datetime import UTC, datetime

import pytest

from reconciler import kinds
from reconciler.engine import review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import targets_of
from reconciler.engine.use import discover, explain, promote, repair, rights, status
from reconciler.engine.views.layers import Layers, UnitLayers
from reconciler.engine.views.merge_result import provenance_of
from reconciler.engine.views.objects import render_objects
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.repairs import RepairObject
from reconciler.engine.views.rights import Identity, Purpose, Rights, Role
from reconciler.engine.views.status import AppStatus, Health, LastRun, StepKind
from reconciler.engine.views.versions import Published
from reconciler.errors import ExitCode
from reconciler.objects.key import ObjectKey
from reconciler.operate import group_status
from reconciler.plan.inventory import inventory_key
from reconciler.plan.statuses import GroupStatus, RecordedStatus
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId
from tests import flow
from tests.support import NOW, applied, loaded, sample, select, small

APP = UnitId("prod", "one", "web")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWN = "environments/prod/one/web.yaml"
POINTER = "environments/prod/web.yaml"
GROUP = "environments/prod/one/group.yaml"


def tree(**files):
    made = small(**files)
    made.label = made.commit = COMMIT
    return made


@pytest.fixture
def cluster():
    return EmbeddedCluster(kinds=kinds.known())


def rows_of(found, cluster=None):
    _, section = status.status(found, select(), cluster, NOW).sections
    return {row.app: row for row in section.apps}


# -- status ----------------------------------------------------------------------------------------


def test_without_a_cluster_nothing_is_judged():
    assert rows_of(tree()) == {APP: AppStatus(APP, None, {"v1": 100})}


def test_a_status_has_the_whole_commit_and_traffic_in_numbers(cluster):
    assert rows_of(tree(), cluster)[APP].health is Health.ABSENT
    applied(tree(), cluster)
    row = rows_of(tree(), cluster)[APP]
    assert (row.health, row.revision, row.traffic) == (Health.PROGRESSING, COMMIT, {"v1": 100})
    assert (row.version, row.next, row.blocked) == ("v1", (), ())


def test_an_object_that_is_gone_makes_an_app_incomplete(cluster):
    applied(tree(), cluster)
    service = ObjectKey("", "Service", "ml-one", "web-v1")
    cluster.delete(service, uid=cluster.get(service).uid)
    assert rows_of(tree(), cluster)[APP].health is Health.MISSING


def test_an_app_with_a_mistake_is_blocked_by_its_code():
    report = status.status(tree(**{OWN: "serving: {replcas: 2}\n"}), select(), None, NOW)
    (row,) = report.sections[1].apps
    assert (row.health, row.blocked) == (Health.BLOCKED, ("E_UNKNOWN_KEY",))
    assert report.exit_code is ExitCode.ERROR


def test_the_next_time_of_a_schedule_is_a_time():
    row = rows_of(sample())[UnitId("prod", "train", "mnist")]
    (step,) = row.next
    assert (step.kind, step.text) == (StepKind.SCHEDULE, "nightly")
    assert step.at is not None
    assert step.at.tzinfo is not None
    assert step.at > NOW


def test_traffic_that_is_shared_has_no_single_version():
    row = rows_of(sample())[UnitId("prod", "hz-a", "tf-mnist-estimator")]
    assert (row.traffic, row.version) == ({"v1": 30, "v2": 50, "v3": 20}, "")
    assert AppStatus(APP, traffic={"v1": 100, "v2": 0}).version == "v1"
    assert AppStatus(APP).version == ""


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"at": "2026-11-23T10:05:00Z", "result": "applied"},
            LastRun("applied", datetime(2026, 11, 23, 10, 5, tzinfo=UTC)),
        ),
        ({"at": "yesterday", "result": "applied"}, None),
        ({}, None),
    ],
)
def test_the_last_run_is_what_the_cluster_records(cluster, entry, expected):
    applied(tree(), cluster)
    known = GroupStatus("prod/one", {APP: RecordedStatus({"history": [entry]})})
    cluster.create(group_status.body_of(known, (), (), str))
    assert rows_of(tree(), cluster)[APP].last_run == expected


def test_a_rollout_tells_its_step_and_its_time():
    place = flow.world()
    flow.settled(flow.ROUTED, place)
    wanted = flow.pointing(flow.ROUTED, "v2")
    for _ in range(3):
        flow.run(wanted, place)
        flow.minutes(place, 1)
    report = status.status(wanted, select(), place.cluster, place.cluster.clock.now())
    (row,) = [row for row in report.sections[1].apps if row.app == APP]
    (step,) = row.next
    assert row.traffic == {"v1": 90, "v2": 10}
    assert (row.health, row.version, step.kind) == (Health.READY, "", StepKind.ROLLOUT)
    assert step.at is not None
    assert step.text


# -- versions and promotions -----------------------------------------------------------------------


def test_versions_of_git_have_full_digests_and_no_object():
    found = discover.published(sample(), select(models=["mnist"]), None)
    assert [row.version for row in found] == ["v1", "v2"]
    assert all(len(row.digest) == 71 and row.source == "" for row in found)
    assert found[0].metrics == {"accuracy": 0.9731}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T20:41:00+02:00", datetime(2026, 10, 1, 18, 41, tzinfo=UTC)),
        ("some day", None),
        ("", None),
    ],
)
def test_a_time_of_training_is_in_utc_or_unknown(text, expected):
    assert Published("web", "v1", "", {}, text).trained == expected


def test_a_promotion_holds_its_edit_and_says_what_changes():
    made = promote.plan_promotion(tree(), "web", "prod", "v2")
    assert isinstance(made, Promotion)
    assert (made.model, made.environment, made.before, made.after) == ("web", "prod", "v1", "v2")
    assert made.edits == {POINTER: b'serving:\n  version: "v2"\n'}
    assert '-  version: "v1"\n+  version: "v2"\n' in made.diff
    assert len(made.digest) == 71
    assert made.written == ""


# -- objects, rights, layers, merges ---------------------------------------------------------------


def test_rendered_objects_carry_their_origins_and_what_they_embed():
    wanted = RunOptions(plans=False, foresees=False)
    seen = review.review(sample(), select(), NOW, options=wanted)
    found = list(render_objects(seen.units))
    assert len(found) == sum(len(unit.drafts) for unit in seen.units) > 40
    (job,) = [
        inner
        for item in found
        if item.app == UnitId("prod", "train", "search-ranker")
        for _, inner in item.manifest.embedded
    ]
    assert job.key.kind == "PyTorchJob"
    assert any(origin is not None for origin in job.origins)


def test_rights_name_roles_and_whom_they_are_bound_to():
    grant = rights.grant_rights(loaded(tree()), Purpose.READ_ONLY)
    found = Rights(grant, Identity("robot", "tools"))
    assert {found.subject_of(role) for role in grant.roles} == {"system:serviceaccount:tools:robot"}
    writer = Role("ml", (), "someone", "-writer-1")
    assert (found.name_of(writer), found.subject_of(writer)) == ("robot-writer-1", "someone")


def test_layers_are_the_files_of_each_unit_lowest_first():
    report = explain.layers(tree(), select(models=["web"]))
    (section,) = [s for s in report.sections if isinstance(s, Layers)]
    (app,) = [unit for unit in section.units if unit.app == APP]
    assert isinstance(app, UnitLayers)
    assert (app.files[0], app.files[-1]) == ("environments/base.yaml", OWN)


def test_provenance_has_the_newest_link_first():
    (app,) = loaded(tree(**{OWN: "serving: {replicas: 3}\n"})).apps
    links = provenance_of(app.tree)["serving.replicas"]
    assert [(link.site.file, link.value) for link in links] == [
        (OWN, 3),
        ("environments/base.yaml", 1),
    ]
    assert provenance_of(None) == {}


# -- repairs ---------------------------------------------------------------------------------------


def test_a_repair_shows_three_sides_and_the_hash_that_allows_it(cluster):
    applied(tree(), cluster)
    body = dict(cluster.get(inventory_key(APP)).body)
    lines = str(body["data"]["members"]).splitlines()
    cluster.replace({**body, "data": {**body["data"], "members": "\n".join(lines[1:])}})

    def repaired(*approved):
        report = repair.repair(tree(), select(), NOW, targets_of(cluster), frozenset(approved))
        return report.exit_code, report.sections[1].inventories

    code, (found,) = repaired()
    assert (code, found.unit) == (ExitCode.REFUSED, APP)
    assert found.approval in found.outcome
    assert all(isinstance(row, RepairObject) and row.is_ours for row in found.objects)
    (lost,) = [row for row in found.objects if row.recorded_uid is None]
    assert (lost.live_uid is not None, lost.is_wanted) == (True, True)
    code, (done,) = repaired(found.approval)
    assert (code, done.approval) == (ExitCode.DONE, "")
    assert repaired() == (ExitCode.DONE, ())


def test_an_account_may_read_the_deployments_that_kserve_makes():
    """A run reads the pods of an InferenceService at its Deployment, which it never writes."""
    kserve = (
        "serving: {backend: kserve, framework: sklearn, router: gateway-api, gateway: {name: g}}\n"
    )
    fleet = loaded(tree(**{"environments/types/vision.yaml": kserve}))
    assert not fleet.errors
    grant = rights.grant_rights(fleet, Purpose.RECONCILE)
    found = {
        verb
        for role in grant.roles
        for rule in role.rules
        if "deployments" in rule.resources
        for verb in rule.verbs
    }
    assert found == {"get", "list"}
