"""Merges lists: replace, append, prepend, union, remove, by key (merge rules M3.4, M4, M5).

Lists are never merged by index. A list that is declared by key is checked in every layer, also in
the lowest.
"""

from __future__ import annotations

from typing import Any, Protocol

from reconciler.diagnostics import Related
from reconciler.layers import paths, templates
from reconciler.layers.locks import selector_of
from reconciler.layers.markers import Marked, Marks
from reconciler.layers.paths import Path, Patterns, Selector, Strategy
from reconciler.origin import Branch, Deletion, Items, Node, Op, Origin, SecretRef, Site, Value

__all__ = ["Layering", "ListMerge"]

_NONE = Marks()


class Layering(Protocol):
    """The parts of `layering.Layering` that a list needs: to merge its elements and to report
    mistakes."""

    simple: bool
    element: Site | None

    def error(self, code: str, message: str, site: Site, path: Path, **more: Any) -> None: ...
    def make_link(self, own: Origin, op: Op, below: Any) -> Origin: ...
    def make_deletion(self, own: Origin, op: Op, below: Node) -> Deletion: ...
    def lock(self, result: Node | None, high: Any, path: Path) -> None: ...
    def note_reference(self, node: Value[Any], low: Node | None, path: Path) -> None: ...
    def check_place(self, marks: Marks, high: Marked, low: Node | None, path: Path) -> None: ...
    def build_node(
        self,
        node: Any,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
        op: Op = "set",
    ) -> Node: ...
    def merge_node(
        self,
        low: Node | None,
        high: Any,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None = None,
    ) -> tuple[Node | None, Origin | None]: ...


class ListMerge:
    """Merges the lists of one layer. The parameters mean the same as in `layering.Layering`."""

    def __init__(self, layering: Layering) -> None:
        self.layering = layering

    def build(
        self,
        node: Items,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
        op: Op,
    ) -> Items:
        """A list with nothing below it."""
        strategy = _strategy(marks, states)
        if strategy.operation == "remove":
            self.layering.error(
                "E_REMOVE_MISSING", "there is no list below to remove from", node.origin.site, path
            )
            return Items((), self.layering.make_link(node.origin, "set", was))
        inner = paths.into_list(states)
        if strategy.operation == "by":
            return self._merge_keyed(
                None,
                node,
                strategy.keys,
                path,
                inner,
                self.layering.make_link(node.origin, op, was),
            )
        self._check_declared(node, marks, path, states)
        simple = self.layering.simple and not inner
        if simple and was is None and op == "set" and marks.operation != "union":
            return node
        children = self._build_elements(node, path, inner, op)
        # A tag's union also holds without a list below; a declared union is about two lists.
        if marks.operation == "union":
            children = _without_repeats((), children)
        return Items(tuple(children), self.layering.make_link(node.origin, op, was))

    def combine(
        self,
        low: Items,
        node: Items,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
    ) -> Items:
        """Two lists, merged by their strategy."""
        strategy = _strategy(marks, states)
        inner = paths.into_list(states)
        operation = strategy.operation
        if operation == "by":
            origin = self.layering.make_link(node.origin, "merge", low)
            return self._merge_keyed(low, node, strategy.keys, path, inner, origin)
        if operation == "remove":
            return self._remove(low, node, path)
        self._check_declared(node, marks, path, states)
        if operation == "replace":
            elements = self._build_elements(node, path, inner, "set")
            return Items(tuple(elements), self.layering.make_link(node.origin, "replace", low))
        offset = 0 if operation == "prepend" else len(low.children)
        op: Op = {"append": "append", "prepend": "prepend", "union": "union"}[operation]  # type: ignore[assignment]
        added = self._build_elements(node, path, inner, op, offset)
        if operation == "union":
            added = _without_repeats(low.children, added)
        children = (*added, *low.children) if operation == "prepend" else (*low.children, *added)
        return Items(children, self.layering.make_link(node.origin, op, low), deleted=low.deleted)

    def _build_elements(
        self,
        node: Items,
        path: Path,
        states: tuple[Patterns, ...],
        op: Op,
        offset: int = 0,
    ) -> list[Node]:
        """The elements of a list that is not keyed. A null element stays a null."""
        if self.layering.simple and not states and op == "set":
            return list(node.children)
        out: list[Node] = []
        outer = self.layering.element
        for index, child in enumerate(node.children, offset):
            self.layering.element = outer or child.origin.site
            out.append(self._build_element(child, (*path, index), states, op))
        self.layering.element = outer
        return out

    def _build_element(self, child: Any, path: Path, states: tuple[Patterns, ...], op: Op) -> Node:
        marks, tree = _NONE, child
        if type(child) is Marked:
            marks, tree = child.marks, child.node
            self.layering.check_place(marks, child, None, path)
        if type(tree) is Value:
            self.layering.note_reference(tree, None, path)
            result: Node = Value(tree.value, self.layering.make_link(tree.origin, op, None))
        else:
            result = self.layering.build_node(tree, marks, path, states, None, op)
        if marks.final:
            self.layering.lock(result, child, path)
        return result

    def _check_declared(
        self, node: Items, marks: Marks, path: Path, states: tuple[Patterns, ...]
    ) -> None:
        """Checks a list that is declared by key also when a tag gives another strategy."""
        strategy = paths.declared(states)
        if strategy is not None and strategy.operation == "by" and marks.operation:
            self._by_identity(node, strategy.keys, path)

    # -- by key ------------------------------------------------------------------------------------

    def _by_identity(self, node: Items, keys: tuple[str, ...], path: Path) -> dict[Selector, Any]:
        """The elements of a keyed list by identity. Reports elements without a key field and
        elements that stand twice."""
        out: dict[Selector, Any] = {}
        child: Any
        for index, child in enumerate(node.children):
            tree = child.node if isinstance(child, Marked) else child
            identity = selector_of(tree, keys)
            if identity is None:
                is_map = isinstance(tree, Branch)
                reason = f"has no {'+'.join(keys)}" if is_map else "is not a map"
                self.layering.error(
                    "E_LIST_KEY",
                    f"the element {index} {reason}, and this list is merged by {'+'.join(keys)}",
                    child.origin.site,
                    path,
                )
            elif _refers(tree, keys):
                self.layering.error(
                    "E_LIST_KEY",
                    f"the element {index} is named by a reference; {'+'.join(keys)} must be plain",
                    child.origin.site,
                    path,
                )
            elif identity in out:
                self.layering.error(
                    "E_LIST_DUP",
                    f"{identity} stands twice in this list",
                    child.origin.site,
                    path,
                    related=[Related(out[identity].origin.site, "first here")],
                )
            else:
                out[identity] = child
        return out

    def _merge_keyed(
        self,
        low: Items | None,
        node: Items,
        keys: tuple[str, ...],
        path: Path,
        states: tuple[Patterns, ...],
        origin: Origin,
    ) -> Items:
        """Two lists merged by key: elements with equal keys are merged and keep their place; new
        elements are added at the end."""
        merged: dict[Selector, Node] = self._by_identity(low, keys, path) if low is not None else {}
        deleted: dict[str, Origin] = dict(low.deleted) if low is not None else {}
        for identity, child in self._by_identity(node, keys, path).items():
            place = (*path, identity)
            below = merged.get(identity)
            if isinstance(child, Marked) and child.marks.delete:
                if below is None:
                    self.layering.error(
                        "E_DELETE_MISSING",
                        f"there is no element {identity} below to delete",
                        child.origin.site,
                        place,
                    )
                else:
                    deleted[str(identity)] = self.layering.make_deletion(
                        child.origin, "delete", below
                    )
                    del merged[identity]
                continue
            was = deleted.get(str(identity))
            if low is None and isinstance(child, Branch | Items | Value):
                found: Node | None = self.layering.build_node(child, _NONE, place, states, was)
            else:
                found, _ = self.layering.merge_node(below, child, place, states, was)
            if found is not None:
                merged[identity] = found
                deleted.pop(str(identity), None)
        return Items(tuple(merged.values()), origin, keys, deleted)

    def _remove(self, low: Items, node: Items, path: Path) -> Items:
        unwanted: dict[Any, Any] = {}
        present = {_identity(child) for child in low.children}
        for child in node.children:
            identity = _identity(child)
            if identity not in present:
                self.layering.error(
                    "E_REMOVE_MISSING",
                    "there is no such element below to remove",
                    child.origin.site,
                    path,
                )
            unwanted[identity] = child
        kept = []
        deleted = dict(low.deleted)
        for index, child in enumerate(low.children):
            remover = unwanted.get(_identity(child))
            if remover is None:
                kept.append(child)
            else:
                deleted[f"[{index}]"] = self.layering.make_deletion(remover.origin, "remove", child)
        origin = self.layering.make_link(node.origin, "remove", low)
        return Items(tuple(kept), origin, low.keys, deleted)


