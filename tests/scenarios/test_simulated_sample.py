"""The sample config, drawn and applied by the program itself, lives in the simulated world."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler import kinds
from reconciler.apply.execute import Executor
from reconciler.apps.app import Selection
from reconciler.engine import draw, load, observe, predict
from reconciler.engine.run_options import RunOptions
from reconciler.objects.key import GroupKind
from reconciler.ports import Blob
from reconciler.simulation.world import World

ROOT = Path(__file__).parents[2]


class Files:
    """The sample's work tree."""

    commit, label = "", "sample"

    def faults(self):
        return ()

    def blobs(self):
        found = {}
        for top in ("environments", "models"):
            for path in sorted((ROOT / top).rglob("*")):
                if path.is_file():
                    name, raw = path.relative_to(ROOT).as_posix(), path.read_bytes()
                    found[name] = Blob(name, hashlib.sha256(raw).hexdigest(), len(raw))
        return found

    def read(self, paths):
        for path in paths:
            yield path, (ROOT / path).read_bytes()

    def unrelated(self, commits):
        return frozenset()


class Silent:
    def progress(self, subject, text):
        pass


def reconciled(world):
    """One run; the units that are not done."""
    fleet = load.load_fleet(Files())
    snapshot = observe.read_snapshot(world.cluster, fleet)
    units = draw.draw_units(fleet, snapshot, world.clock.now())
    plan = predict.plan_units(
        fleet, units, snapshot, world.cluster, RunOptions(), selection=Selection()
    )
    executor = Executor(world.cluster, world.clock, Silent())
    results = [executor.run(app, "sample") for app in plan]
    return {r.unit: r.problems for r in results if r.status not in ("done", "nothing")}


@pytest.fixture(scope="module")
def world():
    made = World(start=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), kinds=kinds.known())
    assert reconciled(made) == {}
    yield made
    made.close()


def test_everything_becomes_healthy_and_a_later_run_writes_nothing(world):
    assert reconciled(world) == {}
    world.run_for(timedelta(minutes=30))
    assert reconciled(world) == {}
    before = len(world.cluster.log)
    assert reconciled(world) == {}
    writes = {verb for verb, _ in world.cluster.log[before:]} - {"get", "list", "discover"}
    assert writes == set()
    assert world.refusals == []


def test_a_week_of_schedules_publishes_versions(world):
    world.run_for(timedelta(days=7))
    kind = GroupKind("model.kubedl.io", "ModelVersion")
    published = [
        body["metadata"]["labels"]["ml-reconciler.dev/model"]
        for body in world.cluster.server.list(kind, "ml-train")
        if "ml-reconciler.dev/published" in body["metadata"].get("labels", {})
    ]
    assert published == ["mnist"] * 7
    found = world.cluster.server.list(
        GroupKind("", "ConfigMap"), "ml-train", {"ml-reconciler.dev/published": "model-version"}
    )
    assert [body["metadata"]["labels"]["ml-reconciler.dev/model"] for body in found] == [
        "search-ranker"
    ]
    assert world.refusals == []
