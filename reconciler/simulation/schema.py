"""The shapes of objects, as far as merging and validation need them.

A shape says how a value merges (granular map, atomic, list by keys, set) and, for built-in kinds,
which fields and scalar types exist: server-side apply refuses other fields before any other check.
Custom resources have no schema and atomic lists, like a CRD without list markers.
Source: the list and map markers of Kubernetes' own API types (OpenAPI, 1.36).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from reconciler.objects.key import GroupKind

__all__ = ["ANY", "KEY_DEFAULTS", "SERVER_OWNED", "Shape", "shape_of"]

#: Metadata that only the server writes; values from a client are dropped.
SERVER_OWNED = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The shape of one value. `what` is any, struct, open (a struct that allows other fields too),
    map, atomic, keyed (a list by `keys`), set, or a scalar: str, int, bool, intstr (integer or
    text), num-or-str (a quantity), bytes (base64).
    """

    what: str
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    keys: tuple[str, ...] = ()
    #: Whether the node itself can be absent, and so has its own owner. A node that is not optional
    #: exists, although empty, also when nobody gave it.
    optional: bool = True

    def child(self, name: str) -> Shape | None:
        """The shape of a map's entry; None when a struct does not declare it."""
        if self.what == "struct":
            return self.fields.get(name)
        if self.what == "open":
            return self.fields.get(name, ANY)
        return self.item if self.what == "map" and self.item is not None else ANY

    @property
    def element(self) -> Shape:
        return self.item or ANY

    @property
    def declares(self) -> bool:
        """Whether the entries of this map are declared fields, and not data."""
        return self.what in ("struct", "open", "any")


ANY = Shape("any")
_S, _I, _B, _IS = Shape("str"), Shape("int"), Shape("bool"), Shape("intstr")
_Q = Shape("num-or-str")
_ATOMIC = Shape("atomic")
_MAP = Shape("map", item=_S)
_AMOUNTS = Shape("map", item=_Q)
#: The default of a list key that may be left out.
KEY_DEFAULTS = {"protocol": "TCP"}


def _struct(words: str = "", /, **fields: Shape) -> Shape:
    """A struct of named fields. `words` are separated by blanks: `name` is a string, `name:i` an
    integer, `:b` a boolean, `:is` an integer or text, `:a` atomic, `:m` a map of strings, `:q` a
    map of quantities, `:*` any."""
    short = {"i": _I, "b": _B, "a": _ATOMIC, "m": _MAP, "q": _AMOUNTS, "*": ANY, "is": _IS, "s": _S}
    for word in words.split():
        name, _, kind = word.partition(":")
        fields[name] = short[kind or "s"]
    return Shape("struct", fields, optional=False)


def _pointer(words: str = "", /, **fields: Shape) -> Shape:
    """A struct that Go holds by a pointer, and so may be absent."""
    return replace(_struct(words, **fields), optional=True)


def _always(shape: Shape) -> Shape:
    """A value that Go writes even when it is empty."""
    return replace(shape, optional=False)


def _keyed(item: Shape, *keys: str) -> Shape:
    return Shape("keyed", item=item, keys=keys)


_OWNER = _struct("apiVersion kind name uid controller:b blockOwnerDeletion:b")
_META = _struct(
    "name namespace generateName uid resourceVersion generation:i creationTimestamp selfLink "
    "deletionTimestamp deletionGracePeriodSeconds:i labels:m annotations:m managedFields:a",
    finalizers=Shape("set", item=_S),
    ownerReferences=_keyed(_OWNER, "uid"),
)


_RESOURCES = _struct("limits:q requests:q", claims=_keyed(_struct("name request"), "name"))


def _container() -> Shape:
    env = _struct(
        "name value",
        valueFrom=_pointer(
            "configMapKeyRef:a fieldRef:a secretKeyRef:a resourceFieldRef:a fileKeyRef:a"
        ),
    )
    return _struct(
        "name image workingDir imagePullPolicy terminationMessagePath terminationMessagePolicy "
        "restartPolicy stdin:b stdinOnce:b tty:b command:a args:a envFrom:a lifecycle:* "
        "livenessProbe:* readinessProbe:* startupProbe:* securityContext:* resizePolicy:a "
        "restartPolicyRules:a targetContainerName",
        ports=_keyed(
            _struct("name protocol hostIP containerPort:i hostPort:i"), "containerPort", "protocol"
        ),
        env=_keyed(env, "name"),
        resources=_RESOURCES,
        volumeMounts=_keyed(
            _struct(
                "name mountPath subPath subPathExpr mountPropagation recursiveReadOnly readOnly:b"
            ),
            "mountPath",
        ),
        volumeDevices=_keyed(_struct("name devicePath"), "devicePath"),
    )


