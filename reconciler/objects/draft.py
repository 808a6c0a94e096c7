"""A drawn object, before (`Draft`) and after (`Manifest`) it is sealed.

Backends return Drafts. A Draft is a tree; its leaves are Values, which come from the config, or
literals, which the backend wrote. `digest` reads a draft without building a plain body. `seal`
makes the Manifest; it is called only for objects that differ, because a run may draw, digest and
drop 12,000 objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from reconciler.objects.key import ObjectKey
from reconciler.origin import Branch, Items, Origin, SecretRef, Value, derive

__all__ = [
    "Draft",
    "Embedded",
    "FieldPath",
    "Manifest",
    "Placeholder",
    "Tree",
    "canonical",
    "digest",
    "digest_of_body",
    "list_embedded",
    "list_leaves",
    "origin_at",
    "seal",
    "show_path",
    "value_at",
    "walk",
]

#: dict, list or tuple of trees; Branch, Items, Value; or a literal scalar.
Tree: TypeAlias = Any
#: Map keys are strings, list positions integers.
FieldPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """One drawn object. `rule` names the code that drew it: the origin of the literals. `stem` is
    the name without the digest of the content at its end; "" for a name that does not change with
    the content. Objects of one stem are generations of one thing: the newest takes the place of
    the others."""

    key: ObjectKey
    api_version: str
    tree: Tree
    rule: str
    stem: str = ""


class Placeholder(str):
    """A text of a backend that holds an Argo placeholder, for example `{{workflow.name}}`. Argo
    fills it in when it creates an embedded object. In all other texts `{{` stays as it is."""

    __slots__ = ()


class Embedded(Value[str]):
    """A leaf that holds another object as JSON text, for example a job in an Argo step.

    `name` tells the object from its siblings (the candidate's name). The leaf's value is the text;
    its origin is derived from all origins of the object. `written` is the text of a user. Without
    `written` the text is made from the draft, and each `{{` of a string is escaped, so that Argo
    does not substitute it.
    """

    __slots__ = ("draft", "is_written", "name")

    def __init__(self, name: str, draft: Draft, written: Value[str] | None = None) -> None:
        text = written
        if text is None:
            values = [leaf for leaf in list_leaves(draft.tree) if isinstance(leaf, Value)]
            text = derive(_text_of(draft.tree), *values)
        super().__init__(text.value, text.origin)
        self.name = name
        self.draft = draft
        self.is_written = written is not None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A sealed draft. `origins` has one entry per leaf of `body`, in the order of `walk`; None for
    a literal. `embedded` holds the objects that the body holds as text: the path of each text and
    a manifest with its own origins."""

    key: ObjectKey
    api_version: str
    body: dict[str, Any]
    digest: str
    origins: tuple[Origin | None, ...]
    rule: str
    embedded: tuple[tuple[FieldPath, Manifest], ...] = ()

    def inside(self) -> Iterator[tuple[FieldPath, Manifest]]:
        """Every embedded object with its path, and the objects embedded in it; the path of an inner
        object begins with the path of the outer one."""
        for path, inner in self.embedded:
            yield path, inner
            for below, innermost in inner.inside():
                yield (*path, *below), innermost

    def origin_at(self, path: FieldPath) -> Origin | None:
        """The origin of the leaf at `path`. For a map or list: the origin of its first leaf that
        has one. None for a literal or a path that does not exist."""
        for (leaf, _), origin in zip(walk(self.body), self.origins, strict=True):
            if leaf[: len(path)] == path and (origin is not None or leaf == path):
                return origin
        return None


def walk(tree: Tree, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Any]]:
    """Every leaf (Value, literal, empty map, empty list) with its path, in body order."""
    if isinstance(tree, Branch):
        tree = tree.children if tree.children else Value({}, tree.origin)
    elif isinstance(tree, Items):
        tree = tree.children if tree.children else Value([], tree.origin)
    if isinstance(tree, dict) and tree:
        for key, child in tree.items():
            yield from walk(child, (*path, key))
    elif isinstance(tree, list | tuple) and tree and not isinstance(tree, SecretRef):
        for index, child in enumerate(tree):
            yield from walk(child, (*path, index))
    else:
        yield path, tree


def list_leaves(tree: Tree) -> list[Any]:
    """The leaves without their paths, in the order of `walk`. Faster than `walk`."""
    out: list[Any] = []
    _append_leaves(tree, out)
    return out


