"""What is drawn, held against the CRDs of the systems that it is drawn for.

For those who change a backend: RECONCILER_CRDS names a folder of CRD files. Users need none.
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from reconciler.objects.draft import seal
from reconciler.objects.key import split_version
from tests.developer.structural import mistakes
from tests.everything import everything
from tests.support import drawn, sample

CRDS = os.environ.get("RECONCILER_CRDS", "")
pytestmark = pytest.mark.skipif(not CRDS, reason="RECONCILER_CRDS names no folder of CRDs")

#: Older copies of the same kinds lie beside the full ones.
_LEFT_OUT = {"minimal", "helm-chart"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _bodies():
    """Every drawn object of both configs, and the jobs inside their pipelines."""
    for name, tree in (("sample", sample()), ("everything", everything())):
        for (unit, key), draft in drawn(tree).items():
            body = seal(draft).body
            yield f"{name}: {unit} {key}", body
            for template in (body.get("spec") or {}).get("templates", []):
                for variable in template.get("container", {}).get("env", []):
                    if variable["name"].startswith("MANIFEST_"):
                        job = json.loads(variable["value"])
                        yield f"{name}: {unit} {job['kind']}/{variable['name']}", job


BODIES = list(_bodies()) if CRDS else []


def _group(body):
    return split_version(body["apiVersion"])[0]


def _wanted():
    return {(_group(body), body["kind"]) for _, body in BODIES}


@pytest.fixture(scope="module")
def schemas():
    """(apiVersion, kind) → schema, of the kinds that are drawn: some files have megabytes."""
    kinds = {kind for _, kind in _wanted()}
    found = {}
    for path in sorted(Path(CRDS).rglob("*.yaml")):
        text = path.read_text()
        if _LEFT_OUT & set(path.parts) or not any(f"kind: {kind}\n" in text for kind in kinds):
            continue
        for crd in yaml.load_all(text, Loader=_LOADER):
            if not crd or crd.get("kind") != "CustomResourceDefinition":
                continue
            spec = crd["spec"]
            for version in spec["versions"]:
                name = f"{spec['group']}/{version['name']}"
                found[name, spec["names"]["kind"]] = version["schema"]["openAPIV3Schema"]
    return found


def test_every_drawn_object_of_a_custom_kind_is_valid(schemas):
    wrong, checked = [], set()
    for name, body in BODIES:
        schema = schemas.get((body["apiVersion"], body["kind"]))
        if schema is None:
            continue
        checked.add((body["apiVersion"], body["kind"]))
        wrong += [f"{name}: {mistake}" for mistake in mistakes(schema, body)]
    assert wrong == []
    assert checked >= {
        ("argoproj.io/v1alpha1", "WorkflowTemplate"),
        ("argoproj.io/v1alpha1", "CronWorkflow"),
        ("serving.kserve.io/v1beta1", "InferenceService"),
        ("serving.kubedl.io/v1alpha1", "Inference"),
        ("training.kubedl.io/v1alpha1", "TFJob"),
        ("kubeflow.org/v1", "PyTorchJob"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    }


def test_a_pod_template_is_what_a_full_pod_schema_takes(schemas):
    """Built-in kinds bring no CRD; the pod inside Kubeflow's has every field of a pod."""
    job = schemas["kubeflow.org/v1", "PyTorchJob"]["properties"]["spec"]["properties"]
    template = job["pytorchReplicaSpecs"]["additionalProperties"]["properties"]["template"]
    wrong, seen = [], set()
    for name, body in BODIES:
        if body["kind"] in ("Deployment", "Job"):
            seen.add(body["kind"])
            pod = body["spec"]["template"]
            wrong += [f"{name}: {mistake}" for mistake in mistakes(template, pod, "template")]
            selector = body["spec"].get("selector", {}).get("matchLabels", {})
            assert selector.items() <= pod["metadata"]["labels"].items(), name
    assert wrong == []
    assert seen == {"Deployment", "Job"}


_TOP = {
    "Deployment": {"replicas", "selector", "template"},
    "Job": {"backoffLimit", "activeDeadlineSeconds", "template", "completionMode", "completions"}
    | {"parallelism"},
    "Service": {"selector", "ports"},
    "ResourceQuota": {"hard"},
}


def test_built_in_kinds_have_known_fields_alone():
    for name, body in BODIES:
        if body["kind"] in _TOP:
            assert set(body["spec"]) <= _TOP[body["kind"]], name
            assert set(body) == {"apiVersion", "kind", "metadata", "spec"}, name
        if body["kind"] in ("Namespace", "ServiceAccount"):
            assert set(body) == {"apiVersion", "kind", "metadata"}, name


def test_the_validator_sees_mistakes():
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer"}, "b": {"enum": ["x"], "type": "string"}},
    }
    found = list(mistakes(schema, {"b": "y", "c": 1}))
    assert len(found) == 3, found
    assert list(mistakes(schema, {"a": "1"}))
    assert not list(mistakes(schema, {"a": 1, "b": "x"}))
