"""What the pods of KubeDL's kinds cannot have: its CRDs hold the pod schema of Kubernetes 1.22, and
the API server refuses every later field. A test compares this table with the CRDs."""

from __future__ import annotations

__all__ = ["LACKS"]

LACKS = frozenset(
    {
        ("Container", "resizePolicy"),
        ("Container", "restartPolicy"),
        ("Container", "restartPolicyRules"),
        ("EnvVarSource", "fileKeyRef"),
        ("Lifecycle", "stopSignal"),
        ("LifecycleHandler", "sleep"),
        ("PersistentVolumeClaimSpec", "volumeAttributesClassName"),
        ("PodAffinityTerm", "matchLabelKeys"),
        ("PodAffinityTerm", "mismatchLabelKeys"),
        ("PodSecurityContext", "appArmorProfile"),
        ("PodSecurityContext", "seLinuxChangePolicy"),
        ("PodSecurityContext", "supplementalGroupsPolicy"),
        ("PodSpec", "hostUsers"),
        ("PodSpec", "hostnameOverride"),
        ("PodSpec", "os"),
        ("PodSpec", "resourceClaims"),
        ("PodSpec", "resources"),
        ("PodSpec", "schedulingGates"),
        ("PodSpec", "schedulingGroup"),
        ("Probe", "grpc"),
        ("ResourceRequirements", "claims"),
        ("SecurityContext", "appArmorProfile"),
        ("TopologySpreadConstraint", "matchLabelKeys"),
        ("TopologySpreadConstraint", "minDomains"),
        ("TopologySpreadConstraint", "nodeAffinityPolicy"),
        ("TopologySpreadConstraint", "nodeTaintsPolicy"),
        ("TypedObjectReference", "namespace"),
        ("Volume", "image"),
        ("VolumeMount", "recursiveReadOnly"),
        ("VolumeProjection", "clusterTrustBundle"),
        ("VolumeProjection", "podCertificate"),
    }
)
