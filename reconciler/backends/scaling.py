"""Warns of a manifest that scales an object of one version: a promotion gives the object another
name, and nothing is scaled then. A target that refers to the promoted version follows it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler import kinds
from reconciler.apps.app import App
from reconciler.backends import contract, pod
from reconciler.diagnostics import Diagnostic, warning
from reconciler.objects.key import GroupKind
from reconciler.origin import Branch, Value
from reconciler.spec.serving import Serving

__all__ = ["check_targets"]


def check_targets(app: App) -> Iterator[Diagnostic]:
    """A warning for each autoscaler among the app's manifests whose target is drawn for a version
    and does not follow it, or is named like no object of the version that it refers to."""
    serving = app.spec.serving
    if serving is None or not app.serves or not app.manifests:
        return
    backend = contract.find_serving(serving.backend.value)
    for manifest in app.manifests:
        target = _target(manifest.root)
        if target is None:
            continue
        if serving.version is not None and serving.version.site in target.origin.sites():
            yield from _check_follower(app, serving.version, target)
            continue
        for version in app.records:
            start = f"{app.model}-{pod.version_slug(version)}"
            if target.value == start or str(target.value).startswith(f"{start}-"):
                yield warning(
                    "W_SCALE_TARGET",
                    f"this scales {target.value}, an object of version {version} "
                    f"({backend.name}): after the next promotion it scales nothing",
                    target.site,
                    path="spec.scaleTargetRef.name",
                    help=_way_out(app, serving, str(target.value).removeprefix(start)),
                )
                break


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
