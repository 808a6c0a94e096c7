"""The block `serving:`: which version an app serves, with which backend, and how traffic reaches
it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reconciler.origin import Value, built_in
from reconciler.spec.constraint import (
    Count,
    Hostname,
    Image,
    Label,
    ObjectName,
    Percent,
    Port,
    PortName,
    Text,
    UrlPath,
    VersionName,
)
from reconciler.spec.overlay import Overlay
from reconciler.spec.rollout import Rollout
from reconciler.spec.workload import EnvVar, Resources, Volume

__all__ = ["Gateway", "Probe", "Serving", "ServingPort"]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The Gateway that the route attaches to."""

    name: Value[Label]
    namespace: Value[Label] | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """An HTTP readiness probe."""

    path: Value[UrlPath]
    port: Value[Port] | None = None
    """The port of the probe; without it `serving.port`."""


@dataclass(frozen=True, slots=True)
class ServingPort:
    """A port of the server beside `serving.port`. The Service has it under the same name and
    number; a route sends nothing to it."""

    name: Value[PortName]
    port: Value[Port]
    protocol: Value[Literal["TCP", "UDP", "SCTP"]] = built_in("TCP")


@dataclass(frozen=True, slots=True)
class Serving:
    backend: Value[Label]
    """The backend that serves one version: kserve, kubedl or deployment."""
    router: Value[Label] = built_in("none")
    """The router that splits traffic: gateway-api or none."""
    version: Value[VersionName] | None = None
    """The version to serve. A promotion changes it. Excludes `traffic`."""
    traffic: Mapping[str, Value[Percent]] = field(default_factory=dict)
    """A static split of the traffic: version → percent. The sum is 100. Excludes `version`."""
    run_in: tuple[Value[Text], ...] = ()
    """The groups that serve the model, as `environment/group`. Without it, every group that does
    not train the model."""
    replicas: Value[Count] = built_in(1)
    """The pods of one version. With an autoscaler, those with which a version starts."""
    autoscaler: Value[ObjectName] | None = None
    """The name of an autoscaler that others make, which owns the number of pods: the program sets
    that number only on an object that it creates."""
    image: Value[Image] | None = None
    """The server's image."""
    command: tuple[Value[Text], ...] = ()
    args: tuple[Value[Text], ...] = ()
    port: Value[Port] = built_in(8080)
    """The port to which the Service's port 80, and with it the route, sends requests."""
    ports: tuple[ServingPort, ...] = ()
    framework: Value[Text] | None = None
    """The model format (KServe) or framework (KubeDL: TFServing, Triton)."""
    resources: Resources | None = None
    env: tuple[EnvVar, ...] = ()
    volumes: tuple[Volume, ...] = ()
    pool: Value[Label] | None = None
    probe: Probe | None = None
    hostnames: tuple[Value[Hostname], ...] = ()
    gateway: Gateway | None = None
    rollout: Rollout | None = None
    pod: Overlay | None = None
    """More of the pods: fields of Kubernetes' PodSpec, `container`, `labels` and `annotations`."""
