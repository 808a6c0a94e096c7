"""Reports every object healthy, in the stead of controllers that do not run here."""

import contextlib

import orjson
import pytest

from reconciler.adapters.clock import SystemClock
from reconciler.adapters.kubernetes.cluster import KubernetesCluster
from reconciler.objects.key import GroupKind
from reconciler.ports import ClusterUnreadable
from tests.controlplane.fixtures import client
from tests.controlplane.plane import OWN_USER


def _deployment(body):
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    return {
        "observedGeneration": body["metadata"]["generation"],
        **dict.fromkeys(counts, body["spec"].get("replicas", 1)),
        "conditions": [{"type": "Available", "status": "True"}],
    }


def _inferenceservice(_body):
    return {"conditions": [{"type": "Ready", "status": "True"}]}


def _predictor(body):
    """The Deployment that KServe makes of an InferenceService. It copies the labels of the service
    to the Deployment, and the annotations of the predictor to the pods."""
    metadata, predictor = body["metadata"], body["spec"]["predictor"]
    name = f"{metadata['name']}-predictor"
    app = {"app": name}
    owner = {
        "apiVersion": body["apiVersion"],
        "kind": body["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": metadata.get("labels", {}),
            "ownerReferences": [owner],
        },
        "spec": {
            "replicas": predictor.get("minReplicas", 1),
            "selector": {"matchLabels": app},
            "template": {
                "metadata": {"labels": app, "annotations": predictor.get("annotations", {})},
                "spec": {"containers": [{"name": "server", "image": "example.org/server:1"}]},
            },
        },
    }


def _is_alike(live, wanted):
    pods = live["template"]["metadata"].get("annotations", {})
    return (
        live["replicas"] == wanted["replicas"]
        and pods == wanted["template"]["metadata"]["annotations"]
    )


def _make_children(cluster):
    """Does KServe's part: makes and changes the Deployments of its services."""
    for seen in cluster.list(GroupKind("serving.kserve.io", "InferenceService")).items:
        kind = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}
        wanted = _predictor({**seen.body, **kind})
        place = f"/apis/apps/v1/namespaces/{seen.key.namespace}/deployments"
        path = f"{place}/{wanted['metadata']['name']}"
        found = cluster._transport.request("GET", path)
        live = orjson.loads(found.data) if found.status == 200 else None
        if live is not None and _is_alike(live["spec"], wanted["spec"]):
            continue
        answer = cluster._transport.request(
            "PATCH",
            path,
            [("fieldManager", "kserve"), ("force", "true")],
            orjson.dumps(wanted),
            (("Content-Type", "application/apply-patch+yaml"),),
        )
        assert answer.status in (200, 201, 403, 404), answer


def _inference(body):
    return {
        "predictorStatuses": [
            {
                "name": one["name"],
                "replicas": one.get("replicas", 1),
                "readyReplicas": one.get("replicas", 1),
                "endpoint": "e",
            }
            for one in body["spec"]["predictors"]
        ]
    }


def _httproute(body):
    generation = body["metadata"]["generation"]
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": kind,
            "message": "",
            "observedGeneration": generation,
            "lastTransitionTime": body["metadata"]["creationTimestamp"],
        }
        for kind in ("Accepted", "ResolvedRefs")
    ]
    return {
        "parents": [
            {"parentRef": parent, "controllerName": "example.org/test", "conditions": conditions}
            for parent in body["spec"]["parentRefs"]
        ]
    }


def _modelversion(body):
    return {
        "imageBuildPhase": "ImageBuildSucceeded",
        "image": f"{body['spec']['imageRepo']}:{body['metadata']['uid'][:5]}",
        "message": "",
    }


#: kind → (its status, whether it is a subresource).
_RULES = {
    GroupKind("apps", "Deployment"): (_deployment, True),
    GroupKind("serving.kserve.io", "InferenceService"): (_inferenceservice, True),
    GroupKind("serving.kubedl.io", "Inference"): (_inference, True),
    GroupKind("gateway.networking.k8s.io", "HTTPRoute"): (_httproute, True),
    GroupKind("model.kubedl.io", "ModelVersion"): (_modelversion, False),
}


def report(cluster: KubernetesCluster, kinds=tuple(_RULES)):
    """One look at all objects of these kinds; a write where the status is not the healthy one."""
    served = cluster.discover().kinds
    if GroupKind("serving.kserve.io", "InferenceService") in served:
        _make_children(cluster)
    for kind in kinds:
        if kind not in served:
            continue
        rule, apart = _RULES[kind]
        for seen in cluster.list(kind).items:
            status, body = rule(seen.body), seen.body
            if all((body.get("status") or {}).get(name) == status[name] for name in status):
                continue
            path = (
                f"/apis/{kind.group}/{served[kind].version}/namespaces/{seen.key.namespace}/"
                f"{served[kind].plural}/{seen.key.name}{'/status' if apart else ''}"
            )
            answer = cluster._transport.request(
                "PATCH",
                path,
                [("fieldManager", "controller")],
                orjson.dumps({"status": status}),
                (("Content-Type", "application/merge-patch+json"),),
            )
            # It may have gone since it was listed.
            assert answer.status in (200, 404), answer


@contextlib.contextmanager
def reported(plane):
    """While it lasts, whoever waits in this process finds all healthy when it looks again. The
    audit log leaves these writes out."""
    cluster = client(plane, OWN_USER)

    def sleep(_clock, _seconds):
        # A test may have stopped the server meanwhile.
        with contextlib.suppress(ClusterUnreadable):
            report(cluster)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "sleep", sleep)
        yield
    cluster.close()
