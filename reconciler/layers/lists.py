"""Lists: replace, append, prepend, union, remove, by key (merge rules M3.4, M4, M5).

Index merging does not exist. Lists declared by key are checked in every layer, the first included.
"""

from __future__ import annotations

from typing import Any, Protocol

from reconciler.diagnostics import Related
from reconciler.layers import paths, templates
from reconciler.layers.locks import selector_of
from reconciler.layers.markers import Marked, Marks
from reconciler.layers.paths import Path, Patterns, Selector, Strategy
from reconciler.origin import Branch, Deletion, Items, Node, Op, Origin, SecretRef, Site, Value

__all__ = ["Layering", "combine", "lay_fresh"]

_NONE = Marks()


class Layering(Protocol):
    """The laying of one layer, as far as a list needs it: for its elements, which are nodes like
    any other, and to report mistakes."""

    simple: bool

    def error(self, code: str, message: str, site: Site, path: Path, **more: Any) -> None: ...
    def link(self, own: Origin, op: Op, below: Any) -> Origin: ...
    def deletion(self, own: Origin, op: Op, below: Node) -> Deletion: ...
    def lock(self, result: Node | None, high: Any, path: Path) -> None: ...
    def reference(self, node: Value[Any], low: Node | None, path: Path) -> None: ...
    def placed(self, marks: Marks, high: Marked, low: Node | None, path: Path) -> None: ...
    def fresh(
        self,
        node: Any,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
        op: Op = "set",
        *,
        exempt: bool = False,
    ) -> Node: ...
    def meet(
        self,
        low: Node | None,
        high: Any,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None = None,
    ) -> tuple[Node | None, Origin | None]: ...


def _strategy(marks: Marks, states: tuple[Patterns, ...]) -> Strategy:
    """The inline tag, else the declaration, else replace."""
    if marks.operation:
        return Strategy(marks.operation, marks.keys)
    return paths.declared(states) or Strategy("replace")