def _append_leaves(tree: Tree, out: list[Any]) -> None:
    kind = type(tree)
    if kind is Branch or kind is Items:
        if not tree.children:
            out.append(Value({} if kind is Branch else [], tree.origin))
            return
        tree = tree.children
        kind = type(tree)
    if kind is dict and tree:
        children = tree.values()
    elif (kind is list or kind is tuple) and tree:
        children = tree
    else:
        out.append(tree)
        return
    for child in children:
        inner = type(child)
        if inner is Value or inner is str:
            out.append(child)
        else:
            _append_leaves(child, out)


def value_at(tree: Tree, path: FieldPath) -> Any:
    """The subtree at a path. Raises LookupError for a path that does not exist."""
    for step in path:
        if isinstance(tree, Branch | Items):
            tree = tree.children
        if isinstance(tree, Value):
            tree = tree.value
        if isinstance(step, int) != isinstance(tree, list | tuple):
            raise LookupError(step)
        try:
            tree = tree[step]
        except (TypeError, AttributeError) as cause:
            raise LookupError(step) from cause
    return tree


def origin_at(tree: Tree, path: FieldPath) -> Origin | None:
    """The origin of the leaf or subtree at a path of a draft's tree. None for a literal or a path
    that does not exist."""
    try:
        found = value_at(tree, path)
    except LookupError:
        return None
    if isinstance(found, Value | Branch | Items):
        return found.origin
    return next((leaf.origin for _, leaf in walk(found) if isinstance(leaf, Value)), None)


def list_embedded(draft: Draft, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Draft]]:
    """Every embedded draft with its path, and the drafts embedded in it. The path of an inner draft
    begins with the path of the outer one; `path` comes before all of them."""
    for below, leaf in walk(draft.tree):
        if isinstance(leaf, Embedded):
            place = (*path, *below)
            yield place, leaf.draft
            yield from list_embedded(leaf.draft, place)


def _plain_default(node: Any) -> Any:
    kind = type(node)
    if kind is Value:
        return node.value
    if kind is Branch:
        return node.children
    if kind is Items:
        return node.children
    if kind is Embedded:
        return node.value
    raise TypeError(f"{type(node).__name__} cannot be part of an object")


#: Stands for a placeholder's `{{` while the other `{{` are escaped: JSON text holds no zero byte.
_MARKED_BRACES = b"{\0{"


def _text_default(node: Any) -> Any:
    if isinstance(node, Placeholder):
        return orjson.Fragment(orjson.dumps(str(node)).replace(b"{{", _MARKED_BRACES))
    if isinstance(node, str):
        return str(node)
    return _plain_default(node)


def _text_of(tree: Tree) -> str:
    """The JSON text of an embedded tree. In JSON made by orjson, `{{` occurs only inside strings.
    Its second brace is escaped, except in a Placeholder."""
    option = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS
    raw = orjson.dumps(tree, default=_text_default, option=option)
    return raw.replace(b"{{", b"{\\u007b").replace(_MARKED_BRACES, b"{{").decode()


def canonical(tree: Tree) -> bytes:
    """A tree as JSON with sorted keys: same content, same bytes. Makes no plain copy first."""
    return orjson.dumps(tree, default=_plain_default, option=orjson.OPT_SORT_KEYS)


def digest(draft: Draft) -> str:
    """The content digest of a draft, 32 hex digits. The order of keys does not matter."""
    return hashlib.blake2b(canonical(draft.tree), digest_size=16).hexdigest()


def digest_of_body(body: Any) -> str:
    """The digest of a plain body: equal to `digest` of a draft with the same content."""
    raw = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


def seal(draft: Draft) -> Manifest:
    """The manifest of a draft: plain body, digest, and one origin per leaf."""
    raw = orjson.dumps(draft.tree, default=_plain_default)
    body: dict[str, Any] = orjson.loads(raw)
    found = list_leaves(draft.tree)
    origins = tuple([leaf.origin if isinstance(leaf, Value) else None for leaf in found])
    inner: tuple[tuple[FieldPath, Manifest], ...] = ()
    if any(type(leaf) is Embedded for leaf in found):
        texts = (pair for pair in walk(draft.tree) if type(pair[1]) is Embedded)
        inner = tuple((path, seal(leaf.draft)) for path, leaf in texts)
    content = digest_of_body(body)
    return Manifest(draft.key, draft.api_version, body, content, origins, draft.rule, inner)


def show_path(path: FieldPath) -> str:
    """A path as text: `spec.rules[0].backendRefs[1].weight`. A key with a dot, bracket, quote or
    space is quoted."""
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            name = f'"{step}"' if any(c in step for c in '."[] ') or not step else step
            out += f".{name}" if out else name
    return out
