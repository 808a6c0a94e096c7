"""Finds the objects that a user writes as JSON text inside another object, for example a job in a
step of a hand-written WorkflowTemplate. The cluster gets such an object when the step creates it;
plans and policies look at it before that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from reconciler import kinds
from reconciler.objects.draft import Draft, Embedded, Tree, list_leaves
from reconciler.objects.key import ObjectKey, split_version
from reconciler.origin import Branch, Items, Origin, Value

__all__ = ["embed_texts"]

#: An API server would not take an object that nests deeper.
_DEEPEST = 200


def embed_texts(draft: Draft) -> Draft:
    """The draft with an Embedded leaf in place of each text that is an object in JSON. The text
    stays as it is; the origin of each field of the inner object is the origin of the whole text.
    A draft of a kind without `carries` is returned unchanged."""
    carries = kinds.find(draft.key.group_kind).carries
    if not carries or not any(map(_looks_like_a_map, list_leaves(draft.tree))):
        return draft
    tree = _replace_texts(draft.tree, lambda text: _embed(text, draft))
    return draft if tree is draft.tree else replace(draft, tree=tree)


def _looks_like_a_map(leaf: Any) -> bool:
    return type(leaf) is Value and type(leaf.value) is str and leaf.value.lstrip()[:1] == "{"


def _replace_texts(tree: Tree, make: Callable[[Value[str]], Tree]) -> Tree:
    """The tree with `make(text)` in place of each text that looks like a map. Without such a text,
    the same tree."""
    if _looks_like_a_map(tree):
        return make(tree)
    children = tree.children if isinstance(tree, Branch | Items) else tree
    if isinstance(children, Mapping):
        replaced: Tree = {key: _replace_texts(child, make) for key, child in children.items()}
        same = all(replaced[key] is child for key, child in children.items())
    elif isinstance(children, list | tuple):
        replaced = tuple(_replace_texts(child, make) for child in children)
        same = all(new is old for new, old in zip(replaced, children, strict=True))
    else:
        return tree
    if same:
        return tree
    if isinstance(tree, Branch):
        return Branch(replaced, tree.origin, tree.deleted)
    if isinstance(tree, Items):
        return Items(replaced, tree.origin, tree.keys, tree.deleted)
    return replaced


def _embed(text: Value[str], carrier: Draft) -> Value[str]:
    body = _object_in(text.value)
    if body is None:
        return text
    version, metadata = body["apiVersion"], body["metadata"]
    namespace = metadata.get("namespace")
    key = ObjectKey(
        split_version(version)[0],
        body["kind"],
        namespace if isinstance(namespace, str) else carrier.key.namespace,
        metadata["name"],
    )
    inner = Draft(key, version, _tree_of(body, text.origin), carrier.rule)
    return Embedded(key.name, embed_texts(inner), written=text)


def _object_in(text: str) -> dict[str, Any] | None:
    """The object that a text holds. None for a text that is not an object in JSON."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return None
    named = (body.get("apiVersion"), body.get("kind"), body["metadata"].get("name"))
    is_object = all(isinstance(name, str) for name in named) and _is_shallow(body)
    return body if is_object else None


def _is_shallow(datum: Any) -> bool:
    level, depth = [datum], 0
    while level:
        depth += 1
        inner = [i.values() if isinstance(i, dict) else i for i in level]
        level = [child for each in inner for child in each if isinstance(child, dict | list)]
    return depth <= _DEEPEST


def _tree_of(datum: Any, origin: Origin) -> Tree:
    if isinstance(datum, dict) and datum:
        return {key: _tree_of(child, origin) for key, child in datum.items()}
    if isinstance(datum, list) and datum:
        return [_tree_of(child, origin) for child in datum]
    return Value(datum, origin)
