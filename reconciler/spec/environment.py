"""The blocks `environment:` and `group:`. Only environment.yaml and group.yaml may set them, so
that a model's file can never move its app to another namespace, cluster or identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Count, CronText, Duration, Label, Quantity, Text
from reconciler.spec.overlay import Overlay

__all__ = [
    "Claim",
    "ContainerDefaults",
    "Environment",
    "Group",
    "NewClaim",
    "Pool",
    "Toleration",
    "Window",
]


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which changes are allowed or denied. A deny window wins over an allow window. When
    there is an allow window, changes at all other times are denied."""

    kind: Value[Literal["allow", "deny"]]
    cron: Value[CronText]
    """When the window opens: a cron expression of five fields, as robfig/cron reads it."""
    duration: Value[Duration]
    time_zone: Value[Text] = built_in("UTC")
    """The IANA name of the time zone of `cron`."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment, for example staging or prod. Versions are promoted by `rank`."""

    rank: Value[Count]
    """The place in the order of promotion: a version moves to the environment with the next higher
    rank."""
    cluster: Value[Label] | None = None
    """The name of the cluster of all groups that name no cluster. The operator maps the name to
    credentials."""
    windows: tuple[Window, ...] = ()
    pod: Overlay | None = None
    """What every pod of the environment has, unless its group, pool or workload says otherwise."""
    description: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that pods bear, as in Kubernetes."""

    key: Value[Text] | None = None
    operator: Value[Literal["Exists", "Equal"]] | None = None
    value: Value[Text] | None = None
    effect: Value[Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]] | None = None
    toleration_seconds: Value[Count] | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of nodes. A workload of the group names the pool in `pool`."""

    node_selector: Mapping[str, Value[Text]] = field(default_factory=dict)
    gpu_resource: Value[Text] | None = None
    """The extended resource of which `resources.gpu` is the number (`nvidia.com/gpu`). A pool
    without it has no GPUs."""
    tolerations: tuple[Toleration, ...] = ()
    """The taints of the pool's nodes that its pods bear."""
    pod: Overlay | None = None
    """What every pod on the pool has, unless its workload says otherwise."""


@dataclass(frozen=True, slots=True)
class ContainerDefaults:
    """The default size of a container; a resource that is left out has the default of the program,
    where a quota makes one necessary."""

    cpu: Value[Quantity] | None = None
    memory: Value[Quantity] | None = None


@dataclass(frozen=True, slots=True)
class NewClaim:
    """The PersistentVolumeClaim that the group's foundation creates. It is never deleted. The
    server lets its size grow, and refuses a smaller size and another class."""

    size: Value[Quantity]
    storage_class: Value[Text] | None = None
    """The StorageClass; without it the default one of the cluster."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a logical name of storage stands for in the group. Groups that use one name are promised
    the same data: the platform binds their claims to the same storage."""

    claim: Value[Label]
    """The PersistentVolumeClaim in the group's namespace."""
    access_modes: tuple[
        Value[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]], ...
    ] = (built_in("ReadWriteMany"),)
    """How pods of several nodes may mount the claim, as in Kubernetes."""
    create: NewClaim | None = None
    """Lets the group's foundation create the claim. Without it, the claim exists already."""


@dataclass(frozen=True, slots=True)
class Group:
    """A namespace of a cluster, with the accounts and limits of the apps in it."""

    namespace: Value[Label]
    cluster: Value[Label] | None = None
    """The name of the group's cluster; without it the environment's cluster. The operator maps the
    name to credentials."""
    create_namespace: Value[bool] = built_in(True)
    """Whether the group's foundation owns the namespace."""
    quota: Mapping[str, Value[Quantity]] = field(default_factory=dict)
    """Hard limits of a ResourceQuota, by resource name (`requests.nvidia.com/gpu: 8`)."""
    container_defaults: ContainerDefaults | None = None
    """What a container gets that asks for no `cpu` or `memory`, as a LimitRange. With a quota on
    one of these there is always a default, because the quota would refuse the pods that controllers
    add (KubeDL's image builds and model loaders ask for nothing): 100m and 256Mi, or as limits 2
    and 4Gi."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """The storage that apps name as `claim: <name>` or `claim://<name>/path`: logical name →
    claim."""
    pod: Overlay | None = None
    """What every pod of the group has, unless its pool or workload says otherwise."""
    service_account: Value[Label] | None = None
    """The service account of all pods. The group's foundation creates it."""
    apply_as: Value[Text] | None = None
    """The user that the program impersonates for the writes and dry-runs of the group's apps: a
    user's name, or `system:serviceaccount:<namespace>:<name>`. The program writes the group's own
    objects (namespace, quota, service account) with its own rights."""
    cluster_scoped: tuple[Value[Text], ...] = ()
    """The cluster-scoped kinds that the group's apps may have as plain manifests, as `Kind.group`
    (`CustomResourceDefinition.apiextensions.k8s.io`)."""
    state: Value[Literal["present", "absent"]] = built_in("present")
    """`absent` allows a run to delete all objects of the group."""
    description: Value[Text] | None = None
