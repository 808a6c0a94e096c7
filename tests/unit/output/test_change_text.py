"""A plan's text in any width: objects folded below the lines about models, and what is never
folded."""

import re
from dataclasses import replace

import pytest

from reconciler import kinds
from reconciler.engine import review
from reconciler.engine.views.model_changes import changes_of
from reconciler.lifecycle.decision import Reason
from reconciler.objects.key import ObjectKey
from reconciler.origin import Origin, Site
from reconciler.output import change_text, plan_text
from reconciler.output.format import Options
from reconciler.plan.change import Standing
from reconciler.simulation.cluster import EmbeddedCluster
from reconciler.unit import UnitId
from tests.support import NOW, applied, reviewed, sample, select

WIDTHS = (60, 80, 100, 140, 200)
TRAIN = UnitId("prod", "train", "mnist")
MODEL = "models/mnist/model.yaml"
TYPE = "environments/types/computer-vision.yaml"


def edited(tree, file, old, new):
    text = tree.files[file].decode()
    assert text.count(old) == 1
    return tree.but({file: text.replace(old, new).encode()})


def branch():
    tree = edited(sample(), MODEL, "workers: 3", "workers: 5")
    tree = edited(tree, TYPE, "memory: 4Gi", "memory: 6Gi")
    return edited(tree, "environments/prod/mnist.yaml", 'version: "v2"', 'version: "v1"')


def section(**chosen):
    found = review.review(branch(), select(**chosen), NOW, base=sample())
    return changes_of(found)


def text(found, width=100, **options):
    return "\n\n".join(plan_text.render(found, Options(width=width, **options)))


def first():
    """The plan of a first run, on an empty cluster."""
    return changes_of(reviewed(sample(), EmbeddedCluster(kinds=kinds.known())))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("make", [section, first])
@pytest.mark.parametrize("show_all", [False, True])
def test_no_line_is_wider_than_the_terminal_but_for_a_word_that_has_no_break(width, make, show_all):
    for line in text(replace(make(), show_all=show_all), width).splitlines():
        longest = max(len(word) for word in line.split()) if line.strip() else 0
        assert len(line) <= width or longest > width - 40, line


@pytest.mark.parametrize("width", WIDTHS)
def test_the_numbers_of_waves_end_at_the_right_edge(width):
    waves = [line for line in text(section(), width).splitlines() if re.search(r"wave \d$", line)]
    assert waves
    assert {len(line) for line in waves} == {width}


def test_a_model_is_told_before_its_objects_and_its_fields_are_folded():
    out = text(section(units=[TRAIN]))
    assert out.index("training   workers 3 → 5") < out.index("~ WorkflowTemplate/mnist-train")
    assert "3 fields as said above" in out
    assert "tfReplicaSpecs" not in out


def test_all_unfolds_the_fields():
    out = text(replace(section(), show_all=True))
    assert out.count("spec.tfReplicaSpecs.Worker.replicas   3 → 5") == 3
    assert "as said above" not in out


def test_environments_stand_in_the_order_of_their_ranks():
    out = text(section())
    places = [out.index(f"{name}/mnist\n") for name in ("dev/main", "staging/main", "prod/hz-a")]
    assert places == sorted(places)


def test_only_the_trainings_that_change_are_listed():
    out = text(section())
    assert out.count("next trainings") == 1
    assert "mnist/nightly  2026-11-24 02:00 Asia/Shanghai   (11-23 18:00 UTC)" in out
    assert "search-ranker/weekly" not in out


def test_a_first_plan_says_once_a_group_what_is_not_verified_yet():
    out = text(first())
    assert out.count("its namespace is made by this run") == 5
    assert re.search(
        r"\nnot verified yet: \d+ objects of prod/hz-a: its namespace is made by ", out
    )
    assert len(out.splitlines()) < 150


def test_a_new_group_names_the_file_that_its_objects_come_from():
    assert "new in Git   environments/dev/main/group.yaml" in text(first())


def test_a_field_that_no_line_about_the_model_explains_is_shown():
    """Somebody else's value in a field that the program draws by a rule of its own."""
    cluster = EmbeddedCluster(kinds=kinds.known())
    applied(sample(), cluster)
    key = ObjectKey("argoproj.io", "CronWorkflow", "ml-train", "mnist-nightly")

    def edit(body):
        body["spec"]["workflowSpec"]["workflowTemplateRef"]["name"] = "x"

    cluster.edit(key, edit)
    out = text(changes_of(reviewed(sample(), cluster, units=[TRAIN])))
    assert "spec.workflowSpec.workflowTemplateRef.name   x → mnist-train" in out


def test_a_held_change_is_shown_whole():
    found = section(units=[TRAIN])
    app = next(app for app in found.plan.apps if app.waves)
    waves = tuple(
        tuple(replace(change, standing=Standing.HELD) for change in wave) for wave in app.waves
    )
    folding = change_text.Folding(found.models[0].sites)
    lines = list(change_text.change_lines(replace(app, waves=waves), folding, Options()))
    assert lines[0].startswith("  x WorkflowTemplate/mnist-train")
    assert any("spec.tfReplicaSpecs.Worker.replicas   3 → 5" in line for line in lines)


def _origin(line, through=()):
    return Origin(Site("models/web/model.yaml", line, 3), "model", "set", "x", through=through)


def test_of_a_value_made_of_many_lines_the_one_that_changed_leads():
    many = _origin(5, tuple(_origin(line) for line in range(10, 66)))
    assert change_text.place(many, frozenset({Site("models/web/model.yaml", 42, 3)})) == (
        "models/web/model.yaml:42:3"
    )
    assert change_text.place(many) == "models/web/model.yaml:5:3"
    one = _origin(5, (_origin(10),))
    assert change_text.place(one) == "models/web/model.yaml:5:3 through models/web/model.yaml:10:3"


def test_a_long_reason_is_wrapped_and_its_line_stands_below():
    reason = Reason(
        "the route keeps its split: " + "v3 has 0 of 2 replicas ready, " * 3, _origin(7)
    )
    lines = list(change_text.reason_lines(reason, Options(width=60)))
    assert all(len(line) <= 60 for line in lines)
    assert lines[-1].strip() == "models/web/model.yaml:7:3"
