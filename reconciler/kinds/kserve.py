"""KServe 0.20."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Body, Kind, Readiness, Wave
from reconciler.objects.listkeys import POD_LISTS
from reconciler.objects.status import (
    READY,
    always_ready,
    condition,
    condition_text,
    failed,
    kstatus,
    progressing,
    status_of,
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


def _inference_service(body: Body) -> Readiness:
    # KServe copies observedGeneration from a child object, so it says nothing about this one.
    status = status_of(body)
    model = status.get("modelStatus") or {}
    if model.get("transitionStatus") in ("BlockedByFailedLoad", "InvalidSpec"):
        reason = (model.get("lastFailureInfo") or {}).get("reason") or model["transitionStatus"]
        return failed(str(reason))
    if condition(status, "Ready") == "True":
        return READY
    return progressing(condition_text(status, "Ready") or "not ready yet")


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
