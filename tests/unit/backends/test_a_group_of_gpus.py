"""The example of docs/pods.md: what a group says once, every job and server of it has."""

import re
from pathlib import Path

import pytest

from reconciler.engine import draw
from reconciler.objects.draft import list_embedded, list_leaves
from reconciler.origin import Value, plain
from reconciler.plan.snapshot import Snapshot
from tests.support import NOW, loaded, record, small

PAGE = (Path(__file__).parents[3] / "docs/pods.md").read_text()
GROUP = re.search(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
FILE = "environments/prod/one/group.yaml"
TEXT = GROUP[2]
#: KubeDL's kinds cannot have a sidecar (docs/pods.md).
WITHOUT = "  pod:\n    initContainers: [{name: logs, $patch: delete}]\n"


def _server(backend):
    kubedl = "  framework: TFServing\n  kubedl: {modelPath: /m/1}\n"
    more = {"kubedl": f"{kubedl}{WITHOUT}", "kserve": "  framework: onnx\n"}.get(backend, "")
    return (
        f"serving:\n  backend: {backend}\n  pool: a100\n  image: registry.example/web:1\n"
        f"  volumes: [{{claim: models, path: /models}}]\n{more}"
    )


def _trainer(framework):
    text = (
        "training:\n  runIn: [prod/one]\n  image: registry.example/train:1\n  command: [train]\n"
        f"  schedules: []\n  volumes: [{{claim: models, path: /models}}]\n  pool: a100\n  framework: {framework}\n"
        "  ingest: {image: registry.example/in:1, command: [in], resources: {gpu: 1}}\n"
    )
    return text + (WITHOUT if framework.startswith("kubedl") else "")


CASES = [(name, _server(name)) for name in ("deployment", "kserve", "kubedl")]
CASES += [(name, _trainer(name)) for name in ("job", "kubedl-tfjob", "kubeflow-pytorchjob")]


def _pods(tree):
    """Every map of an object that holds the fields of a pod with a container of the user."""
    if isinstance(tree, dict):
        names = {c.get("name") for c in tree.get("containers") or () if isinstance(c, dict)}
        main = tree.get("model") or tree.get("container")
        if names or (main and "tolerations" in tree):
            yield tree
        for child in tree.values():
            yield from _pods(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _pods(child)


def _claims(pod):
    return [v for v in pod.get("volumes", ()) if "persistentVolumeClaim" in v]


def _drafts(text):
    model = f"model: {{type: vision, owner: web}}\n{text}"
    records = {
        f"models/web/versions/{v}.yaml": record(v) + f"modelVersion: web-{v}\n"
        for v in ("v1", "v2")
    }
    files = {FILE: TEXT, "models/web/model.yaml": model, **records}
    fleet = loaded(small().but(files))
    assert fleet.errors == ()
    units = draw.draw_units(fleet, Snapshot.none(), NOW)
    drafts = [d for item in units if not item.unit.id.is_foundation for d in item.drafts]
    return [d for draft in drafts for d in (draft, *(inner for _, inner in list_embedded(draft)))]


@pytest.mark.parametrize(("backend", "text"), CASES, ids=[name for name, _ in CASES])
def test_what_a_group_says_once_every_pod_of_it_has(backend, text):
    pods = [pod for draft in _drafts(text) for pod in _pods(plain(draft.tree))]
    assert pods
    for pod in pods:
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in (
            pod["tolerations"]
        )
        assert pod["nodeSelector"] == {"node.example/pool": "a100"}
        main = pod.get("model") or pod.get("container") or pod["containers"][0]
        assert {"name": "logs", "mountPath": "/logs"} in main["volumeMounts"]
        claims = [v["persistentVolumeClaim"]["claimName"] for v in _claims(pod)]
        assert {"name": "shared-models", "mountPath": "/models"} in main["volumeMounts"]
        assert claims == ["shared-models"] or "container" in pod  # Argo: on the whole Workflow
        sidecars = [c["name"] for c in pod.get("initContainers", ())]
        assert sidecars == ([] if backend.startswith("kubedl") else ["logs"])


@pytest.mark.parametrize(("backend", "text"), CASES, ids=[name for name, _ in CASES])
def test_every_object_and_pod_has_the_queue_and_the_pull_secret(backend, text):
    drafts = _drafts(text)
    for draft in drafts:
        labels = plain(draft.tree)["metadata"]["labels"]
        assert labels["kueue.x-k8s.io/queue-name"] == "team-a", draft.key
    whole = str([plain(draft.tree) for draft in drafts])
    assert "'imagePullSecrets': [{'name': 'registry'}]" in whole


def test_each_field_is_explained_by_its_line_of_the_group():
    lines = TEXT.splitlines()
    (deployment,) = [d for d in _drafts(_server("deployment")) if d.key.kind == "Deployment"]
    cited = {
        lines[leaf.origin.site.line - 1].strip()
        for leaf in list_leaves(deployment.tree)
        if isinstance(leaf, Value) and leaf.origin.site.file == FILE
    }
    assert "imagePullSecrets: [{name: registry}]" in cited
    assert "- name: logs" in cited
    assert "volumes: [{name: logs, emptyDir: {sizeLimit: 1Gi}}]" in cited
    assert any(line.startswith("tolerations:") for line in cited)
