"""The fleet as people see it, at every width."""

from datetime import UTC, datetime

import pytest

from reconciler.engine.views.status import (
    AppStatus,
    FleetStatus,
    Health,
    LastRun,
    LastTraining,
    NextStep,
    RolloutProgress,
    StepKind,
)
from reconciler.lifecycle.decision import Hold
from reconciler.output import table
from reconciler.output.status_table import describe_rollout, table_of
from reconciler.output.text import Style
from reconciler.unit import UnitId

AT = datetime(2026, 11, 23, 17, 9, tzinfo=UTC)
ROLLOUT = RolloutProgress("v1", "v2", 10, 1, 3, AT)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fleet():
    web, api, train, old = (
        UnitId("prod", "one", name) for name in ("web", "api", "train", "a-model-that-is-gone")
    )
    hold = Hold("not ready within 20m", "point serving.version at another version", AT)
    nightly = NextStep(StepKind.SCHEDULE, "nightly", AT)
    gone = NextStep(StepKind.PASS, "not in Git: the next pass deletes it", pending=True)
    last = LastRun("success", AT)
    return FleetStatus(
        (
            AppStatus(web, Health.READY, {"v1": 90, "v2": 10}, COMMIT, last, rollout=ROLLOUT),
            AppStatus(api, Health.HELD, {"v1": 100}, COMMIT, last, hold=hold),
            AppStatus(
                train,
                Health.IDLE,
                {},
                COMMIT,
                last,
                (nightly, NextStep(StepKind.SCHEDULE, "nightly", AT.replace(hour=19), True)),
                last_training=LastTraining("nightly", AT, True),
            ),
            AppStatus(old, Health.READY, {"v7": 100}, COMMIT, last, (gone,), in_git=False),
        )
    )


def lines(width, colour=False):
    return list(table.layout(table_of(fleet()), Style(colour=colour), width))


def test_a_rollout_reads_its_versions_shares_step_and_time_and_not_split():
    assert describe_rollout(ROLLOUT) == "v1→v2 10/90 step 1/3, until 17:09 UTC"
    shown = "\n".join(lines(200))
    assert "v1→v2 10/90 step 1/3, until 17:09 UTC" in shown
    assert "split" not in shown


def test_a_rollout_before_its_first_step_and_one_that_waits_say_so():
    assert describe_rollout(RolloutProgress("v1", "v2", 0, 0, 0)) == "v1→v2 0/100 before step 1"
    waits = RolloutProgress("v1", "v2", 10, 1, 3, None, "0 of 1 replicas ready")
    assert describe_rollout(waits) == "v1→v2 10/90 step 1/3, waits"


@pytest.mark.parametrize("width", range(60, 201, 7))
def test_no_line_is_wider_than_the_screen_and_nothing_is_lost(width):
    found = lines(width)
    assert max(map(len, found)) <= width
    words = " ".join(" ".join(found).split())
    for text in ("v1→v2 10/90", "until 17:09 UTC", "way out:", "(pending: nightly", "0123456"):
        assert text in words


def test_a_narrow_table_puts_the_last_columns_under_the_row():
    found = lines(60)
    assert found[0].split() == ["APP", "HEALTH"]
    (place,) = [i for i, line in enumerate(found) if line.startswith("prod/one/api")]
    assert found[place + 1].startswith("    traffic: v1 100   revision: 0123456")


def test_the_last_pass_and_the_last_training_are_two_things():
    head, *rest = lines(200)
    assert "LAST PASS" in head
    assert "LAST TRAINING" in head
    (row,) = [line for line in rest if line.startswith("prod/one/train")]
    assert "success 11-23 17:09Z" in row
    assert "running since 11-23 17:09Z" in row


def test_what_only_the_tree_would_change_is_marked():
    (row,) = [line for line in lines(400) if line.startswith("prod/one/train")]
    assert row.endswith("nightly 11-23 17:09 UTC; (pending: nightly 11-23 19:09 UTC)")


def test_the_last_line_counts_the_fleet():
    assert lines(200)[-1] == (
        "4 apps: 2 ready, 1 idle, 1 held; 1 not in Git, 1 rollout under way, "
        "1 with pending changes."
    )


def test_health_is_coloured_on_a_terminal_only_and_columns_stay_aligned():
    assert not any("\x1b" in line for line in lines(200))
    coloured = lines(200, colour=True)
    (good,) = [line for line in coloured if line.startswith("prod/one/web")]
    (bad,) = [line for line in coloured if line.startswith("prod/one/api")]
    assert "\x1b[32mready" in good
    assert "\x1b[31mheld" in bad
    plain = [line.replace("\x1b[32m", "").replace("\x1b[31m", "") for line in (good, bad)]
    plain = [line.replace("\x1b[0m", "") for line in plain]
    assert plain[0] in lines(200)
    assert plain[1] in lines(200)


def test_text_of_the_cluster_cannot_colour_the_screen():
    row = AppStatus(UnitId("a", "b", "c"), Health.READY, unrouted="\x1b[31mred")
    shown = "\n".join(table.layout(table_of(FleetStatus((row,))), Style(), 100))
    assert "\x1b" not in shown
