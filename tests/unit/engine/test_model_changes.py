"""What a plan changes of models, as data: against a base revision and against a cluster."""

import pytest

from reconciler import kinds
from reconciler.engine import review
from reconciler.engine.views.model_changes import changes_of, find_model_changes
from reconciler.engine.views.models import ModelAction, Profile, VersionMove
from reconciler.objects.key import ObjectKey
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId
from tests import flow
from tests.scenarios.test_traffic import KUBEDL, split_of
from tests.support import NOW, applied, reviewed, sample, select, small

WEB = UnitId("prod", "one", "web")
TRAIN = UnitId("prod", "train", "mnist")
OWN = "environments/prod/one/web.yaml"
MODEL = "models/mnist/model.yaml"


def compared(after, before):
    found = review.review(after, select(), NOW, base=before)
    return {change.app: change for change in find_model_changes(found)}


@pytest.fixture
def cluster():
    return EmbeddedCluster(kinds=kinds.known())


def live(after, before, cluster):
    """The changes of `after` on a cluster that `before` was applied to."""
    applied(before, cluster)
    return {change.app: change for change in find_model_changes(reviewed(after, cluster))}


def edited(tree, file, old, new):
    text = tree.files[file].decode()
    assert text.count(old) == 1
    return tree.but({file: text.replace(old, new).encode()})


def settings(change):
    return [(row.path, row.before, row.after, row.is_known) for row in change.settings]


def test_a_changed_pointer_is_a_move_over_the_steps_of_the_rollout():
    before = sample()
    after = edited(before, "environments/prod/mnist.yaml", 'version: "v2"', 'version: "v1"')
    found = compared(after, before)
    assert sorted(map(str, found)) == ["prod/hz-a/mnist", "prod/hz-b/mnist"]
    change = found[UnitId("prod", "hz-a", "mnist")]
    move = change.version
    assert (move.before, move.now, move.after) == ({"v2": 100}, {"v1": 100}, {"v1": 100})
    assert (move.steps, move.seconds) == ((10, 50, 100), 1200)
    assert str(move.origin.site) == "environments/prod/mnist.yaml:4:3"
    assert change.action is ModelAction.CHANGED
    assert change.settings == ()


def test_without_a_change_there_is_no_entry():
    assert compared(small(), small()) == {}


def test_a_new_app_says_what_it_is():
    tree = sample()
    without = tree.but({"environments/prod/train/mnist.yaml": None})
    change = compared(tree, without)[TRAIN]
    assert change.action is ModelAction.NEW
    assert isinstance(change.profile, Profile)
    assert (change.profile.workers, change.profile.worker_gpus) == (3, 1)
    assert change.profile.candidates == ("cnn", "cnn-dropout", "cnn-batch-norm")
    assert change.profile.framework == "kubedl-tfjob"
    assert [fires.schedule for fires in change.trainings] == ["mnist/nightly"]
    assert change.settings == ()


def test_an_app_that_is_gone_from_git_is_removed():
    change = compared(small().but({OWN: None}), small())[WEB]
    assert (change.action, change.version, change.settings) == (ModelAction.REMOVED, None, ())


@pytest.mark.parametrize("side", ["base", "cluster"])
def test_a_changed_training_names_the_values_and_the_next_times(side, cluster):
    before = sample()
    after = edited(before, MODEL, "workers: 3", "workers: 5")
    after = edited(after, MODEL, 'cron: "0 2', 'cron: "0 3')
    found = compared(after, before) if side == "base" else live(after, before, cluster)
    assert settings(found[TRAIN]) == [
        ("training.workers", "3", "5", True),
        ("training.schedules[name=nightly].cron", "0 2 * * *", "0 3 * * *", True),
    ]
    (fires,) = found[TRAIN].trainings
    assert (fires.zone, fires.times[0].hour) == ("Asia/Shanghai", 19)
    (former,) = found[TRAIN].former
    assert (former.schedule, former.cron, former.zone) == (
        "mnist/nightly",
        "0 2 * * *",
        "Asia/Shanghai",
    )
    assert former.times[0].hour == 18


@pytest.mark.parametrize("side", ["base", "cluster"])
def test_a_schedule_whose_times_stay_has_no_former_times(side, cluster):
    before = sample()
    after = edited(before, MODEL, "workers: 3", "workers: 5")
    found = compared(after, before) if side == "base" else live(after, before, cluster)
    assert len(found[TRAIN].trainings) == 1
    assert found[TRAIN].former == ()


@pytest.mark.parametrize("side", ["base", "cluster"])
def test_a_memory_change_that_makes_a_new_kubedl_object_is_a_change_of_the_value(side):
    before = split_of("{v1: 30, v2: 50, v3: 20}", KUBEDL)
    pointer = "environments/prod/web.yaml"
    edit = f"{before.files[pointer].decode()}  resources: {{memory: 6Gi}}\n"
    after = before.but({pointer: edit})
    if side == "base":
        found = compared(after, before)
    else:
        place = flow.world()
        flow.settled(before, place)
        now = reviewed(after, place.cluster, place.clock.now())
        found = {change.app: change for change in find_model_changes(now)}
    assert settings(found[WEB]) == [("serving.resources.memory", "1Gi", "6Gi", True)]
    assert found[WEB].action is ModelAction.CHANGED
    assert found[WEB].version is None


@pytest.mark.parametrize("side", ["base", "cluster"])
def test_a_shared_line_is_a_change_of_each_app_that_reads_it(side, cluster):
    before = small()
    after = before.but(
        {"environments/base.yaml": b"serving: {replicas: 2, resources: {cpu: 1, memory: 1Gi}}\n"}
    )
    found = compared(after, before) if side == "base" else live(after, before, cluster)
    assert settings(found[WEB]) == [("serving.replicas", "1", "2", True)]
    assert str(found[WEB].settings[0].origin.site) == "environments/base.yaml:1:11"


def test_drift_is_shown_as_the_config_value_that_the_live_field_has_lost(cluster):
    applied(small(), cluster)
    key = ObjectKey("apps", "Deployment", "ml-one", "web-v1")
    cluster.edit(key, lambda body: body["spec"].update(replicas=7))
    (change,) = find_model_changes(reviewed(small(), cluster))
    assert settings(change) == [("serving.replicas", "7", "1", True)]


@pytest.mark.parametrize("side", ["base", "cluster"])
def test_a_removed_candidate_is_a_value_without_an_after(side, cluster):
    before = sample()
    line = "  - {name: cnn-dropout, args: [--model=cnn-dropout]}\n"
    after = edited(before, MODEL, line, "")
    found = compared(after, before) if side == "base" else live(after, before, cluster)
    change = found[TRAIN]
    assert ("training.candidates[name=cnn-dropout].name", "cnn-dropout", None, True) in settings(
        change
    )


def test_a_serving_group_is_not_told_about_training():
    before = sample()
    after = edited(before, MODEL, "workers: 3", "workers: 5")
    assert set(compared(after, before)) == {TRAIN}


def test_the_section_has_the_ranks_of_the_environments():
    section = changes_of(review.review(sample(), select(), NOW, base=sample()))
    assert section.ranks["dev"] < section.ranks["staging"] < section.ranks["prod"]
    assert section.models == ()


def test_a_version_move_has_no_steps_where_nothing_serves_yet(cluster):
    found = {change.app: change for change in find_model_changes(reviewed(sample(), cluster))}
    move = found[UnitId("prod", "hz-a", "mnist")].version
    assert isinstance(move, VersionMove)
    assert (move.before, move.after, move.steps) == ({}, {"v2": 100}, ())
