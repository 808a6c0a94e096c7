"""Parts of pod templates that training and serving share, with the origin on every leaf."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from reconciler.apps import claims
from reconciler.apps.app import App
from reconciler.objects.draft import Tree
from reconciler.objects.quantity import has_equal_limit
from reconciler.objects.status import count_of, mapping_of, status_of
from reconciler.origin import Branch, Items, Node, SecretRef, Value, derive
from reconciler.spec.constraint import seconds
from reconciler.spec.environment import Pool, Toleration
from reconciler.spec.model import VersionRecord
from reconciler.spec.overlay import Overlay
from reconciler.spec.serving import Probe, Serving
from reconciler.spec.workload import EnvVar, Resources, Volume

__all__ = [
    "asked_for",
    "container",
    "count_replicas",
    "drain",
    "env",
    "facts",
    "go_duration",
    "placement",
    "pod_labels",
    "pool_of",
    "ports",
    "readiness",
    "record_of",
    "resources",
    "seconds_of",
    "served_versions",
    "spec",
    "text",
    "version_slug",
    "volume_mounts",
    "volumes",
]

T = TypeVar("T")


def text(template: str, *inputs: Value[Any]) -> Value[str]:
    """`template` with the inputs' data in place of each `{}`. Its origin is derived from all
    inputs."""
    return derive(template.format(*(i.value for i in inputs)), *inputs)


def version_slug(version: str) -> str:
    """A version as a part of an object's name, which may hold no dots: `v1.0` becomes `v1-0`."""
    return version.replace(".", "-")


def pool_of(app: App, name: Value[str] | None) -> Pool | None:
    """The group's pool of that name, or None. The origins of its values name the pool's lines and,
    in `through`, the line that asks for the pool."""
    pool = app.spec.group.pools.get(name.value) if name is not None else None
    return _through(pool, name) if pool is not None and name is not None else None


def record_of(app: App, version: str) -> VersionRecord:
    """The record of a version, with the claim of the app's group in its URI."""
    return claims.resolve_record(app.spec.group, app.records[version])


def asked_for(pool: Pool | None, amount: Value[int] | None) -> Pool | None:
    """The pool for a step that goes there only because it asks for GPUs; None when it does not."""
    wants = pool is not None and amount is not None and amount.value > 0
    return _through(pool, amount) if pool is not None and amount is not None and wants else None


def _through(pool: Pool, asked: Value[Any]) -> Pool:
    """The pool with the line that asks for it in `through` of every value."""

    def mark(value: Value[T]) -> Value[T]:
        return derive(value.value, value, asked)

    def mark_all(node: Node) -> Node:
        if isinstance(node, Value):
            return mark(node)
        if isinstance(node, Branch):
            inside = {key: mark_all(child) for key, child in node.children.items()}
            return Branch(inside, node.origin, node.deleted)
        return Items(tuple(map(mark_all, node.children)), node.origin, node.keys, node.deleted)

    overlay = mark_all(pool.pod.tree) if pool.pod is not None else None
    return replace(
        pool,
        node_selector={key: mark(value) for key, value in pool.node_selector.items()},
        gpu_resource=mark(pool.gpu_resource) if pool.gpu_resource is not None else None,
        tolerations=tuple(
            Toleration(
                **{
                    name: mark(value)
                    for name in Toleration.__slots__
                    if (value := getattr(one, name)) is not None
                }
            )
            for one in pool.tolerations
        ),
        pod=Overlay(overlay) if isinstance(overlay, Branch) else None,
    )


def resources(wanted: Resources | None, pool: Pool | None = None) -> Tree:
    """A container's `resources`; {} when nothing is wanted. The short form gives requests equal to
    limits, so that a pod never gets more or less than it asks for. `pool` says what a GPU is."""
    if wanted is None:
        return {}
    both: dict[str, Any] = {}
    if wanted.cpu is not None:
        both["cpu"] = wanted.cpu.map(str)
    if wanted.memory is not None:
        both["memory"] = wanted.memory.map(str)
    resource = pool.gpu_resource if pool is not None else None
    if wanted.gpu is not None and wanted.gpu.value > 0 and resource is not None:
        both[resource.value] = derive(str(wanted.gpu.value), wanted.gpu, resource)
    requests = {name: amount.map(str) for name, amount in wanted.requests.items()}
    limits = {name: amount.map(str) for name, amount in wanted.limits.items()}
    equal = {name: amount for name, amount in (requests | limits).items() if has_equal_limit(name)}
    drawn = {"requests": {**both, **equal, **requests}, "limits": {**both, **equal, **limits}}
    return {name: amounts for name, amounts in drawn.items() if amounts}


def env(variables: Iterable[EnvVar]) -> list[Tree]:
    """A container's `env`, in the given order. A `!secret name/key` becomes a secretKeyRef."""
    out: list[Tree] = []
    for variable in variables:
        datum = variable.value.value
        if isinstance(datum, SecretRef):
            name, _, key = datum.ref.partition("/")
            reference = {
                "name": derive(name, variable.value),
                "key": derive(key, variable.value),
            }
            out.append({"name": variable.name, "valueFrom": {"secretKeyRef": reference}})
        else:
            out.append({"name": variable.name, "value": derive(_spell(datum), variable.value)})
    return out


def facts(variables: Iterable[EnvVar], given: Mapping[str, Value[Any] | None]) -> list[Tree]:
    """More `env` entries, one per fact that is not None. A fact whose name is among the user's
    `variables` is left out: server-side apply refuses two entries of one name."""
    names = [variable.name for variable in variables]
    user_names = {name.value for name in names}
    return [
        {"name": derive(name, fact, *names), "value": derive(fact.value, fact, *names)}
        for name, fact in given.items()
        if fact is not None and name not in user_names
    ]


