"""The answers of `explain` as text."""

import pytest

from reconciler.engine.use import explain
from reconciler.engine.views.report import Chains
from reconciler.output.chain_text import chain_lines
from reconciler.output.format import Options
from reconciler.output.text import Style
from reconciler.unit import UnitId
from tests.support import NOW, sample, select

APP = "prod/hz-a/mnist"
MONITOR = "models/mnist/monitor.yaml"


def chains(report):
    return next(section for section in report.sections if isinstance(section, Chains))


def lines(path, width=100, colour=False, apps=(APP,)):
    found = chains(
        explain.explain_path(
            sample(), select(units=[UnitId(*app.split("/")) for app in apps]), path, NOW
        )
    )
    return list(chain_lines(found, Options(Style(colour=colour), width=width)))


def test_the_winner_is_first_and_the_columns_are_as_wide_as_their_content():
    assert lines("serving.replicas")[:4] == [
        "serving.replicas = 4",
        "  4  environments/prod/hz-a/mnist.yaml:3:3   override   wins",
        "  2  environments/prod/environment.yaml:8:3  override",
        "  1  environments/base.yaml:14:3             set",
    ]


def test_what_is_overridden_is_dim():
    shown = lines("serving.replicas", colour=True)
    assert not shown[1].startswith("\x1b[2m")
    assert all(line.startswith("\x1b[2m") for line in shown[2:4])


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_uses_stand_below_their_objects_where_the_columns_do_not_fit(width):
    shown = lines("training.image", width, apps=("prod/train/mnist",))
    fits = (
        "TFJob/{{workflow.name}}-cnn-batch-norm (in WorkflowTemplate/mnist-train)  spec"
        in "\n".join(shown)
    )
    assert fits == (width >= 160)


def test_environments_stand_in_the_order_of_their_ranks():
    shown = [line.split()[-1] for line in lines("serving.backend", apps=()) if " = " in line]
    ranks = [app.split("/")[0] for app in shown]
    assert list(dict.fromkeys(ranks)) == ["dev", "staging", "prod"]


def test_a_line_of_a_manifests_file_reaches_the_field_of_its_object():
    tree = sample()
    lines = tree.files[MONITOR].decode().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "interval: 30s" in text)
    report = explain.explain_at(tree, select(), MONITOR, line, NOW)
    assert int(report.exit_code) == 0
    found = {chain.path: chain for chain in chains(report).chains}
    interval = found["ServiceMonitor/mnist spec.endpoints[0].interval"]
    assert interval.value == "30s"
    assert interval.used_by == (("ServiceMonitor/mnist", "spec.endpoints[0].interval"),)
    assert str(interval.app) == APP


def test_a_line_of_a_manifests_file_without_a_value_is_said_to_reach_nothing():
    report = explain.explain_at(sample(), select(), MONITOR, 1, NOW)
    assert int(report.exit_code) == 1
    assert report.closing == (f"no app reads anything from {MONITOR}:1",)
