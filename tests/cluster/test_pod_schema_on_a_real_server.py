"""The schema of pods is the one that the real server publishes, and what a kind lacks of it is what
its CRD lacks."""

import pytest

from reconciler import kinds
from reconciler.apps import overlays
from reconciler.apps import pod_schema as apps_pod_schema
from reconciler.backends import contract
from reconciler.objects.key import GroupKind
from tests import pod_schema
from tests.controlplane import definitions


def test_the_schema_of_pods_is_the_servers(real_cluster):
    assert pod_schema.text(pod_schema.published(real_cluster)) == pod_schema.FILE.read_text()


#: Backend → the kind whose schema it must know, and where the pod stands in it.
KINDS = {
    "kubedl-tfjob": ("training.kubedl.io", "TFJob", "tfReplicaSpecs * template spec"),
    "kubeflow-pytorchjob": ("kubeflow.org", "PyTorchJob", "pytorchReplicaSpecs * template spec"),
    "kubedl": ("serving.kubedl.io", "Inference", "predictors [] template spec"),
    "kserve": ("serving.kserve.io", "InferenceService", "predictor"),
}
#: The program draws none of them.
_NEVER = {"EphemeralContainer", "ObjectMeta"}


def _lacking(known, schema):
    """The (record, field) of a pod that a schema has not."""
    if known.what in ("list", "map"):
        inner = schema.get("items" if known.what == "list" else "additionalProperties")
        yield from _lacking(known.item, inner) if isinstance(inner, dict) else ()
    if known.what != "record" or known.record in _NEVER or "properties" not in schema:
        return
    for name, inner in apps_pod_schema.fields_of(known.record).items():
        if name not in schema["properties"]:
            yield known.record, name
        else:
            yield from _lacking(inner, schema["properties"][name])


@pytest.mark.parametrize("backend", KINDS)
def test_a_backend_knows_what_the_schema_of_its_kind_lacks(backend):
    group, kind, path = KINDS[backend]
    wanted = GroupKind(group, kind)
    found = definitions.found([wanted])
    if wanted not in found.definitions:
        pytest.skip(f"no {kind}: {found.absent[wanted]}")
    versions = found.definitions[wanted]["spec"]["versions"]
    served = next(v for v in versions if v["name"] == kinds.find(wanted).version)
    schema = served["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for step in path.split():
        inner = {"*": "additionalProperties", "[]": "items"}.get(step)
        schema = schema[inner] if inner else schema["properties"][step]
    lacking = {
        (record, field)
        for record, field in _lacking(apps_pod_schema.Type("record", "PodSpec"), schema)
        if record != "PodSpec" or field not in overlays.POD_OWNED
    }
    frameworks = contract.list_names("framework")
    find = contract.find_framework if backend in frameworks else contract.find_serving
    assert lacking == find(backend).lacks
