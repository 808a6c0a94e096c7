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
