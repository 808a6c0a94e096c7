"""The rows about models, as the plan's text and the comment show them."""

from datetime import UTC, datetime

import pytest

from reconciler.engine.views.models import (
    ModelAction,
    ModelChange,
    Profile,
    SettingChange,
    VersionMove,
)
from reconciler.lifecycle.decision import Fires
from reconciler.origin import Origin, Site
from reconciler.output import model_rows
from reconciler.output.markdown import prose
from reconciler.output.model_data import model_data
from reconciler.output.model_markdown import model_lines, training_lines
from reconciler.unit import UnitId

APP = UnitId("prod", "hz-a", "mnist")
OTHER = UnitId("prod", "hz-b", "mnist")
AT = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
LINE = Origin(Site("models/mnist/model.yaml", 19, 3), "model", "set", 5)


def texts(change):
    return [f"{row.label}: {row.text}" for row in model_rows.rows(change)]


def changed(*settings, version=None, app=APP):
    return ModelChange(app, ModelAction.CHANGED, version, settings)


def move(before, now, after, steps=(), seconds=0.0):
    return VersionMove(before, now, after, steps, seconds)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        (move({"v2": 100}, {"v3": 100}, {"v3": 100}), ["version: v2 → v3"]),
        (
            move({"v2": 100}, {"v3": 100}, {"v3": 100}, (10, 50, 100), 1200),
            ["version: v2 → v3 over 10, 50, 100 %, about 20 min"],
        ),
        (
            move({"v2": 90, "v3": 10}, {"v2": 50, "v3": 50}, {"v3": 100}, (10, 50, 100)),
            ["version: v2 → v3 over 10, 50, 100 %", "traffic: v2 90 %, v3 10 % → v2 50 %, v3 50 %"],
        ),
        (move({"v2": 100}, {"v2": 100}, {"v3": 100}, (100,)), ["version: v2 → v3"]),
        (move({}, {"v1": 100}, {"v1": 100}), ["version: v1"]),
        (
            move({"v1": 100}, {"v1": 30, "v2": 70}, {"v1": 30, "v2": 70}),
            ["traffic: v1 100 % → v1 30 %, v2 70 %"],
        ),
        (move({"v1": 100}, {}, {}), ["traffic: v1 100 % → none"]),
    ],
)
def test_a_move_is_a_version_and_where_weights_change_the_traffic(version, wanted):
    assert texts(changed(version=version)) == wanted


def test_a_changed_value_is_shown_under_its_block():
    rows = changed(
        SettingChange("training.workers", "3", "5"),
        SettingChange("serving.replicas", "1", "2"),
        SettingChange("serving.port", None, "9000"),
        SettingChange("training.args[1]", None, "--epochs=3", is_known=False),
        SettingChange("training.pool", "gpu", None),
    )
    assert texts(rows) == [
        "serving: replicas 1 → 2",
        "serving: port 9000 added",
        "training: workers 3 → 5",
        "training: args[1] → --epochs=3",
        "training: pool gpu removed",
    ]


def test_a_candidate_that_comes_or_goes_is_one_row():
    path = "training.candidates[name={}].{}"
    rows = changed(
        SettingChange(path.format("big", "name"), None, "big"),
        SettingChange(path.format("big", "args[0]"), None, "--model=big"),
        SettingChange(path.format("old", "name"), "old", None),
        SettingChange(path.format("old", "args[0]"), "--model=old", None),
        SettingChange(path.format("cnn", "args[0]"), "--lr=1", "--lr=2"),
    )
    assert texts(rows) == [
        "candidate: big added: --model=big",
        "candidate: old removed: --model=old",
        "candidate: cnn: args[0] --lr=1 → --lr=2",
    ]


def test_a_digest_is_cut_and_so_is_a_long_value():
    old, new = ("registry.example/web@sha256:" + digit * 64 for digit in "ab")
    rows = texts(
        changed(
            SettingChange("serving.image", old, new),
            SettingChange("serving.args[0]", "x", "y" * 200),
        )
    )
    assert rows[0] == (
        "serving: image registry.example/web@sha256:aaaaaaaaaaaa… → "
        "registry.example/web@sha256:bbbbbbbbbbbb…"
    )
    assert len(rows[1]) < 100


