"""The kinds that the embedded cluster serves: its discovery, as a static table.

`status` says whether the kind has a status subresource, `counted` whether the server keeps a
generation for it. Source: the built-in API and each project's CustomResourceDefinitions; Argo's
kinds, KubeDL's ModelVersion and the reference grants have no status subresource.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.objects.key import GroupKind
from reconciler.ports import Discovery, KindServed

__all__ = ["Served", "discovery", "served"]


@dataclass(frozen=True, slots=True)
class Served:
    kind: GroupKind
    plural: str
    version: str
    namespaced: bool = True
    status: bool = False
    counted: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version

    @property
    def is_built_in(self) -> bool:
        group = self.kind.group
        return "." not in group or (group.endswith(".k8s.io") and not group.startswith("gateway."))


# One line a kind: group version Kind plural, then flags: c cluster-scoped, s status subresource,
# n no generation.
_TABLE = """
- v1 Namespace namespaces csn
- v1 ConfigMap configmaps n
- v1 Secret secrets n
- v1 Service services sn
- v1 ServiceAccount serviceaccounts n
- v1 ResourceQuota resourcequotas sn
- v1 LimitRange limitranges n
- v1 PersistentVolumeClaim persistentvolumeclaims sn
- v1 Event events n
- v1 Pod pods s
apps v1 Deployment deployments s
apps v1 StatefulSet statefulsets s
batch v1 Job jobs s
batch v1 CronJob cronjobs s
rbac.authorization.k8s.io v1 Role roles n
rbac.authorization.k8s.io v1 RoleBinding rolebindings n
networking.k8s.io v1 NetworkPolicy networkpolicies -
networking.k8s.io v1 Ingress ingresses s
policy v1 PodDisruptionBudget poddisruptionbudgets s
autoscaling v2 HorizontalPodAutoscaler horizontalpodautoscalers sn
coordination.k8s.io v1 Lease leases n
apiextensions.k8s.io v1 CustomResourceDefinition customresourcedefinitions cs
admissionregistration.k8s.io v1 ValidatingAdmissionPolicy validatingadmissionpolicies cs
admissionregistration.k8s.io v1 ValidatingAdmissionPolicyBinding \
validatingadmissionpolicybindings c
argoproj.io v1alpha1 Workflow workflows -
argoproj.io v1alpha1 WorkflowTemplate workflowtemplates -
argoproj.io v1alpha1 CronWorkflow cronworkflows -
argoproj.io v1alpha1 ClusterWorkflowTemplate clusterworkflowtemplates c
kubeflow.org v1 PyTorchJob pytorchjobs s
kubeflow.org v1 TFJob tfjobs s
kubeflow.org v1 MPIJob mpijobs s
kubeflow.org v1 XGBoostJob xgboostjobs s
kubeflow.org v1 PaddleJob paddlejobs s
training.kubedl.io v1alpha1 TFJob tfjobs s
training.kubedl.io v1alpha1 PyTorchJob pytorchjobs s
training.kubedl.io v1alpha1 XGBoostJob xgboostjobs s
training.kubedl.io v1alpha1 XDLJob xdljobs s
training.kubedl.io v1alpha1 MPIJob mpijobs s
training.kubedl.io v1alpha1 MarsJob marsjobs s
training.kubedl.io v1alpha1 ElasticDLJob elasticdljobs s
apps.kubedl.io v1alpha1 Cron crons s
model.kubedl.io v1alpha1 Model models s
model.kubedl.io v1alpha1 ModelVersion modelversions -
serving.kubedl.io v1alpha1 Inference inferences s
serving.kserve.io v1beta1 InferenceService inferenceservices s
serving.kserve.io v1alpha1 ServingRuntime servingruntimes -
serving.kserve.io v1alpha1 InferenceGraph inferencegraphs s
gateway.networking.k8s.io v1 HTTPRoute httproutes s
gateway.networking.k8s.io v1 Gateway gateways s
gateway.networking.k8s.io v1 GatewayClass gatewayclasses cs
gateway.networking.k8s.io v1beta1 ReferenceGrant referencegrants -
monitoring.coreos.com v1 ServiceMonitor servicemonitors s
monitoring.coreos.com v1 PodMonitor podmonitors s
monitoring.coreos.com v1 PrometheusRule prometheusrules s
external-secrets.io v1 ExternalSecret externalsecrets s
"""


def _rows() -> Iterator[Served]:
    for line in _TABLE.strip().splitlines():
        group, version, kind, plural, flags = line.split()
        group = "" if group == "-" else group
        yield Served(
            GroupKind(group, kind),
            plural,
            version,
            "c" not in flags,
            "s" in flags,
            "n" not in flags,
        )


@functools.cache
def served(without: frozenset[str] = frozenset()) -> dict[GroupKind, Served]:
    """The table by kind. `without` leaves API groups out, as on a cluster that lacks their CRDs;
    `group/Kind` leaves one kind out."""
    return {
        row.kind: row
        for row in _rows()
        if row.kind.group not in without and f"{row.kind.group}/{row.kind.kind}" not in without
    }


@functools.cache
def discovery(without: frozenset[str] = frozenset()) -> Discovery:
    """What a client's discovery sees, always complete."""
    rows = served(without)
    digest = hashlib.blake2b(repr(sorted(rows.items())).encode(), digest_size=8).hexdigest()
    kinds = {kind: KindServed(r.plural, r.version, r.namespaced) for kind, r in rows.items()}
    return Discovery(kinds, frozenset(), digest)
