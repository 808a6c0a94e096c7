"""Warns of a manifest that scales an object of one version: a promotion gives the object another
name, and nothing is scaled then."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler import kinds
from reconciler.apps.app import App
from reconciler.backends import contract, pod
from reconciler.diagnostics import Diagnostic, warning
from reconciler.objects.key import GroupKind
from reconciler.origin import Branch, Value

__all__ = ["check_targets"]


def check_targets(app: App) -> Iterator[Diagnostic]:
    """A warning for each autoscaler among the app's manifests whose target is drawn for a
    version."""
    serving = app.spec.serving
    if serving is None or not app.serves or not app.manifests:
        return
    backend = contract.find_serving(serving.backend.value)
    for manifest in app.manifests:
        target = _target(manifest.root)
        if target is None:
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
                    help="set serving.replicas: each version is an object of its own",
                )
                break


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
