"""Who owns the number of pods of a served version: `serving.replicas`, an autoscaler that
`serving.autoscaler` names, or one among the app's manifests.

An autoscaler among the manifests names one object as its target. A promotion gives the object
another name, and nothing is scaled then, so it is warned of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler import kinds
from reconciler.apps.app import App
from reconciler.backends import pod
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.objects.draft import Tree
from reconciler.objects.key import GroupKind
from reconciler.objects.ownership import AUTOSCALER
from reconciler.origin import Branch, Value
from reconciler.spec.serving import Serving

__all__ = ["annotations_of", "check_targets", "is_scaled", "scaler_of"]


def annotations_of(serving: Serving) -> dict[str, Tree]:
    """The annotation by which a plan knows that others own the replicas; {} when nobody does."""
    return {AUTOSCALER: serving.autoscaler} if serving.autoscaler is not None else {}


def scaler_of(app: App, name: str) -> Value[Any] | None:
    """The value by which an autoscaler owns the pods of the object `name`: `serving.autoscaler`, or
    the target of a manifest; None when nobody else owns them."""
    serving = app.spec.serving
    if serving is not None and serving.autoscaler is not None:
        return serving.autoscaler
    return next((target for target in _targets(app) if target.value == name), None)


def is_scaled(app: App, version: str) -> bool:
    """Whether an autoscaler owns the number of pods of a version."""
    serving = app.spec.serving
    if serving is not None and serving.autoscaler is not None:
        return True
    return any(_is_of(app, version, target) for target in _targets(app))


def check_targets(app: App) -> Iterator[Diagnostic]:
    """A warning for each autoscaler among the app's manifests whose target is drawn for a version
    and does not follow it, or is named like no object of the version that it refers to; an error
    where `serving.autoscaler` names another autoscaler."""
    serving = app.spec.serving
    if serving is None or not app.serves or not app.manifests:
        return
    for target in _targets(app):
        follows = serving.version is not None and serving.version.site in target.origin.sites()
        version = next((name for name in app.records if _is_of(app, name, target)), None)
        if follows and serving.version is not None:
            yield from _check_follower(app, serving.version, target)
        elif version is not None:
            yield _scales_one(app, serving, version, target)
        if serving.autoscaler is not None and (follows or version is not None):
            yield error(
                "E_EXCLUDES",
                f"{serving.autoscaler.value} and an autoscaler among the manifests would both "
                f"set the number of pods of {target.value}",
                serving.autoscaler.site,
                path="serving.autoscaler",
                related=[Related(target.site, "the other autoscaler")],
                help="leave one of them out",
            )


def _is_of(app: App, version: str, target: Value[Any]) -> bool:
    start = f"{app.model}-{pod.version_slug(version)}"
    return bool(target.value == start or str(target.value).startswith(f"{start}-"))


def _targets(app: App) -> Iterator[Value[Any]]:
    """The names of the objects that the app's manifests scale."""
    for manifest in app.manifests:
        target = _target(manifest.root)
        if target is not None:
            yield target


def _scales_one(app: App, serving: Serving, version: str, target: Value[Any]) -> Diagnostic:
    rest = str(target.value).removeprefix(f"{app.model}-{pod.version_slug(version)}")
    return warning(
        "W_SCALE_TARGET",
        f"this scales {target.value}, an object of version {version} "
        f"({serving.backend.value}): after the next promotion it scales nothing",
        target.site,
        path="spec.scaleTargetRef.name",
        help=_way_out(app, serving, rest),
    )


def _way_out(app: App, serving: Serving, rest: str) -> str:
    if serving.version is None:
        return "set serving.replicas: each version is an object of its own"
    follower = f"{app.model}-${{{{ app.serving.version }}}}{rest}"
    return f"let the name follow the version: {follower}"


def _check_follower(app: App, version: Value[str], target: Value[str]) -> Iterator[Diagnostic]:
    """A warning for a target made of the version's name where the object's name differs from it: an
    object's name has dashes for dots."""
    slug = pod.version_slug(version.value)
    name = str(target.value)
    if slug != version.value and version.value in name:
        yield warning(
            "W_SCALE_TARGET",
            f"this scales {name}, and the object of version {version.value} is named "
            f"{app.model}-{slug}: a name has dashes for dots",
            target.site,
            path="spec.scaleTargetRef.name",
            help="name versions without dots, or set serving.replicas",
        )


def _target(root: Branch) -> Value[str] | None:
    """The name of the object that a manifest scales; None for any other manifest."""
    version, kind = root.children.get("apiVersion"), root.children.get("kind")
    if not isinstance(version, Value) or not isinstance(kind, Value):
        return None
    group = str(version.value).rpartition("/")[0]
    if not kinds.find(GroupKind(group, str(kind.value))).scales:
        return None
    spec = root.children.get("spec")
    reference = spec.children.get("scaleTargetRef") if isinstance(spec, Branch) else None
    name = reference.children.get("name") if isinstance(reference, Branch) else None
    return name if isinstance(name, Value) else None
