"""The built-in kinds of Kubernetes that an app or the program itself may use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.objects.job import job_readiness
from reconciler.objects.key import GroupKind
from reconciler.objects.kind import (
    Body,
    JobKind,
    JobPhase,
    JobState,
    Kind,
    PruneClass,
    Readiness,
    Wave,
)
from reconciler.objects.listkeys import POD_LISTS
from reconciler.objects.status import (
    READY,
    always_ready,
    condition,
    condition_text,
    count_of,
    failed,
    is_observed,
    kstatus,
    mapping_of,
    progressing,
    status_of,
    text_of,
    time_of,
)

__all__ = ["KINDS"]


def _definition(body: Body) -> Readiness:
    status = status_of(body)
    if condition(status, "NamesAccepted") == "False":
        return failed(condition_text(status, "NamesAccepted"))
    if condition(status, "Established") == "True":
        return READY
    return progressing("not established")


def _namespace(body: Body) -> Readiness:
    phase = text_of(status_of(body), "phase") or "Active"
    return READY if phase == "Active" else progressing(phase)


def _deployment(body: Body) -> Readiness:
    spec, status = mapping_of(body, "spec"), status_of(body)
    if condition(status, "Progressing") == "False":
        return failed(condition_text(status, "Progressing") or "deadline exceeded")
    wanted = count_of(spec, "replicas", 1)
    if not status or not is_observed(body) or status.get("observedGeneration") is None:
        return progressing(f"0 of {wanted} ready")
    updated, ready = count_of(status, "updatedReplicas"), count_of(status, "readyReplicas")
    if updated < wanted or ready < wanted or count_of(status, "replicas") > updated:
        return progressing(f"{min(ready, updated)} of {wanted} ready")
    return READY


def _stateful_set(body: Body) -> Readiness:
    spec, status = mapping_of(body, "spec"), status_of(body)
    wanted, ready = count_of(spec, "replicas", 1), count_of(status, "readyReplicas")
    if not status or not is_observed(body) or status.get("observedGeneration") is None:
        return progressing(f"0 of {wanted} ready")
    if ready >= wanted and count_of(status, "updatedReplicas", wanted) >= wanted:
        return READY
    return progressing(f"{ready} of {wanted} ready")


def _job_state(body: Body) -> JobState:
    status = status_of(body)
    suspended = condition(status, "Suspended") == "True"
    started = time_of(status.get("startTime"))
    ended = time_of(status.get("completionTime"))
    if condition(status, "Failed") == "True":
        return JobState(JobPhase.FAILED, condition_text(status, "Failed"), started, ended)
    if condition(status, "Complete") == "True":
        return JobState(JobPhase.SUCCEEDED, condition_text(status, "Complete"), started, ended)
    phase = JobPhase.RUNNING if count_of(status, "active") else JobPhase.PENDING
    return JobState(phase, "", started, None, suspended)


def _job_chief(body: Body) -> Mapping[str, str]:
    return {"batch.kubernetes.io/job-name": str((body.get("metadata") or {}).get("name", ""))}


def _job_roles(body: Body) -> Mapping[str, int]:
    wanted = (body.get("spec") or {}).get("parallelism", 1)
    return {"Worker": wanted if isinstance(wanted, int) else 1}


_JOB = JobKind(_job_state, _job_chief, _job_roles)
_F, _C, _W = Wave.FOUNDATION, Wave.CONFIG, Wave.WORKLOADS


def _plain(group: str, version: str, rows: str, wave: Wave) -> Iterator[Kind]:
    """Kinds that are ready when they exist. `rows` holds pairs of words: `Kind plural`."""
    words = rows.split()
    for name, plural in zip(words[::2], words[1::2], strict=True):
        key = GroupKind(group, name)
        yield Kind(key, plural, version, always_ready, wave, ready_at_once=True)


def _cluster_scoped(group: str, version: str, rows: str, wave: Wave) -> Iterator[Kind]:
    """Cluster-scoped kinds that are ready when they exist. `rows` as in `_plain`."""
    for kind in _plain(group, version, rows, wave):
        yield replace(kind, namespaced=False)


def _workload(group: str, name: str, plural: str, **facts: Any) -> Kind:
    return Kind(GroupKind(group, name), plural, "v1", list_keys=POD_LISTS, **facts)


KINDS = (
    Kind(
        GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"),
        "customresourcedefinitions",
        "v1",
        _definition,
        Wave.DEFINITIONS,
        namespaced=False,
        prune=PruneClass.PROTECTED,
    ),
    Kind(
        GroupKind("", "Namespace"),
        "namespaces",
        "v1",
        _namespace,
        _F,
        namespaced=False,
        prune=PruneClass.PROTECTED,
        longest_name=63,
    ),
    *_plain("", "v1", "ResourceQuota resourcequotas LimitRange limitranges", _F),
    Kind(
        GroupKind("", "ServiceAccount"),
        "serviceaccounts",
        "v1",
        always_ready,
        _F,
        list_keys={"secrets": ("name",)},
        ready_at_once=True,
    ),
    *_plain("rbac.authorization.k8s.io", "v1", "Role roles RoleBinding rolebindings", _F),
    *_plain("networking.k8s.io", "v1", "NetworkPolicy networkpolicies", _F),
    *_plain("", "v1", "ConfigMap configmaps Secret secrets", _C),
    *_plain("coordination.k8s.io", "v1", "Lease leases", _C),
    *_plain("", "v1", "Event events", _C),
    Kind(
        GroupKind("", "PersistentVolumeClaim"),
        "persistentvolumeclaims",
        "v1",
        always_ready,
        _C,
        prune=PruneClass.STATEFUL,
        ready_at_once=True,
    ),
    Kind(
        GroupKind("batch", "CronJob"),
        "cronjobs",
        "v1",
        always_ready,
        _W,
        prune=PruneClass.SCHEDULE,
        list_keys=POD_LISTS,
        longest_name=52,
        ready_at_once=True,
    ),
    _workload(
        "batch",
        "Job",
        "jobs",
        ready=job_readiness(_JOB),
        prune=PruneClass.RUN,
        longest_name=63,
        job=_JOB,
    ),
    _workload("", "Pod", "pods", ready=kstatus),
    _workload("apps", "Deployment", "deployments", ready=_deployment, longest_suffix=17),
    _workload(
        "apps", "StatefulSet", "statefulsets", ready=_stateful_set, prune=PruneClass.STATEFUL
    ),
    Kind(
        GroupKind("autoscaling", "HorizontalPodAutoscaler"),
        "horizontalpodautoscalers",
        "v2",
        always_ready,
        _W,
        ready_at_once=True,
        scales=True,
    ),
    *_plain("policy", "v1", "PodDisruptionBudget poddisruptionbudgets", _W),
    Kind(
        GroupKind("", "Service"),
        "services",
        "v1",
        always_ready,
        _W,
        list_keys={"ports": ("port", "protocol")},
        longest_name=63,
        service_name=True,
        ready_at_once=True,
    ),
    *_plain("networking.k8s.io", "v1", "Ingress ingresses", _W),
    *_cluster_scoped(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRole clusterroles ClusterRoleBinding clusterrolebindings",
        _F,
    ),
    *_cluster_scoped("storage.k8s.io", "v1", "StorageClass storageclasses", _F),
    *_cluster_scoped("scheduling.k8s.io", "v1", "PriorityClass priorityclasses", _F),
    *_cluster_scoped("apiregistration.k8s.io", "v1", "APIService apiservices", _W),
    *_cluster_scoped("", "v1", "Node nodes PersistentVolume persistentvolumes", _C),
    *_cluster_scoped(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingAdmissionPolicy validatingadmissionpolicies "
        "ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings "
        "ValidatingWebhookConfiguration validatingwebhookconfigurations "
        "MutatingWebhookConfiguration mutatingwebhookconfigurations",
        _W,
    ),
)
