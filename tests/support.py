"""What many tests need: trees in memory, the sample config, the engine on an embedded cluster."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from reconciler.apps.app import Selection
from reconciler.engine import apply_plan, draw, load, review
from reconciler.engine.run_options import RunOptions
from reconciler.engine.views.runs import run_report
from reconciler.plan.change import Approvals
from reconciler.plan.snapshot import Snapshot
from reconciler.ports import Blob

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FOLDERS = ("environments", "models", "policies")
#: Each file of the folder is a command.
COMMANDS = sorted(
    path.stem.replace("_", "-")
    for path in (ROOT / "reconciler/cli/commands").glob("*.py")
    if not path.stem.startswith("_")
)


class MemoryTree:
    """A config repo as a dict of texts."""

    def __init__(self, files, label="worktree", commit="", faults=()):
        self.files = {p: t.encode() if isinstance(t, str) else t for p, t in sorted(files.items())}
        self.label = label
        self.commit = commit
        self.left_out = tuple(faults)

    def faults(self):
        return self.left_out

    def blobs(self):
        return {
            path: Blob(path, hashlib.sha1(data).hexdigest(), len(data))
            for path, data in self.files.items()
        }

    def read(self, paths):
        for path in paths:
            yield path, self.files[path]

    def unrelated(self, commits):
        return frozenset()

    def but(self, changes):
        """A copy with some files changed; None removes one."""
        merged = {**self.files, **changes}
        return MemoryTree(
            {p: d for p, d in merged.items() if d is not None},
            self.label,
            self.commit,
            self.left_out,
        )


def sample_files():
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.is_file()
    }


def sample():
    return MemoryTree(sample_files())


def small(**files):
    """The least config that has one serving app, `prod/one/web`; more files by keyword are given
    as a dict to `MemoryTree.but`."""
    return MemoryTree(
        {
            "environments/layers.yaml": (
                "layers:\n"
                "- {name: base, file: environments/base.yaml}\n"
                '- {name: type, file: "environments/types/{type}.yaml"}\n'
                '- {name: model, file: "models/{model}/model.yaml"}\n'
                '- {name: environment, file: "environments/{environment}/environment.yaml"}\n'
                '- {name: group, file: "environments/{environment}/{group}/group.yaml"}\n'
                '- {name: pointer, file: "environments/{environment}/{model}.yaml", optional: true}\n'
                '- {name: own, file: "environments/{environment}/{group}/{model}.yaml"}\n'
            ),
            "environments/base.yaml": "serving: {replicas: 1, resources: {cpu: 1, memory: 1Gi}}\n",
            "environments/types/vision.yaml": "serving: {backend: deployment, router: none}\n",
            "environments/prod/environment.yaml": "environment: {rank: 1, cluster: main}\n",
            "environments/prod/one/group.yaml": (
                "group: {namespace: ml-one, serviceAccount: models}\n"
            ),
            "environments/prod/web.yaml": 'serving:\n  version: "v1"\n',
            "environments/prod/one/web.yaml": "",
            "models/web/model.yaml": (
                "model: {type: vision, owner: web}\nserving: {image: registry.example/web:1}\n"
            ),
            "models/web/versions/v1.yaml": record("v1"),
            "models/web/versions/v2.yaml": record("v2"),
        }
    ).but(files)


def record(version):
    digest = hashlib.sha256(version.encode()).hexdigest()
    return (
        f'version: "{version}"\ndigest: sha256:{digest}\n'
        f"storageUri: pvc://models/web/{version}\n"
        f"image: registry.example/web@sha256:{digest}\n"
    )


def loaded(tree, **selected):
    return load.load_fleet(tree, select(**selected))


def select(**selected):
    return Selection(**{key: frozenset(value) for key, value in selected.items()})


def drawn(tree, now=NOW, **selected):
    """Every draft of a tree without a cluster: {(unit, key): draft}."""
    fleet = loaded(tree, **selected)
    assert not fleet.errors, fleet.errors
    return {
        (str(item.unit.id), draft.key): draft
        for item in draw.draw_units(fleet, Snapshot.none(), now)
        for draft in item.drafts
    }


def errors_of(tree, **selected):
    """(code, place) of every error of a tree."""
    fleet = loaded(tree, **selected)
    return [(d.code, str(d.site)) for d in fleet.diagnostics if d.is_error]


class Silent:
    def progress(self, subject, text):
        pass


def approvals(approved=()):
    """Approvals in which each text is allowed as whatever it may be."""
    return Approvals(*[frozenset(approved)] * 5)


def reviewed(tree, cluster, now=NOW, approved=(), **selected):
    options = RunOptions(approvals=approvals(approved))
    return review.review(tree, select(**selected), now, reader=cluster, options=options)


class Ran:
    """What came of a run, with its report at hand."""

    def __init__(self, run):
        self.run = run
        self.exit_code = run.exit_code
        self.results = run.results
        self.reviewed = run.reviewed

    @property
    def report(self):
        return run_report(self.run)

    @property
    def closing(self):
        return self.report.closing

    @property
    def sections(self):
        return self.report.sections

    @property
    def data(self):
        return self.report.data


def applied(tree, cluster, now=NOW, approved=(), before=None, timeout=30.0, **selected):
    """One `reconcile` of a tree; what came of it."""
    seen = reviewed(tree, cluster, now, approved, **selected)
    settings = apply_plan.ApplySettings(timeout=timeout, before=before)
    return Ran(apply_plan.reconcile(seen, cluster, cluster.clock, Silent(), settings))