@functools.cache
def _pod() -> Shape:
    volume = _struct(
        "name emptyDir:* persistentVolumeClaim:* configMap:* secret:* hostPath:* nfs:* csi:* "
        "projected:* downwardAPI:* ephemeral:* image:* iscsi:* cephfs:* fc:* rbd:* flexVolume:*"
    )
    containers = _keyed(_container(), "name")
    terms = (
        "preferredDuringSchedulingIgnoredDuringExecution:a "
        "requiredDuringSchedulingIgnoredDuringExecution:a"
    )
    affinity = _pointer(
        nodeAffinity=_pointer(terms), podAffinity=_pointer(terms), podAntiAffinity=_pointer(terms)
    )
    return _struct(
        "restartPolicy serviceAccountName serviceAccount nodeName hostname subdomain dnsPolicy "
        "schedulerName priorityClassName preemptionPolicy runtimeClassName setHostnameAsFQDN:b "
        "terminationGracePeriodSeconds:i activeDeadlineSeconds:i priority:i hostNetwork:b "
        "hostPID:b hostIPC:b hostUsers:b shareProcessNamespace:b automountServiceAccountToken:b "
        "enableServiceLinks:b nodeSelector:a tolerations:a securityContext:* "
        "dnsConfig:* os:* overhead:q readinessGates:a resourceClaims:* schedulingGates:* "
        "hostnameOverride",
        affinity=affinity,
        containers=_always(containers),
        initContainers=containers,
        ephemeralContainers=containers,
        volumes=_keyed(volume, "name"),
        imagePullSecrets=_keyed(_ATOMIC, "name"),
        hostAliases=_keyed(_struct("ip hostnames:a"), "ip"),
        topologySpreadConstraints=_keyed(
            _struct(
                "topologyKey whenUnsatisfiable maxSkew:i minDomains:i labelSelector:a "
                "nodeAffinityPolicy nodeTaintsPolicy matchLabelKeys:a"
            ),
            "topologyKey",
            "whenUnsatisfiable",
        ),
        resources=_RESOURCES,
    )


def _template() -> Shape:
    return _struct(metadata=_META, spec=_pod())


_STATUS = {"status": ANY}


#: (group, kind) → the fields beside apiVersion, kind and metadata.
_Table: TypeAlias = dict[tuple[str, str], dict[str, Shape]]


def _core() -> _Table:
    service = _struct(
        "type clusterIP clusterIPs:a externalIPs:a sessionAffinity loadBalancerIP "
        "loadBalancerSourceRanges:a externalName externalTrafficPolicy internalTrafficPolicy "
        "healthCheckNodePort:i publishNotReadyAddresses:b sessionAffinityConfig:* ipFamilies:a "
        "ipFamilyPolicy allocateLoadBalancerNodePorts:b loadBalancerClass trafficDistribution "
        "selector:a",
        ports=_keyed(
            _struct("name protocol appProtocol port:i nodePort:i targetPort:is"), "port", "protocol"
        ),
    )
    claim = _struct(
        "accessModes:a selector:a volumeName storageClassName volumeMode dataSource:a "
        "dataSourceRef:* volumeAttributesClassName",
        resources=_struct("limits:q requests:q"),
    )
    return {
        ("", "Namespace"): {"spec": _struct("finalizers:a"), **_STATUS},
        ("", "ConfigMap"): {"data": _MAP, "binaryData": _MAP, "immutable": _B},
        ("", "Secret"): {
            "data": Shape("map", item=Shape("bytes")),
            "stringData": _MAP,
            "immutable": _B,
            "type": _S,
        },
        ("", "Service"): {"spec": service, **_STATUS},
        ("", "ServiceAccount"): {
            "secrets": _keyed(ANY, "name"),
            "imagePullSecrets": _ATOMIC,
            "automountServiceAccountToken": _B,
        },
        ("", "ResourceQuota"): {
            "spec": _struct("hard:q scopes:a scopeSelector:a"),
            **_STATUS,
        },
        ("", "LimitRange"): {"spec": _struct("limits:a")},
        ("", "PersistentVolumeClaim"): {"spec": claim, **_STATUS},
        ("", "Pod"): {"spec": _pod(), **_STATUS},
    }


