"""Resolves references `${{ path }}`, once, after all layers are merged (merge rule M7).

A value that is one reference becomes a copy of the target, of any kind. Inside a longer text the
target must be a scalar and becomes text, written as in JSON. `$${{` stands for the text `${{`. A
text with `!raw`, a key of a map and an overridden value are not resolved. References have no
functions, no environment variables and no loops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.layers import locks, templates
from reconciler.layers.kinds import kind_of
from reconciler.layers.markers import Raw
from reconciler.layers.paths import Path, Selector, spell
from reconciler.layers.templates import OPEN, Malformed, Part, Ref
from reconciler.origin import Branch, Items, Node, Origin, SecretRef, Site, Value
from reconciler.suggest import nearest, question

__all__ = ["Pending", "resolve", "resolve_into"]

_DEPTH = 64
_LIMIT = 1024 * 1024
_COPIES = 100_000


class Pending(NamedTuple):
    """A value that is one reference and overrides a value of kind `kind`, at `below`. Its own kind
    is checked after references are resolved."""

    path: Path
    site: Site
    kind: str
    below: Site


def resolve(
    tree: Branch, pending: Iterable[Pending], respelt: Mapping[Site, str] | None = None
) -> tuple[Branch, list[Diagnostic]]:
    """The tree with all references resolved, and the mistakes in references.

    Maps and lists without references are shared, not copied. Cost: one pass over the tree, and for
    each reference the size of its copy. `respelt`: as in `Document`.
    """
    run = _Resolver(tree, respelt or {})
    out = run.resolve_node(tree, ())
    assert isinstance(out, Branch)
    for item in pending:
        run.check_kind(item, out)
    return out, run.found


def resolve_into(
    node: Branch, values: Branch, respelt: Mapping[Site, str]
) -> tuple[Branch, list[Diagnostic]]:
    """A map whose references lead to `values`, another tree, and the mistakes in them. `values` is
    resolved already: a text in it is taken as it is. `respelt`: as in `Document`."""
    run = _Resolver(values, respelt, is_done=True)
    out = run.resolve_node(node, ())
    assert isinstance(out, Branch)
    return out, run.found


class _Failed(Exception):
    """A reference cannot be resolved. It is already reported."""


class _Resolver:
    """The resolution of one tree. `done` maps the path of a resolved reference to its result, None
    for a failed one; `active` holds the references that are being resolved. `is_done`: `tree` is
    another tree than the one with the references, and is resolved already."""

    def __init__(self, tree: Branch, respelt: Mapping[Site, str], *, is_done: bool = False) -> None:
        self.tree = tree
        self.is_done = is_done
        self.respelt = respelt
        self.found: list[Diagnostic] = []
        self.done: dict[Path, Node | None] = {}
        self.active: dict[Path, Value[Any]] = {}
        self.copied = 0

    def resolve_node(self, node: Node, path: Path) -> Node:
        """The subtree with its references resolved. A failed reference stays as it is."""
        if isinstance(node, Value):
            if not _may_refer(node.value):
                return node
            try:
                return self.resolve_scalar(node, path)
            except _Failed:
                return node
        if node.settled:
            return node
        before = len(self.found)
        out = (
            self.resolve_map(node, path)
            if isinstance(node, Branch)
            else self.resolve_list(node, path)
        )
        # A failed reference stays too, and must be reported for every app that has it.
        node.settled = out is node and len(self.found) == before
        return out

    def resolve_map(self, node: Branch, path: Path) -> Branch:
        children: dict[str, Node] | None = None
        for key, child in node.children.items():
            if type(child) is Value and not _may_refer(child.value):
                continue
            found = self.resolve_node(child, (*path, key))
            if found is not child:
                children = dict(node.children) if children is None else children
                children[key] = found
        return node if children is None else Branch(children, node.origin, node.deleted)

    def resolve_list(self, node: Items, path: Path) -> Items:
        items = tuple(self.resolve_node(child, (*path, step)) for step, child in _elements(node))
        if all(a is b for a, b in zip(items, node.children, strict=True)):
            return node
        return Items(items, node.origin, node.keys, node.deleted)

    def resolve_scalar(self, node: Value[Any], path: Path) -> Node:
        """The scalar with its references resolved. Raises _Failed."""
        datum = node.value
        if not isinstance(datum, str):
            return node
        if type(datum) is Raw:
            return Value(str(datum), node.origin)
        if OPEN not in datum:
            return node
        if path in self.done:
            earlier = self.done[path]
            if earlier is None:
                raise _Failed
            return earlier
        if path in self.active:
            self.report_cycle(path)
            raise _Failed
        self.active[path] = node
        result: Node | None = None
        try:
            result = self.resolve_text(node, templates.parts(datum), path)
        finally:
            del self.active[path]
            self.done[path] = result
        return result

    def resolve_text(self, node: Value[Any], parts: tuple[Part, ...], path: Path) -> Node:
        for part in parts:
            if isinstance(part, Malformed):
                self.report("E_REF_SYNTAX", part.why, node, path, help="e.g. ${{ a.b[0].c }}")
                raise _Failed
        if len(parts) == 1:
            part = parts[0]
            if isinstance(part, str):
                return Value(part, node.origin)
            assert isinstance(part, Ref)
            return self.copy_target(self.follow(part, node, path), node, path)
        texts = []
        through: list[Origin] = []
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            assert isinstance(part, Ref)
            target = self.follow(part, node, path)
            texts.append(self.text_of(part, target, node, path))
            if target is not None and not isinstance(target, _Default):
                through.append(target.origin)
        text = "".join(texts)
        self.check_size(len(text), node, path)
        return Value(text, _add_through(node.origin, through))

    # -- following ---------------------------------------------------------------------------------

    def follow(self, ref: Ref, node: Value[Any], path: Path) -> Node | _Default:
        """The resolved target of one reference, or its default. Raises _Failed."""
        if len(self.active) > _DEPTH:
            self.report("E_CYCLE", f"references nest deeper than {_DEPTH}", node, path)
            raise _Failed
        if self.is_done and ref.path[0] not in self.tree.children:
            self.report_root(ref, node, path)
            raise _Failed
        target: Node = self.tree
        at: Path = ()
        for step in ref.path:
            if isinstance(target, Value) and not self.is_done:
                target = self.resolve_scalar(target, at)
            found = _step(target, step)
            if found is None:
                if ref.has_default:
                    return _Default(ref.default)
                self.report_missing(ref, target, step, node, path)
                raise _Failed
            exact_step, target = found
            at = (*at, exact_step)
        if self.is_done:
            return target
        if path[: len(at)] == at:
            self.report("E_CYCLE", f"{ref.text} contains this very value", node, path)
            raise _Failed
        if isinstance(target, Value):
            return self.resolve_scalar(target, at)
        before = len(self.found)
        resolved = self.resolve_node(target, at)
        if len(self.found) > before and any(d.code == "E_CYCLE" for d in self.found[before:]):
            raise _Failed
        return resolved

    def copy_target(self, target: Node | _Default, node: Value[Any], path: Path) -> Node:
        """The copy of a target in place of a value that is one reference. The origin stays that of
        the reference; the target's origin is in `through`."""
        if isinstance(target, _Default):
            return _literal(target.datum, node.origin)
        self.copied += _size(target)
        if self.copied > _COPIES:
            message = f"references copy more than {_COPIES} values"
            self.report("E_SIZE", message, node, path)
            raise _Failed
        return self.copy(target, node.origin, node.origin)

    def copy(self, target: Node, own: Origin, first: Origin) -> Node:
        origin = _add_through(own, [target.origin])
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

    def text_of(self, ref: Ref, target: Node | _Default, node: Value[Any], path: Path) -> str:
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
            text = json.dumps(datum)
            if isinstance(target, Value):
                self.check_spelling(ref, target, text, node, path)
            return text
        kinds = {dict: "a map", list: "a list", SecretRef: "a secret", type(None): "null"}
        related = (
            [] if isinstance(target, _Default) else [Related(target.origin.site, "it is here")]
        )
        self.report(
            "E_INTERP_TYPE",
            f"{ref.text} is {kinds[type(datum)]} and cannot become part of a text",
            node,
            path,
            related=related,
            help="refer to a scalar, or let the reference be the whole value",
        )
        raise _Failed

    def check_spelling(
        self, ref: Ref, target: Value[Any], text: str, node: Value[Any], path: Path
    ) -> None:
        """Refuses a number that would stand in the text with another spelling: `3.10` as 3.1."""
        for site in target.origin.sites():
            written = self.respelt.get(site)
            if written is not None and written != text:
                self.report(
                    "E_NUMBER",
                    f"{ref.text} is the number {written}, and would stand in this text as {text}",
                    node,
                    path,
                    related=[Related(site, f"write it as a text: {json.dumps(written)}")],
                    help=f"quote the number where it is set: {json.dumps(written)}",
                )
                return

    def check_size(self, size: int, node: Value[Any], path: Path) -> None:
        if size > _LIMIT:
            self.report("E_SIZE", f"the text grows beyond {_LIMIT} characters", node, path)
            raise _Failed

    # -- checks ------------------------------------------------------------------------------------

    def check_kind(self, item: Pending, out: Branch) -> None:
        """Checks the kind of a resolved reference (M3.6), unless a higher layer overrides it."""
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

    def report_missing(
        self, ref: Ref, parent: Node, step: Any, node: Value[Any], path: Path
    ) -> None:
        related = []
        text = f"nothing at {ref.text}"
        close = None
        if isinstance(parent, Branch) and step in parent.deleted:
            text = f"{ref.text} is deleted by a layer"
            related = [Related(parent.deleted[step].site, "deleted here")]
        elif isinstance(parent, Branch) and isinstance(step, str):
            close = nearest(step, (str(key) for key in parent.children))
        way_out = "correct the path, or give a default: ${{ path ?? default }}"
        self.report(
            "E_REF_MISSING",
            text,
            node,
            path,
            related=related,
            found=ref.text,
            help=f"{question(close)} Or give a default: ${{{{ path ?? default }}}}"
            if close is not None
            else way_out,
        )

    def report_root(self, ref: Ref, node: Value[Any], path: Path) -> None:
        """Reports a reference that begins with none of the names of another tree. There a default
        is no way out."""
        roots = ", ".join(f"`{name}.`" for name in self.tree.children)
        found: Node | None = None
        for name, child in self.tree.children.items():
            found, known = child, f"{name}.{ref.text}"
            for step in ref.path:
                stepped = _step(found, step) if found is not None else None
                found = stepped[1] if stepped is not None else None
            if found is not None:
                break
        way_out = f"write ${{{{ {known} }}}}" if found is not None else f"begin it with {roots}"
        self.report(
            "E_REF_MISSING",
            f"a reference begins with {roots} here, and {ref.text} does not",
            node,
            path,
            found=ref.text,
            help=f"{way_out}; `$${{{{` stands for the text `${{{{`",
        )

    def report_cycle(self, path: Path) -> None:
        """Reports a cycle at each of its references."""
        ring = list(self.active)
        ring = ring[ring.index(path) :]
        names = " -> ".join(spell(p) for p in [*ring, path])
        for step in ring:
            others = [Related(self.active[p].origin.site, spell(p)) for p in ring if p != step]
            self.report(
                "E_CYCLE",
                f"references form a cycle: {names}",
                self.active[step],
                step,
                related=others,
            )

    def report(self, code: str, message: str, node: Value[Any], path: Path, **more: Any) -> None:
        self.found.append(error(code, message, node.origin.site, path=spell(path), **more))


def _may_refer(datum: Any) -> bool:
    """Whether a scalar may hold a reference or is marked `!raw`."""
    return isinstance(datum, str) and (OPEN in datum or type(datum) is Raw)


class _Default(NamedTuple):
    """The default of a reference whose target does not exist."""

    datum: Any


def _size(node: Node) -> int:
    """The number of nodes of a tree."""
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


def _add_through(own: Origin, targets: list[Origin]) -> Origin:
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
    """The elements of a list with their steps: by key in a keyed list, else by index."""
    for index, child in enumerate(node.children):
        identity = locks.selector_of(child, node.keys) if node.keys else None
        yield (index if identity is None else identity), child


def _step(node: Node, step: Any) -> tuple[Any, Node] | None:
    """The child at one step and its exact step: in a keyed list an index becomes a Selector. None
    when there is no such child."""
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
        found = locks.find_element(node.children, step)
        for index, child in enumerate(node.children):
            if child is found:
                identity = locks.selector_of(child, node.keys) if node.keys else None
                return (index if identity is None else identity), child
    return None