def _strategy(marks: Marks, states: tuple[Patterns, ...]) -> Strategy:
    """The strategy of a list: that of its tag, else the declared one, else replace."""
    if marks.operation:
        return Strategy(marks.operation, marks.keys)
    return paths.declared(states) or Strategy("replace")


def _refers(tree: Any, keys: tuple[str, ...]) -> bool:
    """Whether a key field holds a reference. An identity must not depend on other layers."""
    fields: list[Any] = [tree.children[key] for key in keys]
    return any(templates.has_reference(f.node if isinstance(f, Marked) else f) for f in fields)


def _identity(node: Any) -> Any:
    """A key for comparing elements, at any depth: `1` differs from `"1"` and `true` from `1`, and
    `1` equals `1.0`."""
    if isinstance(node, Marked):
        node = node.node
    if isinstance(node, Branch):
        return ("map", frozenset((k, _identity(v)) for k, v in node.children.items()))
    if isinstance(node, Items):
        return ("list", tuple(_identity(child) for child in node.children))
    datum = node.value
    if isinstance(datum, bool) or datum is None:
        return ("constant", str(datum))
    if isinstance(datum, int | float):
        return ("number", datum)
    if isinstance(datum, SecretRef):
        return ("secret", datum.ref)
    return ("text", str(datum))


def _without_repeats(low: tuple[Node, ...], added: list[Node]) -> list[Node]:
    """The elements of `added` that are neither in `low` nor earlier in `added`."""
    seen = {_identity(child) for child in low}
    out = []
    for child in added:
        identity = _identity(child)
        if identity not in seen:
            seen.add(identity)
            out.append(child)
    return out
