"""A status is what another program wrote: whatever its shape, reading it never crashes, and an
object is never ready because of a field that has the wrong type or is of an earlier generation."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import kinds
from reconciler.objects.key import GroupKind
from reconciler.objects.kind import ReadinessState
from reconciler.objects.observed import live_object
from reconciler.objects.status import UNREADABLE

KNOWN = sorted(kinds.known().items())
GENERATION = 4


def true(*types):
    return [
        {"type": kind, "status": "True", "observedGeneration": GENERATION, "message": "m"}
        for kind in types
    ]


def replicas(role="Master"):
    return {role: {"replicas": 1}}


READY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Deployment": (
        {"replicas": 2},
        {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2,
         "conditions": true("Available", "Progressing")},
    ),
    "StatefulSet": (
        {"replicas": 2}, {"observedGeneration": 4, "readyReplicas": 2, "updatedReplicas": 2}
    ),
    "Namespace": ({}, {"phase": "Active"}),
    "CustomResourceDefinition": ({}, {"conditions": true("Established", "NamesAccepted")}),
    "Job": ({}, {"conditions": true("Complete"), "active": 0}),
    "Workflow": ({}, {"phase": "Succeeded", "message": "done"}),
    "CronWorkflow": ({}, {"conditions": []}),
    "ModelVersion": ({}, {"imageBuildPhase": "ImageBuildSucceeded", "image": "a:b"}),
    "Inference": (
        {"predictors": [{"name": "p", "replicas": 2}]},
        {"predictorStatuses": [{"name": "p", "readyReplicas": 2}]},
    ),
    "InferenceService": (
        {"predictor": {"minReplicas": 1}},
        {"conditions": true("Ready", "PredictorReady"),
         "modelStatus": {"transitionStatus": "UpToDate", "lastFailureInfo": {"reason": ""}}},
    ),
    **dict.fromkeys(
        ("HTTPRoute", "GRPCRoute"),
        (
            {"parentRefs": [{"name": "gw"}]},
            {"parents": [{"parentRef": {"name": "gw"}, "controllerName": "c",
                          "conditions": true("Accepted", "ResolvedRefs")}]},
        ),
    ),
}  # fmt: skip
GENERAL = ({}, {"observedGeneration": 4, "conditions": true("Ready")})
JOB = ({"tfReplicaSpecs": replicas()}, {"conditions": true("Succeeded")})

GARBAGE = [None, "x", "", 7, -1, 2**70, 1.5, True, [], ["x"], [None], [[]], {}, {"x": "y"}]


def body_of(group_kind, kind):
    if kind.job is not None and group_kind.group != "batch" and group_kind.kind != "Workflow":
        spec, status = JOB
    else:
        spec, status = READY.get(group_kind.kind, GENERAL)
    return copy.deepcopy(
        {
            "apiVersion": f"{group_kind.group}/{kind.version}".lstrip("/"),
            "kind": group_kind.kind,
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": GENERATION},
            "spec": spec,
            "status": status,
        }
    )


def paths_in(node, path=()):
    yield path
    if isinstance(node, dict):
        for key, child in node.items():
            yield from paths_in(child, (*path, key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from paths_in(child, (*path, index))


def with_value(body, path, value):
    body = copy.deepcopy(body)
    node = body
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return body


def readiness(body):
    return kinds.readiness(live_object(body))


CASES = [
    (group_kind, kind)
    for group_kind, kind in KNOWN
    if readiness(body_of(group_kind, kind)).is_ready
]
WITH_READER = [(g, k) for g, k in CASES if not k.ready_at_once]

#: The kinds whose controllers write the generation that they have observed.
DATED = [(g, k) for g, k in WITH_READER if '"observedGeneration"' in json.dumps(body_of(g, k))]


def is_read(body, path):
    """Whether readiness depends on what stands at a path: some value of a right type, or its
    absence, makes the object not ready."""
    for value in ("False", "x", 0, 99, [], {}):
        found = readiness(with_value(body, path, value))
        if found.state in (ReadinessState.PROGRESSING, ReadinessState.FAILED):
            return True
    return False


def test_each_kind_with_a_reader_has_a_body_that_is_ready():
    assert {g for g, k in KNOWN if not k.ready_at_once} == {g for g, _ in WITH_READER}


@pytest.mark.parametrize(("group_kind", "kind"), CASES, ids=[str(g) for g, _ in CASES])
def test_a_field_of_a_wrong_type_never_makes_an_object_ready(group_kind, kind):
    body = body_of(group_kind, kind)
    for path in paths_in(body["status"], ("status",)):
        dependent = is_read(body, path)
        now = body
        for step in path:
            now = now[step]
        for value in GARBAGE:
            if value == now or type(value) is type(now) or value is None:
                continue
            found = readiness(with_value(body, path, value))
            assert not (found.is_ready and dependent), (path, value, found)


@pytest.mark.parametrize(("group_kind", "kind"), DATED, ids=[str(g) for g, _ in DATED])
def test_a_condition_of_an_earlier_generation_makes_no_object_ready(group_kind, kind):
    text = json.dumps(body_of(group_kind, kind))
    older = json.loads(text.replace('"observedGeneration": 4', '"observedGeneration": 3'))
    if group_kind.kind == "InferenceService":
        # KServe writes the generation of a child object.
        older["status"]["conditions"][0]["observedGeneration"] = 3
    assert not readiness(older).is_ready


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
def test_reading_a_live_body_of_any_shape_never_crashes(data):
    group_kind, kind = data.draw(st.sampled_from(CASES))
    body = body_of(group_kind, kind)
    places = [p for p in paths_in(body) if len(p) > 1 or p in (("spec",), ("status",))]
    place = data.draw(st.sampled_from([p for p in places if p[0] in ("spec", "status")]))
    broken = with_value(body, place, data.draw(JSON))
    live = live_object(broken)
    assert kinds.readiness(live).state in ReadinessState
    kinds.is_active_run(live)
    if kind.job is not None:
        for read in (kind.job.state, kind.job.roles, kind.job.chief):
            try:
                read(broken)
            except UNREADABLE:
                continue


def test_a_wrong_type_is_named():
    group_kind = GroupKind("apps", "Deployment")
    body = body_of(group_kind, kinds.find(group_kind))
    for change, text in (
        ({"status": "text"}, "its status is a text"),
        ({"status": {"observedGeneration": "x"}}, "its observedGeneration is a text"),
        ({"status": {"conditions": {}}}, "its conditions is a map"),
    ):
        found = readiness({**body, **change})
        assert found.state is ReadinessState.UNKNOWN
        assert text in found.text


def test_a_long_message_is_cut_behind_a_whole_word():
    group_kind = GroupKind("apps", "Deployment")
    body = body_of(group_kind, kinds.find(group_kind))
    body["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "message": "word " * 60_000 + "x" * 300_000}
    ]
    assert len(readiness(body).text) <= 1002
    body["status"]["conditions"][0]["message"] = "x" * 300_000
    assert readiness(body).text == "…"
