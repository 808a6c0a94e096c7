"""What is known of each kind beforehand: plural, scope, wave, readiness rule's name, prune class.

The API server's discovery is the authority on plural and scope; this table serves offline runs,
the simulation and the decisions that no server can tell (wave, prune class).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from reconciler.objects.key import GroupKind

__all__ = ["FACTS", "KindFacts", "PruneClass", "Wave", "facts_of"]


class Wave(IntEnum):
    """Applied in this order, pruned in the reverse; health is awaited between waves."""

    DEFINITIONS = 0  # CRDs
    FOUNDATION = 1  # namespaces, quotas, accounts
    CONFIG = 2  # ConfigMaps, model versions, workflow templates
    WORKLOADS = 3  # what runs
    ROUTING = 4  # what sends traffic


class PruneClass(StrEnum):
    FREE = "free"  # deleted when no longer in Git
    SCHEDULE = "schedule"  # suspended first, deleted when no run is active
    STATEFUL = "stateful"  # never deleted by default
    PROTECTED = "protected"  # needs a recorded approval


@dataclass(frozen=True, slots=True)
class KindFacts:
    plural: str
    version: str
    wave: Wave
    namespaced: bool = True
    prune: PruneClass = PruneClass.FREE
    readiness: str = "kstatus"
    longest_suffix: int = 0  # what controllers append to the name, in characters
    longest_name: int = 253
    # Its name becomes a Service's: RFC 1035, so it begins with a letter and holds no dots.
    service_name: bool = False
    # A kind without a status subresource: status writes move its generation.
    has_status_subresource: bool = True


_F, _C, _W, _R = Wave.FOUNDATION, Wave.CONFIG, Wave.WORKLOADS, Wave.ROUTING

FACTS: dict[GroupKind, KindFacts] = {
    GroupKind("apiextensions.k8s.io", "CustomResourceDefinition"): KindFacts(
        "customresourcedefinitions", "v1", Wave.DEFINITIONS, False, PruneClass.PROTECTED, "crd"
    ),
    GroupKind("", "Namespace"): KindFacts(
        "namespaces", "v1", _F, False, PruneClass.PROTECTED, "namespace", longest_name=63
    ),
    GroupKind("", "ServiceAccount"): KindFacts("serviceaccounts", "v1", _F, readiness="exists"),
    GroupKind("", "ResourceQuota"): KindFacts("resourcequotas", "v1", _F, readiness="exists"),
    GroupKind("", "LimitRange"): KindFacts("limitranges", "v1", _F, readiness="exists"),
    GroupKind("rbac.authorization.k8s.io", "Role"): KindFacts(
        "roles", "v1", _F, readiness="exists"
    ),
    GroupKind("rbac.authorization.k8s.io", "RoleBinding"): KindFacts(
        "rolebindings", "v1", _F, readiness="exists"
    ),
    GroupKind("", "ConfigMap"): KindFacts("configmaps", "v1", _C, readiness="exists"),
    GroupKind("", "Secret"): KindFacts("secrets", "v1", _C, readiness="exists"),
    GroupKind("", "PersistentVolumeClaim"): KindFacts(
        "persistentvolumeclaims", "v1", _C, prune=PruneClass.STATEFUL, readiness="exists"
    ),
    GroupKind("model.kubedl.io", "Model"): KindFacts(
        "models", "v1alpha1", _C, prune=PruneClass.STATEFUL, readiness="exists"
    ),
    GroupKind("model.kubedl.io", "ModelVersion"): KindFacts(
        "modelversions",
        "v1alpha1",
        _C,
        prune=PruneClass.STATEFUL,
        readiness="modelversion",
        has_status_subresource=False,
    ),
    GroupKind("argoproj.io", "WorkflowTemplate"): KindFacts(
        "workflowtemplates", "v1alpha1", _C, readiness="exists", has_status_subresource=False
    ),
    GroupKind("argoproj.io", "CronWorkflow"): KindFacts(
        "cronworkflows",
        "v1alpha1",
        _W,
        prune=PruneClass.SCHEDULE,
        readiness="cronworkflow",
        longest_name=52,
        has_status_subresource=False,
    ),
    GroupKind("argoproj.io", "Workflow"): KindFacts(
        "workflows", "v1alpha1", _W, readiness="workflow", has_status_subresource=False
    ),
    GroupKind("batch", "CronJob"): KindFacts(
        "cronjobs", "v1", _W, prune=PruneClass.SCHEDULE, readiness="exists", longest_name=52
    ),
    GroupKind("batch", "Job"): KindFacts("jobs", "v1", _W, readiness="job", longest_name=63),
    GroupKind("training.kubedl.io", "TFJob"): KindFacts(
        "tfjobs",
        "v1alpha1",
        _W,
        readiness="training-job",
        longest_suffix=10,
        service_name=True,
        longest_name=63,
    ),
    GroupKind("kubeflow.org", "PyTorchJob"): KindFacts(
        "pytorchjobs",
        "v1",
        _W,
        readiness="training-job",
        longest_suffix=10,
        service_name=True,
        longest_name=63,
    ),
    GroupKind("serving.kubedl.io", "Inference"): KindFacts(
        "inferences",
        "v1alpha1",
        _W,
        readiness="inference",
        longest_suffix=10,
        service_name=True,
        longest_name=63,
    ),
    GroupKind("serving.kserve.io", "InferenceService"): KindFacts(
        "inferenceservices",
        "v1beta1",
        _W,
        readiness="inferenceservice",
        longest_suffix=10,
        service_name=True,
        longest_name=63,
    ),
    GroupKind("apps", "Deployment"): KindFacts(
        "deployments", "v1", _W, readiness="deployment", longest_suffix=17
    ),
    GroupKind("apps", "StatefulSet"): KindFacts(
        "statefulsets", "v1", _W, prune=PruneClass.STATEFUL, readiness="statefulset"
    ),
    GroupKind("autoscaling", "HorizontalPodAutoscaler"): KindFacts(
        "horizontalpodautoscalers", "v2", _W, readiness="exists"
    ),
    GroupKind("policy", "PodDisruptionBudget"): KindFacts(
        "poddisruptionbudgets", "v1", _W, readiness="exists"
    ),
    GroupKind("", "Service"): KindFacts(
        "services", "v1", _W, readiness="exists", service_name=True, longest_name=63
    ),
    GroupKind("gateway.networking.k8s.io", "HTTPRoute"): KindFacts(
        "httproutes", "v1", _R, readiness="httproute"
    ),
    GroupKind("networking.k8s.io", "NetworkPolicy"): KindFacts(
        "networkpolicies", "v1", _F, readiness="exists"
    ),
    GroupKind("monitoring.coreos.com", "ServiceMonitor"): KindFacts(
        "servicemonitors", "v1", _W, readiness="exists"
    ),
    GroupKind("external-secrets.io", "ExternalSecret"): KindFacts(
        "externalsecrets", "v1", _C, readiness="kstatus"
    ),
    GroupKind("coordination.k8s.io", "Lease"): KindFacts("leases", "v1", _C, readiness="exists"),
}

_UNKNOWN_KIND = KindFacts("", "", _W)


def facts_of(kind: GroupKind) -> KindFacts:
    """The facts of a kind; for one that is not in the table, a workload under kstatus rules whose
    plural discovery must tell."""
    return FACTS.get(kind, _UNKNOWN_KIND)
