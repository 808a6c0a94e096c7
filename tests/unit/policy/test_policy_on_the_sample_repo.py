"""The sample repo under its own policies: nothing blocks, and realistic slips are caught at the
line that made them, in every kind that is drawn."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.apps.app import Selection
from reconciler.engine import draw, load, object_policy
from reconciler.engine.memo import Memo
from reconciler.plan.snapshot import Snapshot
from reconciler.ports import Blob

ROOT = Path(__file__).parents[3]
FILES = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for folder in ("environments", "models", "policies")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.is_file()
}


class Edited:
    """The sample's tree with some files written anew."""

    commit = ""
    label = "worktree"

    def unrelated(self, commits):
        return frozenset()

    def __init__(self, edits: dict[str, bytes]) -> None:
        self.files = {**FILES, **edits}

    def faults(self):
        return ()

    def blobs(self):
        return {
            path: Blob(path, hashlib.sha1(data).hexdigest(), len(data))
            for path, data in sorted(self.files.items())
        }

    def read(self, paths):
        return ((path, self.files[path]) for path in paths)


def found(edits: dict[str, bytes]):
    tree = Edited(edits)
    policies, diagnostics = object_policy.load_policies(tree)
    assert diagnostics == ()
    fleet = load.load_fleet(tree, Selection())
    assert [d for d in fleet.diagnostics if d.is_error] == []
    now = datetime(2026, 11, 23, tzinfo=UTC)
    units = tuple(draw.draw_units(fleet, Snapshot.none(), now))
    return object_policy.judge_units(policies, units, Snapshot.none(), Memo())


def changed(file: str, old: str, new: str) -> dict[str, bytes]:
    text = FILES[file].decode()
    assert old in text
    return {file: text.replace(old, new).encode()}


def line_of(edits: dict[str, bytes], text: str) -> str:
    """`file:line` of the one line that holds a text after the edit."""
    ((file, data),) = edits.items()
    (number,) = [n for n, row in enumerate(data.decode().splitlines(), 1) if text in row]
    return f"{file}:{number}"


def test_the_sample_is_not_blocked():
    assert [f for f in found({}) if f.blocks] == []


MNIST, RANKER = "models/mnist/model.yaml", "models/search-ranker/model.yaml"
ESTIMATOR = "models/tf-mnist-estimator/model.yaml"


@pytest.mark.parametrize(
    ("edits", "policy", "kinds", "text"),
    [
        pytest.param(
            changed(MNIST, "mnist-train@sha256:8c6a", "mnist-train:8c6a"),
            "image-digest", {"TFJob"}, "mnist-train:",
            id="a training image by its tag",
        ),
        pytest.param(
            changed(RANKER, "ranker-train@sha256:f885", "ranker-train:f885"),
            "image-digest", {"PyTorchJob"}, "ranker-train:",
            id="a PyTorch image by its tag",
        ),
        pytest.param(
            changed(MNIST, "mnist-ingest@sha256:43bf", "mnist-ingest:43bf"),
            "image-digest", {"WorkflowTemplate"}, "mnist-ingest:",
            id="an ingest image by its tag",
        ),
        pytest.param(
            changed(RANKER, "ranker-server@sha256:b81d", "ranker-server:b81d"),
            "image-digest", {"Deployment"}, "ranker-server:",
            id="a server by its tag",
        ),
        pytest.param(
            changed(ESTIMATOR, "serving@sha256:5cbb", "serving:5cbb"),
            "image-digest", {"Inference"}, "tensorflow/serving:",
            id="a KubeDL server by its tag",
        ),
        pytest.param(
            changed(MNIST, "workers: 3", "workers: 300"),
            "gpu-budget", {"TFJob"}, "workers: 300",
            id="a misplaced zero in the workers",
        ),
        pytest.param(
            {"environments/prod/hz-b/mnist.yaml": b"serving:\n  resources: {limits: {nvidia.com/gpu: 8}}\n"},
            "gpu-budget", {"InferenceService"}, "gpu: 8",
            id="too many GPUs in one zone",
        ),
        pytest.param(
            changed("environments/prod/environment.yaml", "replicas: 2", "replicas: 1"),
            "several-replicas", {"Deployment", "Inference", "InferenceService"}, "replicas: 1",
            id="one replica in production",
        ),
    ],
)  # fmt: skip
def test_a_slip_is_caught_at_its_line(edits, policy, kinds, text):
    findings = found(edits)
    assert {f.policy for f in findings} == {policy}
    assert {f.key.kind for f in findings} == kinds
    # A sum has several lines behind it: the finding's own, or one of the further fields.
    for finding in findings:
        assert line_of(edits, text) in {f"{s.file}:{s.line}" for s in finding.sites}


def test_limits_that_are_gone_block_every_environment():
    edits = changed(
        "environments/types/recommendation.yaml",
        "  resources: {cpu: 8, memory: 16Gi}",
        "  resources: {cpu: 8}",
    )
    findings = found(edits)
    assert {f.policy for f in findings} == {"resource-limits"}
    assert {f.app.environment for f in findings} == {"dev", "staging", "prod"}
    assert all(f.blocks for f in findings)
