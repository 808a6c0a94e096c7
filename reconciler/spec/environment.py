"""The blocks that only environment.yaml and group.yaml may set, so that a model's file can never
move its app to another namespace, cluster or identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Count, CronText, Duration, Label, Quantity, Text

__all__ = ["Environment", "Group", "Pool", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which changes are allowed or denied. Deny beats allow; where any allow window is
    given, all other times are denied."""

    kind: Value[Literal["allow", "deny"]]
    cron: Value[CronText]
    """When the window opens, robfig cron of five fields."""
    duration: Value[Duration]
    time_zone: Value[Text] = built_in("UTC")
    """IANA name of the zone that `cron` is read in."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One rung of the promotion ladder."""

    rank: Value[Count]
    """The place in the ladder: versions move from a lower rank to the next higher one."""
    cluster: Value[Label] | None = None
    """The cluster of groups that name none. A name; the operator maps it to credentials."""
    windows: tuple[Window, ...] = ()
    description: Value[Text] | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool that workloads of the group may ask for by name."""

    node_selector: Mapping[str, Value[Text]] = field(default_factory=dict)
    gpu_resource: Value[Text] = built_in("nvidia.com/gpu")
    """The extended resource that `resources.gpu` counts."""


@dataclass(frozen=True, slots=True)
class Group:
    """A namespace of a cluster, and who acts there."""

    namespace: Value[Label]
    cluster: Value[Label] | None = None
    """A name that the operator maps to credentials; the environment's cluster otherwise."""
    create_namespace: Value[bool] = built_in(True)
    """Whether the group's foundation owns the namespace."""
    quota: Mapping[str, Value[Quantity]] = field(default_factory=dict)
    """Hard limits of a ResourceQuota, by resource name (`requests.nvidia.com/gpu: 8`)."""
    pools: Mapping[str, Pool] = field(default_factory=dict)
    service_account: Value[Label] | None = None
    """What pods run as; created by the foundation."""
    apply_as: Value[Text] | None = None
    """Impersonated for the writes of its apps and for their dry-runs: a user, or
    `system:serviceaccount:<namespace>:<name>`. The group's own objects (namespace, quota, service
    account) are written with the program's rights."""
    cluster_scoped: tuple[Value[Text], ...] = ()
    """The cluster-scoped kinds that plain manifests of its apps may be of, as `Kind.group`
    (`CustomResourceDefinition.apiextensions.k8s.io`)."""
    state: Value[Literal["present", "absent"]] = built_in("present")
    """`absent` is the tombstone that allows a group to be emptied."""
    description: Value[Text] | None = None