def test_a_new_model_says_image_replicas_gpus_schedule_and_host():
    profile = Profile(
        "kserve",
        "registry.example/web:1",
        4,
        2,
        ("mnist.example",),
        "job",
        "registry.example/train:1",
        3,
        1,
        ("cnn", "big"),
        {"hostnames": LINE},
    )
    fires = (Fires("mnist/nightly", "0 2 * * *", "Asia/Shanghai", (AT,)),)
    change = ModelChange(APP, ModelAction.NEW, None, (), profile, fires)
    assert texts(change) == [
        "serving: 4 replicas, kserve, 2 GPUs a replica",
        "image: registry.example/web:1",
        "host: mnist.example",
        "training: 3 workers, job, 1 GPU a worker",
        "image: registry.example/train:1",
        "candidates: cnn, big",
        "schedule: nightly: 0 2 * * * Asia/Shanghai",
    ]
    host = next(row for row in model_rows.rows(change) if row.label == "host")
    assert host.origin is LINE


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (90, "90 s"), (1200, "20 min"), (5400, "1 h 30 min"), (187_200, "2 d 4 h")],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    assert model_rows.duration(seconds) == text


def test_next_trainings_are_sorted_by_time_and_suspended_ones_are_last():
    def of(name, zone, *times):
        fires = (Fires(f"mnist/{name}", "0 2 * * *", zone, times),)
        return ModelChange(APP, ModelAction.CHANGED, trainings=fires)

    times = model_rows.training_times(
        [
            of("off", "UTC"),
            of("late", "UTC", AT.replace(hour=20)),
            of("early", "Asia/Shanghai", AT),
        ]
    )
    assert [t.schedule for t in times] == ["mnist/early", "mnist/late", "mnist/off"]
    assert model_rows.local(AT, "Asia/Shanghai") == "2026-11-25 02:00 Asia/Shanghai"
    rows = training_lines(times, prose)
    assert [row[0] for row in rows] == ["`mnist/early`", "`mnist/late`", "`mnist/off`"]
    assert [row[2] for row in rows] == ["2026-11-24 18:00", "2026-11-24 20:00", ""]
    assert rows[2][1] == "suspended"


def test_equal_changes_of_several_apps_are_one_row_of_the_comment_and_versions_come_first():
    row = SettingChange("serving.replicas", "1", "2", LINE)
    rows = model_lines(
        [
            changed(row),
            changed(row, version=move({"v1": 100}, {"v2": 100}, {"v2": 100}), app=OTHER),
            ModelChange(UnitId("dev", "main", "old"), ModelAction.REMOVED),
        ],
        "",
        prose,
    )
    assert rows == [
        ["`dev/main/old`", "**removed**", ""],
        ["`prod/hz-b/mnist`", "version **v1 → v2**", ""],
        [
            "`prod/hz-a/mnist`, `prod/hz-b/mnist`",
            "serving **replicas 1 → 2**",
            "`models/mnist/model.yaml:19`",
        ],
    ]


def test_markup_in_a_value_is_escaped_in_the_comment():
    ((_, text, _),) = model_lines(
        [changed(SettingChange("serving.args[0]", "a", "|@you"))], "", prose
    )
    assert "@you" not in text
    assert "\\|" in text


def test_the_data_has_what_the_rows_have_and_cuts_nothing():
    long = "y" * 200
    data = model_data(changed(SettingChange("serving.args[0]", "x", long, LINE)))
    assert data["settings"] == [
        {
            "path": "serving.args[0]",
            "before": "x",
            "after": long,
            "beforeKnown": True,
            "at": "models/mnist/model.yaml:19:3",
        }
    ]
    assert (data["app"], data["action"], data["version"], data["profile"]) == (
        "prod/hz-a/mnist",
        "changed",
        None,
        None,
    )