def _workloads() -> _Table:
    """Workloads, their autoscalers and their disruption budgets."""
    deployment = _struct(
        "replicas:i minReadySeconds:i revisionHistoryLimit:i progressDeadlineSeconds:i paused:b "
        "selector:a",
        template=_template(),
        strategy=_struct("type", rollingUpdate=_pointer("maxSurge:is maxUnavailable:is")),
    )
    stateful = _struct(
        "replicas:i minReadySeconds:i revisionHistoryLimit:i serviceName podManagementPolicy "
        "selector:a volumeClaimTemplates:a ordinals:* persistentVolumeClaimRetentionPolicy:*",
        updateStrategy=_always(ANY),
        template=_template(),
    )
    job = _struct(
        "parallelism:i completions:i activeDeadlineSeconds:i backoffLimit:i backoffLimitPerIndex:i "
        "maxFailedIndexes:i manualSelector:b ttlSecondsAfterFinished:i completionMode suspend:b "
        "podReplacementPolicy managedBy selector:a podFailurePolicy:* successPolicy:*",
        template=_template(),
    )
    cron = _struct(
        "schedule timeZone startingDeadlineSeconds:i concurrencyPolicy suspend:b "
        "successfulJobsHistoryLimit:i failedJobsHistoryLimit:i",
        jobTemplate=_struct(metadata=_META, spec=job),
    )
    autoscaler = _struct(
        "minReplicas:i maxReplicas:i metrics:a behavior:*", scaleTargetRef=_always(ANY)
    )
    return {
        ("apps", "Deployment"): {"spec": deployment, **_STATUS},
        ("apps", "StatefulSet"): {"spec": stateful, **_STATUS},
        ("batch", "Job"): {"spec": job, **_STATUS},
        ("batch", "CronJob"): {"spec": cron, **_STATUS},
        ("policy", "PodDisruptionBudget"): {
            "spec": _struct(
                "selector:a minAvailable:is maxUnavailable:is unhealthyPodEvictionPolicy"
            ),
            **_STATUS,
        },
        ("autoscaling", "HorizontalPodAutoscaler"): {"spec": autoscaler, **_STATUS},
    }


def _control() -> _Table:
    """Networking, rights, leases and admission policies."""
    return {
        ("rbac.authorization.k8s.io", "Role"): {"rules": _ATOMIC},
        ("rbac.authorization.k8s.io", "RoleBinding"): {"subjects": _ATOMIC, "roleRef": _ATOMIC},
        ("networking.k8s.io", "NetworkPolicy"): {
            "spec": _struct("ingress:a egress:a policyTypes:a", podSelector=_always(_ATOMIC))
        },
        ("networking.k8s.io", "Ingress"): {
            "spec": _struct("ingressClassName rules:a tls:a defaultBackend:*"),
            **_STATUS,
        },
        ("coordination.k8s.io", "Lease"): {
            "spec": _struct(
                "holderIdentity leaseDurationSeconds:i acquireTime renewTime "
                "leaseTransitions:i strategy preferredHolder"
            )
        },
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): {
            "spec": _struct(
                "failurePolicy paramKind:a validations:a auditAnnotations:a matchConstraints:a",
                matchConditions=_keyed(_struct("name expression"), "name"),
                variables=_keyed(_struct("name expression"), "name"),
            ),
            **_STATUS,
        },
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): {
            "spec": _struct(
                "policyName paramRef:a matchResources:a", validationActions=Shape("set", item=_S)
            )
        },
    }


@functools.cache
def _shapes() -> dict[GroupKind, dict[str, Shape]]:
    """Per built-in kind its fields beside apiVersion, kind and metadata."""
    table = _core() | _workloads() | _control()
    return {GroupKind(*kind): fields for kind, fields in table.items()}


@functools.cache
def shape_of(kind: GroupKind) -> Shape:
    """The shape of a kind's objects: complete for the built-in kinds in the tables, open for other
    kinds."""
    top = {"apiVersion": _S, "kind": _S, "metadata": _META}
    known = _shapes().get(kind)
    if known is not None:
        return Shape("struct", {**top, **known}, optional=False)
    return Shape("open", top)
