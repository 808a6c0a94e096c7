"""Annotations by which people give a rule for a single object.

In Git: `replace: enabled` allows to delete and recreate the object when a field cannot be changed
in place; `shared-fields` names fields that other managers may own; `adopt` names the uid of an
object to take over; `autoscaler` names what owns `spec.replicas` once the object exists. On the
live object, whoever set them: `prune: disabled` stops its deletion, `reconcile: disabled` stops
every write to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import reconciler
from reconciler import kinds
from reconciler.objects.draft import Draft, FieldPath, value_at
from reconciler.objects.observed import Observed
from reconciler.objects.ownership import AUTOSCALER, owned_by
from reconciler.origin import Branch, Items, Value

__all__ = [
    "adopted_uid",
    "drop_foreign_fields",
    "ends_by_itself",
    "is_kept",
    "is_left_alone",
    "keep_finalizers",
    "leave_replicas",
    "list_scaled_fields",
    "list_shared_fields",
    "may_replace",
]

_DOMAIN = reconciler.API_DOMAIN
PRUNE = f"{_DOMAIN}/prune"
RECONCILE = f"{_DOMAIN}/reconcile"
REPLACE = f"{_DOMAIN}/replace"
SHARED = f"{_DOMAIN}/shared-fields"
ADOPT = f"{_DOMAIN}/adopt"
VERSION = f"{_DOMAIN}/version"

_TIMES_TO_LIVE: tuple[FieldPath, ...] = (
    ("spec", "ttlSecondsAfterFinished"),
    ("spec", "runPolicy", "ttlSecondsAfterFinished"),
    ("spec", "ttlStrategy"),
)
_REPLICAS: FieldPath = ("spec", "replicas")


def is_kept(live: Observed) -> bool:
    """Whether the live object is marked against deletion."""
    return _live_annotations(live).get(PRUNE) == "disabled"


def is_left_alone(live: Observed) -> bool:
    return _live_annotations(live).get(RECONCILE) == "disabled"


def may_replace(draft: Draft) -> bool:
    return _annotation(draft, REPLACE) == "enabled"


def ends_by_itself(draft: Draft) -> bool:
    """Whether the object runs once and is removed some time after its end: a Job or a training job
    with a time to live, or a Workflow with a `ttlStrategy`."""
    return any(_has(draft.tree, path) for path in _TIMES_TO_LIVE)


def adopted_uid(draft: Draft) -> str:
    """The uid of the object that Git allows to take over; "" for none."""
    return _annotation(draft, ADOPT)


def list_shared_fields(draft: Draft) -> tuple[FieldPath, ...]:
    """The fields that other managers may own, from a text such as `spec.replicas, spec.paused`."""
    text = _annotation(draft, SHARED)
    return tuple(tuple(p.strip().split(".")) for p in text.split(",") if p.strip())


def list_scaled_fields(drafts: Iterable[Draft]) -> dict[tuple[str, str], tuple[FieldPath, ...]]:
    """(kind, name) of each object that one of the drafts scales → the fields that the autoscaler
    will own. An autoscaler that follows the promoted version has owned those of the version before:
    during a rollout that version serves on, as far as it was scaled."""
    out: dict[tuple[str, str], tuple[FieldPath, ...]] = {}
    versions: dict[str, list[str]] = {}
    for draft in drafts:
        if _text(draft.tree, ("metadata", "labels", VERSION)):
            versions.setdefault(draft.key.kind, []).append(draft.key.name)
        if kinds.find(draft.key.group_kind).scales:
            kind = _text(draft.tree, ("spec", "scaleTargetRef", "kind")) or "Deployment"
            name = _text(draft.tree, ("spec", "scaleTargetRef", "name"))
            out[kind, name] = (_REPLICAS,)
    for kind, name in tuple(out):
        if name in versions.get(kind, ()):
            out.update({(kind, other): (_REPLICAS,) for other in versions[kind]})
    return out


def drop_foreign_fields(draft: Draft, live: Observed, paths: Iterable[FieldPath]) -> Draft:
    """The draft without those of the shared fields `paths` that another manager owns in the live
    object. A field that no other manager owns stays in the draft: without it, apply would remove
    the field."""
    if not live.is_present:
        return draft
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    owners = owned_by(metadata.get("managedFields") or ())
    others = {
        path
        for name, fields in owners.items()
        if name != reconciler.FIELD_MANAGER
        for path in fields
    }
    tree = draft.tree
    for path in paths:
        if tuple(f"f:{step}" for step in path) in others:
            tree = _without(tree, path)
    return draft if tree is draft.tree else replace(draft, tree=tree)


def leave_replicas(draft: Draft, live: Observed) -> Draft:
    """The draft as it leaves the replicas to the autoscaler that it names: with the live number, or
    without the field where another manager owns it. The same draft when it names none, and for an
    object that is not there yet."""
    if not _annotation(draft, AUTOSCALER) or not live.is_present:
        return draft
    left = drop_foreign_fields(draft, live, (_REPLICAS,))
    spec = (live.body or {}).get("spec") or {}
    if not _has(left.tree, _REPLICAS) or "replicas" not in spec:
        return left
    children = left.tree["spec"]
    inside = dict(children.children if isinstance(children, Branch) else children)
    tree = {**left.tree, "spec": {**inside, "replicas": spec["replicas"]}}
    return replace(left, tree=tree)


def keep_finalizers(draft: Draft, live: Observed) -> Draft:
    """The draft with the finalizers that this program has set on the live object. An apply without
    them would remove them, and so end a deletion that waits for them."""
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    own = owned_by(metadata.get("managedFields") or ()).get(reconciler.FIELD_MANAGER, frozenset())
    held = [
        name
        for name in metadata.get("finalizers") or ()
        if ("f:metadata", "f:finalizers", f'v:"{name}"') in own
    ]
    if not held:
        return draft
    tree = {**draft.tree, "metadata": {**draft.tree["metadata"], "finalizers": held}}
    return replace(draft, tree=tree)


def _live_annotations(live: Observed) -> Mapping[str, Any]:
    metadata = (live.body or {}).get("metadata") or {}
    return metadata.get("annotations") or {}


def _annotation(draft: Draft, name: str) -> str:
    return _text(draft.tree, ("metadata", "annotations", name))


def _text(tree: Any, path: FieldPath) -> str:
    try:
        found = value_at(tree, path)
    except LookupError:
        return ""
    return str(found.value if isinstance(found, Value) else found)


def _has(tree: Any, path: FieldPath) -> bool:
    try:
        value_at(tree, path)
    except LookupError:
        return False
    return True


def _without(tree: Any, path: FieldPath) -> Any:
    """A copy without the key at `path`; the same tree when there is no such key."""
    children = tree.children if isinstance(tree, Branch) else tree
    step, *rest = path
    if isinstance(tree, Items | Value) or not isinstance(children, dict) or step not in children:
        return tree
    if not rest:
        return {k: v for k, v in children.items() if k != step}
    inner = _without(children[step], tuple(rest))
    return tree if inner is children[step] else {**children, step: inner}