def _spell(datum: Any) -> str:
    if isinstance(datum, bool):
        return "true" if datum else "false"
    return str(datum)


def volumes(mounts: Iterable[Volume]) -> list[Tree]:
    """A pod's `volumes`: one volume per claim, with the claim's name."""
    by_claim: dict[str, Tree] = {}
    for mount in mounts:
        name = mount.physical
        claim = {"claimName": name}
        by_claim.setdefault(name.value, {"name": name, "persistentVolumeClaim": claim})
    return list(by_claim.values())


def volume_mounts(mounts: Iterable[Volume]) -> list[Tree]:
    out: list[Tree] = []
    for mount in mounts:
        tree: dict[str, Tree] = {"name": mount.physical, "mountPath": mount.path}
        if mount.read_only is not None:
            tree["readOnly"] = mount.read_only
        out.append(tree)
    return out


def container(
    name: str,
    image: Value[str],
    *,
    command: Iterable[Value[str]] = (),
    args: Iterable[Any] = (),
    variables: Iterable[EnvVar] = (),
    sized: Tree | None = None,
    mounts: Iterable[Volume] = (),
) -> dict[str, Tree]:
    """A container with the given parts. A part that is empty is left out."""
    tree: dict[str, Tree] = {"name": name, "image": image}
    if command := list(command):
        tree["command"] = command
    if args := list(args):
        tree["args"] = args
    if variables := env(variables):
        tree["env"] = variables
    if sized:
        tree["resources"] = sized
    if mounts := volume_mounts(mounts):
        tree["volumeMounts"] = mounts
    return tree


def spec(
    app: App, containers: list[Tree], *, mounts: Iterable[Volume] = (), pool: Pool | None = None
) -> dict[str, Tree]:
    """A pod spec with the containers, the claims of `mounts`, the group's service account and the
    pool's node selector."""
    tree: dict[str, Tree] = {"containers": containers}
    if claims := volumes(mounts):
        tree["volumes"] = claims
    account = app.spec.group.service_account
    if account is not None:
        tree["serviceAccountName"] = account
    if pool is not None:
        tree.update(placement(pool))
    return tree


def placement(pool: Pool) -> dict[str, Tree]:
    """The fields of a pod spec that bring the pod to the pool's nodes."""
    tree: dict[str, Tree] = {}
    if pool.node_selector:
        tree["nodeSelector"] = dict(pool.node_selector)
    if pool.tolerations:
        tree["tolerations"] = [_toleration(one) for one in pool.tolerations]
    return tree


def _toleration(one: Toleration) -> Tree:
    given = {
        "key": one.key,
        "operator": one.operator,
        "value": one.value,
        "effect": one.effect,
        "tolerationSeconds": one.toleration_seconds,
    }
    return {name: value for name, value in given.items() if value is not None}


def pod_labels(app: App, **more: Tree) -> dict[str, Tree]:
    """The labels of a pod: those of the app, those by which people and policies find the pod's
    owner, and `more`."""
    return {
        **app.spec.labels,
        "app.kubernetes.io/name": app.model,
        "ml-reconciler.dev/owner": app.spec.model.owner,
        **more,
    }


def served_versions(serving: Serving) -> tuple[str, ...]:
    """The versions that Git asks for: `serving.version`, or the versions of `serving.traffic`."""
    return tuple(serving.traffic) if serving.version is None else (serving.version.value,)


def readiness(probe: Probe, port: Value[int]) -> Tree:
    """An HTTP readiness probe, on `port` unless the probe names another port."""
    probed = port if probe.port is None else probe.port
    return {"httpGet": {"path": probe.path, "port": probed}}


#: How long a server goes on after its pod was taken out of its Service, in seconds: proxies learn
#: of that a moment later. `sleep` needs no program in the image; Kubernetes has it since 1.30.
_DRAIN_SECONDS = 10
_GRACE_SECONDS = 30 + _DRAIN_SECONDS


def ports(serving: Serving) -> list[Tree]:
    """The ports of the server's container: the one of the route first."""
    out: list[Tree] = [{"name": "http", "containerPort": serving.port}]
    for more in serving.ports:
        out.append({"name": more.name, "containerPort": more.port, "protocol": more.protocol})
    return out


def drain(tree: dict[str, Tree]) -> None:
    """Lets a server's pod end only after the proxies have left it: sets the parts of a pod spec and
    of its first container, in place, where the config does not set them."""
    server = tree["containers"][0]
    lifecycle = server.get("lifecycle", {})
    own = lifecycle.children if isinstance(lifecycle, Branch) else lifecycle
    server["lifecycle"] = {"preStop": {"sleep": {"seconds": _DRAIN_SECONDS}}, **own}
    tree.setdefault("terminationGracePeriodSeconds", _GRACE_SECONDS)


def count_replicas(deployment: Mapping[str, Any]) -> tuple[int, int]:
    """The ready and the desired replicas of a live Deployment."""
    spec = mapping_of(deployment, "spec")
    return count_of(status_of(deployment), "readyReplicas"), count_of(spec, "replicas", 1)


def go_duration(duration: Value[str]) -> Value[str]:
    """A duration for a field that Go's `time.ParseDuration` reads: days are written in seconds."""
    return duration.map(lambda text: f"{int(seconds(text))}s" if "d" in text else text)


def seconds_of(duration: Value[str]) -> Value[int]:
    """A duration in whole seconds, at least one: controllers read 0 as "at once" or "never"."""
    return duration.map(lambda text: max(1, math.ceil(seconds(text))))
