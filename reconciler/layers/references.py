"""Late-bound references `${{ path }}`, resolved once after all layers are merged (merge rule M7).

A whole scalar copies what it points at, whatever its type; inside a text scalars become text in
their JSON spelling. `$${{` escapes, `!raw` texts are left alone, keys are never looked at, and an
overridden reference is never evaluated. There are no functions, no environment and no loops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.layers import locks, templates
from reconciler.layers.kinds import kind_of
from reconciler.layers.markers import Raw
from reconciler.layers.paths import Path, Selector, spell
from reconciler.layers.templates import OPEN, Malformed, Part, Ref
from reconciler.origin import Branch, Items, Node, Origin, SecretRef, Site, Value

__all__ = ["Pending", "resolve"]

_DEPTH = 64
_LIMIT = 1024 * 1024
_COPIES = 100_000


class Pending(NamedTuple):
    """A whole-scalar reference that met a value of a known kind: checked after resolution."""

    path: Path
    site: Site
    kind: str
    below: Site


def resolve(tree: Branch, pending: Iterable[Pending]) -> tuple[Branch, list[Diagnostic]]:
    """The tree with every reference followed, and what is wrong with them.

    Maps and lists without references are shared as they are. Cost: one pass, and for each
    reference the size of what it copies.
    """
    run = _Resolver(tree)
    out = run.node(tree, ())
    assert isinstance(out, Branch)
    for item in pending:
        run.check(item, out)
    return out, run.found


class _Failed(Exception):  # reported already; the value that needed it has none
    pass


class _Resolver:
    """One resolution. `done` holds resolved references by path, None for failed ones."""

    def __init__(self, tree: Branch) -> None:
        self.tree = tree
        self.found: list[Diagnostic] = []
        self.done: dict[Path, Node | None] = {}
        self.active: dict[Path, Value[Any]] = {}
        self.copied = 0

    def node(self, node: Node, path: Path) -> Node:
        """A tree with its references followed; failed ones stay as they are, for they are
        reported."""
        if isinstance(node, Value):
            if not _mentions(node.value):
                return node
            try:
                return self.value(node, path)
            except _Failed:
                return node
        if node.settled:
            return node
        before = len(self.found)
        out = self.branch(node, path) if isinstance(node, Branch) else self.items(node, path)
        # A reference that failed stays as it is too, and every app must hear of it.
        node.settled = out is node and len(self.found) == before
        return out

    def branch(self, node: Branch, path: Path) -> Branch:
        children: dict[str, Node] | None = None
        for key, child in node.children.items():
            if type(child) is Value and not _mentions(child.value):
                continue
            found = self.node(child, (*path, key))
            if found is not child:
                children = dict(node.children) if children is None else children
                children[key] = found
        return node if children is None else Branch(children, node.origin, node.deleted)

    def items(self, node: Items, path: Path) -> Items:
        items = tuple(self.node(child, (*path, step)) for step, child in _elements(node))
        if all(a is b for a, b in zip(items, node.children, strict=True)):
            return node
        return Items(items, node.origin, node.keys, node.deleted)

    def value(self, node: Value[Any], path: Path) -> Node:
        """One scalar. Raises _Failed when its reference cannot be followed."""
        datum = node.value
        if not isinstance(datum, str):
            return node
        if type(datum) is Raw:
            return Value(str(datum), node.origin)
        if OPEN not in datum:
            return node
        if path in self.done:
            known = self.done[path]
            if known is None:
                raise _Failed
            return known
        if path in self.active:
            self.cycle(path)
            raise _Failed
        self.active[path] = node
        result: Node | None = None
        try:
            result = self.template(node, templates.parts(datum), path)
        finally:
            del self.active[path]
            self.done[path] = result
        return result

    def template(self, node: Value[Any], parts: tuple[Part, ...], path: Path) -> Node:
        for part in parts:
            if isinstance(part, Malformed):
                self.wrong("E_REF_SYNTAX", part.why, node, path, help="e.g. ${{ a.b[0].c }}")
                raise _Failed
        if len(parts) == 1:
            part = parts[0]
            if isinstance(part, str):
                return Value(part, node.origin)
            assert isinstance(part, Ref)
            return self.copied_as(self.follow(part, node, path), node, path)
        texts = []
        through: list[Origin] = []
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            assert isinstance(part, Ref)
            target = self.follow(part, node, path)
            texts.append(self.text(part, target, node, path))
            if target is not None and not isinstance(target, _Default):
                through.append(target.origin)
        text = "".join(texts)
        self.count(len(text), node, path)
        return Value(text, _through(node.origin, through))

    # -- following ---------------------------------------------------------------------------------

    def follow(self, ref: Ref, node: Value[Any], path: Path) -> Node | _Default:
        """The resolved target of one reference."""
        if len(self.active) > _DEPTH:
            self.wrong("E_CYCLE", f"references nest deeper than {_DEPTH}", node, path)
            raise _Failed
        target: Node = self.tree
        at: Path = ()
        for step in ref.path:
            if isinstance(target, Value):
                target = self.value(target, at)
            found = _step(target, step)
            if found is None:
                if ref.has_default:
                    return _Default(ref.default)
                self.missing(ref, target, step, node, path)
                raise _Failed
            named, target = found
            at = (*at, named)
        if path[: len(at)] == at:
            self.wrong("E_CYCLE", f"{ref.text} contains this very value", node, path)
            raise _Failed
        if isinstance(target, Value):
            return self.value(target, at)
        before = len(self.found)
        resolved = self.node(target, at)
        if len(self.found) > before and any(d.code == "E_CYCLE" for d in self.found[before:]):
            raise _Failed
        return resolved

    def copied_as(self, target: Node | _Default, node: Value[Any], path: Path) -> Node:
        """A whole scalar's copy: the place stays the reference's, the target is `through`."""
        if isinstance(target, _Default):
            return _literal(target.datum, node.origin)
        self.copied += _size(target)
        if self.copied > _COPIES:
            message = f"references copy more than {_COPIES} values"
            self.wrong("E_SIZE", message, node, path)
            raise _Failed
        return self.copy(target, node.origin, node.origin)

    def copy(self, target: Node, own: Origin, first: Origin) -> Node:
        origin = _through(own, [target.origin])
        if isinstance(target, Value):
            return Value(target.value, origin)
        inner = Origin(first.site, first.layer, first.op, None, is_scalar=False)
        if isinstance(target, Branch):
            children = {k: self.copy(c, inner, first) for k, c in target.children.items()}
            return Branch(children, origin)
        return Items(
            tuple(self.copy(child, inner, first) for child in target.children),
            origin,
            target.keys,
        )

    def text(self, ref: Ref, target: Node | _Default, node: Value[Any], path: Path) -> str:
        datum: Any
        if isinstance(target, _Default):
            datum = target.datum
        elif isinstance(target, Value):
            datum = target.value
        else:
            datum = {} if isinstance(target, Branch) else []
        if isinstance(datum, str):
            return str(datum)
        if isinstance(datum, bool | int | float):
            return json.dumps(datum)
        kinds = {dict: "a map", list: "a list", SecretRef: "a secret", type(None): "null"}
        related = (
            [] if isinstance(target, _Default) else [Related(target.origin.site, "it is here")]
        )
        self.wrong(
            "E_INTERP_TYPE",
            f"{ref.text} is {kinds[type(datum)]} and cannot become part of a text",
            node,
            path,
            related=related,
            help="refer to a scalar, or let the reference be the whole value",
        )
        raise _Failed

    def count(self, size: int, node: Value[Any], path: Path) -> None:
        if size > _LIMIT:
            self.wrong("E_SIZE", f"the text grows beyond {_LIMIT} characters", node, path)
            raise _Failed

    # -- checks ------------------------------------------------------------------------------------

    def check(self, item: Pending, out: Branch) -> None:
        """The type rule, on the resolved value of a reference that still wins."""
        before = locks.find(self.tree, item.path)
        after = locks.find(out, item.path)
        if not isinstance(before, Value) or before.origin.site != item.site or after is before:
            return
        if after is None:
            return
        kind = kind_of(after)
        if kind == item.kind or "null" in (kind, item.kind):
            return
        if (item.kind, kind) == ("string", "secret"):
            return
        self.found.append(
            error(
                "E_TYPE_CHANGE",
                f"a {item.kind} below, and this refers to a {kind}",
                item.site,
                path=spell(item.path),
                related=[Related(item.below, f"below: a {item.kind}")],
                found=kind,
                help=f"refer to a {item.kind}; to change the type on purpose, mark it !force",
            )
        )

    def missing(self, ref: Ref, parent: Node, step: Any, node: Value[Any], path: Path) -> None:
        related = []
        text = f"nothing at {ref.text}"
        if isinstance(parent, Branch) and step in parent.deleted:
            text = f"{ref.text} is deleted by a layer"
            related = [Related(parent.deleted[step].site, "deleted here")]
        self.wrong(
            "E_REF_MISSING",
            text,
            node,
            path,
            related=related,
            help="correct the path, or give a default: ${{ path ?? default }}",
        )

    def cycle(self, path: Path) -> None:
        """Reported at every reference on the way round."""
        ring = list(self.active)
        ring = ring[ring.index(path) :]
        names = " -> ".join(spell(p) for p in [*ring, path])
        for step in ring:
            others = [Related(self.active[p].origin.site, spell(p)) for p in ring if p != step]
            self.wrong(
                "E_CYCLE", f"references go round: {names}", self.active[step], step, related=others
            )

    def wrong(self, code: str, message: str, node: Value[Any], path: Path, **more: Any) -> None:
        self.found.append(error(code, message, node.origin.site, path=spell(path), **more))


def _mentions(datum: Any) -> bool:
    """Whether a scalar must be looked at: it may hold a reference, or is marked `!raw`."""
    return isinstance(datum, str) and (OPEN in datum or type(datum) is Raw)


class _Default(NamedTuple):
    datum: Any


def _size(node: Node) -> int:
    """Nodes of a tree."""
    if isinstance(node, Branch):
        return 1 + sum(_size(child) for child in node.children.values())
    if isinstance(node, Items):
        return 1 + sum(_size(child) for child in node.children)
    return 1


def _literal(datum: Any, origin: Origin) -> Node:
    if isinstance(datum, dict):
        return Branch({k: _literal(v, origin) for k, v in datum.items()}, origin)
    if isinstance(datum, list):
        return Items(tuple(_literal(v, origin) for v in datum), origin)
    return Value(datum, origin)


def _through(own: Origin, targets: list[Origin]) -> Origin:
    return Origin(
        own.site,
        own.layer,
        own.op,
        own.value,
        own.under,
        own.through + tuple(targets),
        is_scalar=own.is_scalar,
    )


def _elements(node: Items) -> Iterator[tuple[int | Selector, Node]]:
    """A list's elements under the steps that name them: by key where it has one."""
    for index, child in enumerate(node.children):
        identity = locks.selector_of(child, node.keys) if node.keys else None
        yield (index if identity is None else identity), child


def _step(node: Node, step: Any) -> tuple[Any, Node] | None:
    """One step into a tree, with the step's own spelling: an index into a keyed list is an
    element by key."""
    if isinstance(node, Branch) and isinstance(step, str):
        child = node.children.get(step)
        return None if child is None else (step, child)
    if isinstance(node, Items) and isinstance(step, int):
        if step >= len(node.children):
            return None
        child = node.children[step]
        identity = locks.selector_of(child, node.keys) if node.keys else None
        return (step if identity is None else identity), child
    if isinstance(node, Items) and isinstance(step, Selector):
        names = tuple(key for key, _ in step.pairs)
        for index, child in enumerate(node.children):
            if locks.selector_of(child, names) == step:
                identity = locks.selector_of(child, node.keys) if node.keys else None
                return (index if identity is None else identity), child
    return None
