"""What people see of the views of rows: cut and spelled here, whole in the data."""

import pytest
import yaml

from reconciler.engine.views.status import AppStatus, FleetStatus, NextStep, StepKind
from reconciler.output import manifests, tables
from tests.unit.output import sections


def rows(section):
    (table,) = tables.tables(section)
    return table.rows


def test_a_status_is_cut_for_the_screen():
    first, second = rows(sections.VIEWS["status"]())
    assert first == (
        "prod/one/web",
        "ready",
        "v1 90  v2 10",
        "0123456",
        "applied 11-23 10:00Z",
        "at 10 % for 1 h; nightly 11-23 10:00 UTC",
    )
    assert second == ("prod/two/web", "blocked", "-", "-", "-", "blocked: E_TYPE")


@pytest.mark.parametrize("revision", ["worktree", "worktree@0123456"])
def test_a_work_tree_s_name_is_not_cut(revision):
    step = NextStep(StepKind.ROLLOUT, "waits for a replica")
    ((*_, shown, following),) = rows(
        FleetStatus((AppStatus(sections.APP, revision=revision, next=(step,)),))
    )
    assert (shown, following) == (revision, "waits for a replica")


def test_a_version_is_shown_with_the_beginning_of_its_digest():
    recorded, fresh = rows(sections.VIEWS["versions"]())
    assert recorded == (
        "web", "v1", "ab" * 6, "accuracy 0.9712", "2026-10-01 18:41 UTC", "Git"
    )  # fmt: skip
    assert fresh == ("web", "-", "ab" * 6, "-", "some day", "ConfigMap/run-7")


def test_an_inventory_has_a_table_of_its_own():
    (table,) = tables.tables(sections.VIEWS["repair"]())
    assert table.title == "prod/one/web"
    assert [row[1:] for row in table.rows] == [
        ("no uid", "u-1, not applied by this program", "wanted"),
        ("-", "-", "-"),
    ]


def test_an_app_is_named_at_its_first_file_only():
    assert rows(sections.VIEWS["layers"]()) == (
        ("prod/one/web", "1", "environments/base.yaml"),
        ("", "2", "models/a|b.yaml"),
    )


def test_a_rule_is_a_row_with_its_subject():
    mine, writer = rows(sections.VIEWS["rbac"]())
    assert mine[2:] == ("deployments.apps", "get, patch", "web")
    assert writer[:2] == ("", "someone@example.org")


def test_a_manifest_is_a_yaml_document_under_the_unit_s_name():
    (item,) = sections.VIEWS["render"]().objects
    text = manifests.document(item)
    assert text.startswith("---\n# prod/one/web\n")
    assert yaml.safe_load(text) == item.manifest.body
