"""KServe 0.20."""

from __future__ import annotations

import reconciler
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.kind import Body, Kind, Readiness, Wave
from reconciler.objects.listkeys import POD_LISTS
from reconciler.objects.status import (
    READY,
    always_ready,
    condition,
    condition_text,
    count_of,
    failed,
    kstatus,
    mapping_of,
    progressing,
    status_of,
    text_of,
)

__all__ = ["KINDS"]

_GROUP = "serving.kserve.io"
#: The lists that KServe's CRDs give keys to. The CRDs give none to `containers` and `volumes`, so
#: the server replaces these as a whole.
_LISTS = {
    name: POD_LISTS[name]
    for name in (
        *("env", "ports", "claims", "volumeDevices", "volumeMounts", "resourceClaims"),
        *("schedulingGates", "topologySpreadConstraints"),
    )
}


#: The annotation of the predictor that KServe copies to the pods: a digest of what is drawn.
_CONTENT = f"{reconciler.API_DOMAIN}/content"


def _inference_service(body: Body) -> Readiness:
    # KServe copies observedGeneration from a child object, so it says nothing about this one.
    status = status_of(body)
    model = mapping_of(status, "modelStatus")
    reason = text_of(mapping_of(model, "lastFailureInfo"), "reason")
    transition = text_of(model, "transitionStatus")
    if transition == "InvalidSpec":
        return failed(reason or transition)
    if transition == "BlockedByFailedLoad":
        # One failed attempt of a container gives this: the next may succeed.
        return progressing(reason or transition)
    if condition(status, "Ready") != "True":
        # The reason is PredictorReady's; Ready speaks of the ingress.
        texts = (condition_text(status, kind) for kind in ("PredictorReady", "Ready"))
        return progressing(next((text for text in texts if text), "not ready yet"))
    return READY


def _child(body: Body) -> ObjectKey:
    metadata = body.get("metadata") or {}
    name = f"{metadata.get('name')}-predictor"
    return ObjectKey("apps", "Deployment", str(metadata.get("namespace", "")), name)


def _lags(body: Body, child: Body) -> str:
    """Why the Deployment is not what the InferenceService asks for: KServe has not changed it yet,
    or an autoscaler has not lifted its replicas."""
    predictor = mapping_of(mapping_of(body, "spec"), "predictor")
    spec = mapping_of(child, "spec")
    pod = mapping_of(mapping_of(spec, "template"), "metadata")
    wanted = mapping_of(predictor, "annotations").get(_CONTENT)
    if wanted is not None and mapping_of(pod, "annotations").get(_CONTENT) != wanted:
        return "KServe has not changed its Deployment yet"
    replicas, asked = count_of(spec, "replicas", 1), count_of(predictor, "minReplicas", 1)
    return f"its Deployment has {replicas} of {asked} replicas" if replicas < asked else ""


KINDS = (
    Kind(
        GroupKind(_GROUP, "InferenceService"),
        "inferenceservices",
        "v1beta1",
        _inference_service,
        list_keys=_LISTS,
        longest_name=63,
        longest_suffix=10,
        service_name=True,
        child=_child,
        lags=_lags,
    ),
    Kind(
        GroupKind(_GROUP, "ServingRuntime"),
        "servingruntimes",
        "v1alpha1",
        always_ready,
        Wave.CONFIG,
        list_keys=_LISTS,
        has_status_subresource=False,
        ready_at_once=True,
    ),
    Kind(GroupKind(_GROUP, "InferenceGraph"), "inferencegraphs", "v1alpha1", kstatus),
)