def lay_fresh(
    run: Layering,
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
        run.error(
            "E_REMOVE_MISSING", "there is no list below to remove from", node.origin.site, path
        )
        return Items((), run.link(node.origin, "set", was))
    inner = paths.into_list(states)
    if strategy.operation == "by":
        return _keyed(run, None, node, strategy.keys, path, inner, run.link(node.origin, op, was))
    _check_declared(run, node, marks, path, states)
    simple = run.simple and not inner
    if simple and was is None and op == "set" and marks.operation != "union":
        return node
    children = _elements(run, node, path, inner, op)
    if marks.operation == "union":  # the tag's own effect; a declaration is about two lists
        children = _new_ones((), children)
    return Items(tuple(children), run.link(node.origin, op, was))


def combine(
    run: Layering,
    low: Items,
    node: Items,
    marks: Marks,
    path: Path,
    states: tuple[Patterns, ...],
) -> Items:
    """Two lists by their strategy."""
    strategy = _strategy(marks, states)
    inner = paths.into_list(states)
    operation = strategy.operation
    if operation == "by":
        origin = run.link(node.origin, "merge", low)
        return _keyed(run, low, node, strategy.keys, path, inner, origin)
    if operation == "remove":
        return _removed(run, low, node, path)
    _check_declared(run, node, marks, path, states)
    if operation == "replace":
        taken = _elements(run, node, path, inner, "set")
        return Items(tuple(taken), run.link(node.origin, "replace", low))
    offset = 0 if operation == "prepend" else len(low.children)
    op: Op = {"append": "append", "prepend": "prepend", "union": "union"}[operation]  # type: ignore[assignment]
    added = _elements(run, node, path, inner, op, offset)
    if operation == "union":
        added = _new_ones(low.children, added)
    children = (*added, *low.children) if operation == "prepend" else (*low.children, *added)
    return Items(children, run.link(node.origin, op, low), deleted=low.deleted)


def _elements(
    run: Layering,
    node: Items,
    path: Path,
    states: tuple[Patterns, ...],
    op: Op,
    offset: int = 0,
) -> list[Node]:
    """The elements of a list that is not keyed. A null element is a literal null."""
    if run.simple and not states and op == "set":
        return list(node.children)
    out: list[Node] = []
    for index, child in enumerate(node.children, offset):
        out.append(_element(run, child, (*path, index), states, op))
    return out


def _element(run: Layering, child: Any, path: Path, states: tuple[Patterns, ...], op: Op) -> Node:
    marks, tree = _NONE, child
    if type(child) is Marked:
        marks, tree = child.marks, child.node
        run.placed(marks, child, None, path)
    if type(tree) is Value:
        run.reference(tree, None, path)
        result: Node = Value(tree.value, run.link(tree.origin, op, None))
    else:
        result = run.fresh(tree, marks, path, states, None, op, exempt=True)
    if marks.final:
        run.lock(result, child, path)
    return result


def _check_declared(
    run: Layering, node: Items, marks: Marks, path: Path, states: tuple[Patterns, ...]
) -> None:
    """A list declared by key is checked even where a tag says how it meets the one below."""
    strategy = paths.declared(states)
    if strategy is not None and strategy.operation == "by" and marks.operation:
        _identified(run, node, strategy.keys, path)


# -- by key ----------------------------------------------------------------------------------------


def _identified(
    run: Layering, node: Items, keys: tuple[str, ...], path: Path
) -> dict[Selector, Any]:
    """The elements by identity; a missing key field or a repeat is reported at its element."""
    out: dict[Selector, Any] = {}
    child: Any
    for index, child in enumerate(node.children):
        tree = child.node if isinstance(child, Marked) else child
        identity = selector_of(tree, keys)
        if identity is None:
            what = "is not a map" if not isinstance(tree, Branch) else f"has no {'+'.join(keys)}"
            run.error(
                "E_LIST_KEY",
                f"the element {index} {what}, and this list is merged by {'+'.join(keys)}",
                child.origin.site,
                path,
            )
        elif _refers(tree, keys):
            run.error(
                "E_LIST_KEY",
                f"the element {index} is named by a reference; {'+'.join(keys)} must be plain",
                child.origin.site,
                path,
            )
        elif identity in out:
            run.error(
                "E_LIST_DUP",
                f"{identity} stands twice in this list",
                child.origin.site,
                path,
                related=[Related(out[identity].origin.site, "first here")],
            )
        else:
            out[identity] = child
    return out


def _refers(tree: Any, keys: tuple[str, ...]) -> bool:
    """Whether a key field is a reference: an identity must not depend on other layers."""
    fields: list[Any] = [tree.children[key] for key in keys]
    return any(templates.mentioned(f.node if isinstance(f, Marked) else f) for f in fields)


def _keyed(
    run: Layering,
    low: Items | None,
    node: Items,
    keys: tuple[str, ...],
    path: Path,
    states: tuple[Patterns, ...],
    origin: Origin,
) -> Items:
    """Matched elements merge and keep their place, new ones go to the end."""
    merged: dict[Selector, Node] = _identified(run, low, keys, path) if low is not None else {}
    deleted: dict[str, Origin] = dict(low.deleted) if low is not None else {}
    for identity, child in _identified(run, node, keys, path).items():
        here = (*path, identity)
        below = merged.get(identity)
        if isinstance(child, Marked) and child.marks.delete:
            if below is None:
                run.error(
                    "E_DELETE_MISSING",
                    f"there is no element {identity} below to delete",
                    child.origin.site,
                    here,
                )
            else:
                deleted[str(identity)] = run.deletion(child.origin, "delete", below)
                del merged[identity]
            continue
        was = deleted.get(str(identity))
        if low is None and isinstance(child, Branch | Items | Value):
            found: Node | None = run.fresh(child, _NONE, here, states, was, exempt=True)
        else:
            found, _ = run.meet(below, child, here, states, was)
        if found is not None:
            merged[identity] = found
            deleted.pop(str(identity), None)
    return Items(tuple(merged.values()), origin, keys, deleted)


# -- sets ------------------------------------------------------------------------------------------


def _identity(node: Any) -> Any:
    """Deep equality in which `1` is not `"1"` and `true` is not `1`, but `1` is `1.0`."""
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


def _new_ones(low: tuple[Node, ...], added: list[Node]) -> list[Node]:
    seen = {_identity(child) for child in low}
    out = []
    for child in added:
        identity = _identity(child)
        if identity not in seen:
            seen.add(identity)
            out.append(child)
    return out


def _removed(run: Layering, low: Items, node: Items, path: Path) -> Items:
    unwanted: dict[Any, Any] = {}
    present = {_identity(child) for child in low.children}
    for child in node.children:
        identity = _identity(child)
        if identity not in present:
            run.error(
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
            deleted[f"[{index}]"] = run.deletion(remover.origin, "remove", child)
    origin = run.link(node.origin, "remove", low)
    return Items(tuple(kept), origin, low.keys, deleted)
