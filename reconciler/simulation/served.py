"""The kinds that the embedded cluster serves: the built-in API as a table, and the given custom
kinds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Kind
from reconciler.ports import Discovery, KindServed

__all__ = ["ServedKind", "list_served", "make_discovery"]


@dataclass(frozen=True, slots=True)
class ServedKind:
    """`status`: the kind has a status subresource. `counted`: the server keeps a generation."""

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


# One line per kind: group, version, Kind, plural, flags (c cluster-scoped, s status subresource,
# n no generation).
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
"""


def _built_in() -> Iterator[ServedKind]:
    for line in _TABLE.strip().splitlines():
        group, version, kind, plural, flags = line.split()
        group = "" if group == "-" else group
        yield ServedKind(
            GroupKind(group, kind),
            plural,
            version,
            "c" not in flags,
            "s" in flags,
            "n" not in flags,
        )


def list_served(
    kinds: Mapping[GroupKind, Kind], without: frozenset[str] = frozenset()
) -> dict[GroupKind, ServedKind]:
    """The built-in kinds and the custom ones of `kinds`. `without` names API groups to leave out,
    as on a cluster without their CRDs, or single kinds as `group/Kind`."""
    rows = {row.kind: row for row in _built_in()}
    for kind in kinds.values():
        row = ServedKind(
            kind.group_kind,
            kind.plural,
            kind.version,
            kind.namespaced,
            kind.has_status_subresource,
        )
        if not row.is_built_in and kind.version:
            rows[row.kind] = row
    return {
        kind: row
        for kind, row in rows.items()
        if kind.group not in without and f"{kind.group}/{kind.kind}" not in without
    }


def make_discovery(rows: Mapping[GroupKind, ServedKind]) -> Discovery:
    """The discovery of these kinds; it is always complete."""
    digest = hashlib.blake2b(repr(sorted(rows.items())).encode(), digest_size=8).hexdigest()
    kinds = {kind: KindServed(r.plural, r.version, r.namespaced) for kind, r in rows.items()}
    return Discovery(kinds, frozenset(), digest)
