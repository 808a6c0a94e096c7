"""What two apps must not share: a host name on one Gateway, and a place for trained artefacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.apps import claims
from reconciler.apps.app import App
from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.origin import Value
from reconciler.unit import UnitId

__all__ = ["check", "check_storage_mounted"]

_Found = tuple[Diagnostic, tuple[UnitId, ...]]


def check(apps: Iterable[App]) -> Iterator[_Found]:
    """The errors between apps, each with the ids of the apps that it affects."""
    apps = tuple(apps)
    yield from _check_hosts(apps)
    yield from _check_storage(apps)


def _check_hosts(apps: Iterable[App]) -> Iterator[_Found]:
    """Two routes for one host on one Gateway: the older route takes all requests (Gateway API,
    conflict resolution), and the other app gets none."""
    first: dict[tuple[str, ...], tuple[App, Value[str]]] = {}
    for app in apps:
        serving = app.spec.serving
        if serving is None or not app.serves or serving.gateway is None:
            continue
        if serving.router.value == "none":
            continue
        inside = serving.gateway.namespace
        namespace = inside.value if inside is not None else app.namespace
        for host in serving.hostnames:
            key = (app.cluster, namespace, serving.gateway.name.value, host.value)
            other, other_host = first.setdefault(key, (app, host))
            if other is not app:
                yield (
                    error(
                        "E_HOSTNAME",
                        f"{host.value!r} is a host of {other.id} too, on the same Gateway of the "
                        f"cluster {app.cluster or 'default'!r}: one of the two gets no request",
                        host.site,
                        path="serving.hostnames",
                        related=_others(host, other_host, str(other.id)),
                        help="give each app a host of its own, for example with a part that each "
                        "group sets: web.${{ vars.domain }}",
                    ),
                    (other.id, app.id),
                )


def _check_storage(apps: Iterable[App]) -> Iterator[_Found]:
    """Two models whose artefacts go to one place overwrite those of each other."""
    first: dict[tuple[str, ...], tuple[App, Value[Any]]] = {}
    for app in apps:
        storage = app.spec.versions.storage if app.spec.versions is not None else None
        if storage is None or not app.trains:
            continue
        place, path = storage.pvc, storage.path
        if storage.local_path is not None:
            key, leaf = ("node", storage.local_path.value.rstrip("/")), storage.local_path
        elif place is not None and path is not None:
            key, leaf = (place.value, path.value.rstrip("/")), path
        else:
            continue
        other, other_leaf = first.setdefault((app.cluster, app.namespace, *key), (app, leaf))
        if other.model != app.model:
            yield (
                error(
                    "E_STORAGE",
                    f"{other.model} keeps its artefacts at this place too: one model would "
                    "overwrite the other",
                    leaf.site,
                    path="versions.storage",
                    related=_others(leaf, other_leaf, str(other.id)),
                    help="give each model a path of its own",
                ),
                (other.id, app.id),
            )


def _others(leaf: Value[Any], other: Value[Any], label: str) -> list[Related]:
    if other.site == leaf.site:
        return list_overridden(leaf.origin)
    return [Related(other.site, label), *list_overridden(leaf.origin)]


def check_storage_mounted(app: App) -> Iterator[Diagnostic]:
    """A warning for a claim of `versions.storage` that training does not mount: nothing writes
    there."""
    training, versions = app.spec.training, app.spec.versions
    if training is None or versions is None or versions.storage is None or not app.trains:
        return
    claim, name = versions.storage.pvc, versions.storage.claim
    mounted = {
        mount.pvc.value
        for block, mount in claims.list_mounts(app)
        if block == "training" and mount.pvc is not None
    }
    if claim is not None and claim.value not in mounted:
        field, asked = ("pvc", claim) if name is None else ("claim", name)
        yield warning(
            "W_STORAGE",
            f"training does not mount the claim {asked.value!r}, so nothing writes artefacts there",
            asked.site,
            path=f"versions.storage.{field}",
            help=f"add it to training.volumes: {{{field}: {asked.value}, path: …}}",
        )
