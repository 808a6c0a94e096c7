"""Draws a user's plain Kubernetes manifests. The origin of each leaf is its line in that file."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.apps.app import App
from reconciler.objects.draft import Draft
from reconciler.objects.key import GroupKind, ObjectKey, split_version
from reconciler.origin import Branch, Value

__all__ = ["draw", "kinds_of"]


def draw(app: App) -> Iterator[Draft]:
    """One draft per document. `apps.manifest_files` has checked the documents."""
    cluster_scoped = app.spec.group.cluster_scoped
    for manifest in app.manifests:
        root = manifest.root
        version = root.children["apiVersion"]
        kind = root.children["kind"]
        metadata = root.children["metadata"]
        assert isinstance(version, Value)
        assert isinstance(kind, Value)
        assert isinstance(metadata, Branch)
        name = metadata.children["name"]
        assert isinstance(name, Value)
        group, _ = split_version(version.value)
        scoped = any(k.value == str(GroupKind(group, kind.value)) for k in cluster_scoped)
        key = ObjectKey(group, kind.value, "" if scoped else app.namespace, name.value)
        yield Draft(key, version.value, root, "plain manifest")


def kinds_of(app: App) -> frozenset[GroupKind]:
    """The kinds that `draw` draws for an app."""
    out = set()
    for manifest in app.manifests:
        version, kind = manifest.root.children["apiVersion"], manifest.root.children["kind"]
        assert isinstance(version, Value)
        assert isinstance(kind, Value)
        out.add(GroupKind(split_version(version.value)[0], kind.value))
    return frozenset(out)
