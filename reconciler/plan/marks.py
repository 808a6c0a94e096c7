"""What people say of single objects, as annotations of the object itself.

In Git: `replace: enabled` allows an object to be made anew where a field cannot be changed in
place; `shared-fields` names fields that others may own; `adopt` names the uid of an object that is
taken over. On the live object, however it came there: `prune: disabled` keeps it, `reconcile:
disabled` leaves it alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import reconciler
from reconciler import kinds
from reconciler.objects.draft import Draft, FieldPath, value_at
from reconciler.objects.observed import Observed
from reconciler.objects.ownership import owned_by
from reconciler.origin import Branch, Items, Value

__all__ = [
    "adopted_uid",
    "drop_foreign_fields",
    "is_kept",
    "is_left_alone",
    "keep_finalizers",
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

_REPLICAS: FieldPath = ("spec", "replicas")


def is_kept(live: Observed) -> bool:
    """Whether somebody marked the live object against deletion."""
    return _of_live(live).get(PRUNE) == "disabled"


def is_left_alone(live: Observed) -> bool:
    return _of_live(live).get(RECONCILE) == "disabled"


def may_replace(draft: Draft) -> bool:
    return _annotation(draft, REPLACE) == "enabled"


def adopted_uid(draft: Draft) -> str:
    """The uid that Git allows to be taken over, "" for none."""
    return _annotation(draft, ADOPT)


def list_shared_fields(draft: Draft) -> tuple[FieldPath, ...]:
    """The fields of an object that others may own: `spec.replicas, spec.paused`."""
    said = _annotation(draft, SHARED)
    return tuple(tuple(p.strip().split(".")) for p in said.split(",") if p.strip())


def list_scaled_fields(drafts: Iterable[Draft]) -> dict[tuple[str, str], tuple[FieldPath, ...]]:
    """(kind, name) → the fields that an autoscaler drawn beside it will own."""
    out: dict[tuple[str, str], tuple[FieldPath, ...]] = {}
    for draft in drafts:
        if kinds.find(draft.key.group_kind).scales:
            kind = _text(draft.tree, ("spec", "scaleTargetRef", "kind")) or "Deployment"
            name = _text(draft.tree, ("spec", "scaleTargetRef", "name"))
            out[kind, name] = (_REPLICAS,)
    return out


def drop_foreign_fields(draft: Draft, live: Observed, paths: Iterable[FieldPath]) -> Draft:
    """The draft without the shared fields that somebody else owns by now: they are theirs to set.
    One that nobody else owns stays, for to leave it out would take it away."""
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


def keep_finalizers(draft: Draft, live: Observed) -> Draft:
    """A draft that keeps the finalizers that an apply of ours once set: one that left them out
    would release an object that is being deleted."""
    metadata: Mapping[str, Any] = (live.body or {}).get("metadata") or {}
    mine = owned_by(metadata.get("managedFields") or ()).get(reconciler.FIELD_MANAGER, frozenset())
    held = [
        name
        for name in metadata.get("finalizers") or ()
        if ("f:metadata", "f:finalizers", f'v:"{name}"') in mine
    ]
    if not held:
        return draft
    tree = {**draft.tree, "metadata": {**draft.tree["metadata"], "finalizers": held}}
    return replace(draft, tree=tree)


def _of_live(live: Observed) -> Mapping[str, Any]:
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


def _without(tree: Any, path: FieldPath) -> Any:
    """A copy without one key; the same tree where it is not there."""
    children = tree.children if isinstance(tree, Branch) else tree
    step, *rest = path
    if isinstance(tree, Items | Value) or not isinstance(children, dict) or step not in children:
        return tree
    if not rest:
        return {k: v for k, v in children.items() if k != step}
    inner = _without(children[step], tuple(rest))
    return tree if inner is children[step] else {**children, step: inner}
