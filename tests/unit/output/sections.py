"""A report with each view that is not a plan, and a text of it that nobody may leave out."""

from datetime import UTC, datetime

from reconciler.engine.views.layers import Layers, UnitLayers
from reconciler.engine.views.merge_result import MergeResult, provenance_of
from reconciler.engine.views.objects import Objects, RenderedObject
from reconciler.engine.views.promotion import Promotion
from reconciler.engine.views.repairs import DamagedInventory, RepairObject, Repairs
from reconciler.engine.views.report import Findings, Report
from reconciler.engine.views.rights import Grant, Identity, Purpose, Rights, Role, Rule
from reconciler.engine.views.status import (
    AppStatus,
    FleetStatus,
    Health,
    LastRun,
    NextStep,
    StepKind,
)
from reconciler.engine.views.versions import Published, Versions
from reconciler.objects.draft import Draft, Embedded, seal
from reconciler.objects.key import ObjectKey
from reconciler.origin import Branch, Origin, Site, Value
from reconciler.unit import UnitId

APP = UnitId("prod", "one", "web")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "sha256:" + "ab" * 32
AT = datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC)


def value(datum, line):
    return Value(datum, Origin(Site("models/web/model.yaml", line, 5), "model", "set", datum))


def _embedding():
    inner = Draft(
        ObjectKey("batch", "Job", "ml", "train"),
        "batch/v1",
        {"kind": "Job", "spec": {"parallelism": value(3, 7)}},
        "job",
    )
    outer = Draft(
        ObjectKey("", "ConfigMap", "ml", "steps"),
        "v1",
        {"kind": "ConfigMap", "data": {"step": Embedded("main", inner), "own": value("x", 9)}},
        "steps",
    )
    return RenderedObject(APP, seal(outer))


def _status():
    return FleetStatus(
        (
            AppStatus(
                APP,
                Health.READY,
                {"v1": 90, "v2": 10, "v3": 0},
                COMMIT,
                LastRun("applied", AT),
                (
                    NextStep(StepKind.ROLLOUT, "at 10 % for 1 h", AT),
                    NextStep(StepKind.SCHEDULE, "nightly", AT),
                ),
            ),
            AppStatus(UnitId("prod", "two", "web"), Health.BLOCKED, blocked=("E_TYPE",)),
        )
    )


def _merge():
    origin = Origin(Site("base.yaml", 1, 4), "base", "set", 3)
    over = Origin(Site("over.yaml", 2, 4), "over", "override", 2**70, origin)
    tree = Branch({"replicas": Value(2**70, over)}, over)
    return MergeResult(tree, provenance_of(tree))


def _rights():
    rules = (Rule("applied", "apps", ("deployments",), ("get", "patch"), ("web",)),)
    roles = (Role("ml", rules), Role("", rules, "someone@example.org", "-writer-1"))
    notes = ("beware of that",)
    return Rights(Grant(Purpose.PLAN, ("ml",), roles, notes), Identity("robot"), notes)


def _repairs():
    key = ObjectKey("apps", "Deployment", "ml", "web")
    rows = (RepairObject(key, "", "u-1", False, True), RepairObject(key, None, None, False, False))
    return Repairs((DamagedInventory(APP, "it was edited", rows, "not yet", "abc"),))


VIEWS = {
    "layers": lambda: Layers((UnitLayers(APP, ("environments/base.yaml", "models/a|b.yaml")),)),
    "merge": _merge,
    "promote": lambda: Promotion(
        "web", "prod", "v1", "v2", DIGEST, {"a.yaml": b"v2"}, "-v1\n+v2\n", "the work tree"
    ),
    "render": lambda: Objects((_embedding(),)),
    "rbac": _rights,
    "repair": _repairs,
    "status": _status,
    "versions": lambda: Versions(
        (
            Published("web", "v1", DIGEST, {"accuracy": 0.9712}, "2026-10-01T20:41:00+02:00"),
            Published("web", "", DIGEST, {}, "some day", source="ConfigMap/run-7"),
        ),
        ("models/web/versions/v2.yaml",),
        "the work tree",
    ),
}
NAMES = sorted(VIEWS)
#: What no format for reading may leave out.
SIGHT = {
    "layers": "environments/base.yaml",
    "merge": str(2**70),
    "promote": "+v2",
    "render": "ConfigMap",
    "rbac": "someone@example.org",
    "repair": "u-1",
    "status": "v2",
    "versions": "ConfigMap/run-7",
}


def report(name):
    return Report(name, (Findings(), VIEWS[name]()), (f"{name} is done.",), revision=COMMIT)
