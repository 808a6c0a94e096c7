"""`!final`: locks a value, so that no layer above may change it (merge rule M6).

After each layer, the merged value at a locked path must equal the value before. The tags that the
layer uses do not matter. A layer may write an equal value again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.layers.markers import Marked
from reconciler.layers.paths import Literal, Path, Selector, spell
from reconciler.origin import Branch, Items, Node, Site, Value, plain

__all__ = ["Lock", "find", "find_element", "find_violations", "selector_of"]


class Lock(NamedTuple):
    """A locked path, and the place of `!final`."""

    path: Path
    site: Site


def selector_of(node: Any, keys: tuple[str, ...]) -> Selector | None:
    """The identity of an element of a keyed list. None when it is no map or lacks a key field."""
    node = node.node if isinstance(node, Marked) else node
    if not isinstance(node, Branch):
        return None
    pairs = []
    for key in keys:
        field = node.children.get(key)
        field = field.node if isinstance(field, Marked) else field
        if not isinstance(field, Value):
            return None
        datum = field.value
        text = datum if isinstance(datum, str) else Literal(_spelled(datum))
        pairs.append((key, text))
    return Selector(tuple(pairs))


def _spelled(datum: Any) -> str:
    if isinstance(datum, bool):
        return "true" if datum else "false"
    if isinstance(datum, float) and datum.is_integer():
        datum = int(datum)  # 1.0 and 1 are one number
    return "null" if datum is None else str(datum)


def find_element(children: Iterable[Any], step: Selector) -> Any:
    """The element that a selector names, None when there is none. A bare `[id=1]` also finds the
    text "1" when no element has the number."""
    keys = tuple(key for key, _ in step.pairs)
    children = tuple(children)
    found = next((c for c in children if selector_of(c, keys) == step), None)
    if found is None and any(type(value) is Literal for _, value in step.pairs):
        as_texts = Selector(tuple((key, str.__str__(value)) for key, value in step.pairs))
        found = next((c for c in children if selector_of(c, keys) == as_texts), None)
    return found


def find(tree: Node, path: Path) -> Node | None:
    """The node at a path of a merged tree; None when there is none."""
    node: Node | None = tree
    for step in path:
        if isinstance(node, Branch) and isinstance(step, str):
            node = node.children.get(step)
        elif isinstance(node, Items) and isinstance(step, int):
            node = node.children[step] if step < len(node.children) else None
        elif isinstance(node, Items) and isinstance(step, Selector):
            node = find_element(node.children, step)
        else:
            return None
    return node


def find_violations(
    locks: Iterable[Lock], before: Branch, after: Branch, high: Branch
) -> Iterator[Diagnostic]:
    """An error for each lock whose value the layer `high` has changed, at the layer's entry that
    changes it."""
    for lock in locks:
        if lock.path and lock.path[0] not in high.children:
            continue  # the layer sets nothing near the lock
        old, new = find(before, lock.path), find(after, lock.path)
        if old is new or _same(old, new):
            continue
        site = _find_entry(lock.path, high, old, new)
        yield error(
            "E_LOCKED",
            f"{spell(lock.path)} is locked by a layer below",
            site,
            path=spell(lock.path),
            related=[Related(lock.site, "locked here with !final")],
            help="change the layer that locks it; its owners review that",
        )


def _same(old: Node | None, new: Node | None) -> bool:
    if old is None or new is None:
        return old is new
    return bool(_typed(plain(old)) == _typed(plain(new)))


def _typed(datum: Any) -> Any:
    """A datum in which, at any depth, `true` does not equal `1`."""
    if isinstance(datum, dict):
        return {key: _typed(value) for key, value in datum.items()}
    if isinstance(datum, list):
        return [_typed(value) for value in datum]
    return (isinstance(datum, bool), datum)


def _find_entry(path: Path, high: Branch, old: Node | None, new: Node | None) -> Site:
    """The place of the layer's entry that changes a locked value: the deepest entry on the path of
    the lock, or, inside a locked map, the first entry that differs."""
    node: Any = high
    site = high.origin.site
    for step in path:
        entry = _child(node, step)
        if entry is None:
            return site
        site = entry.origin.site
        node = entry.node if isinstance(entry, Marked) else entry
    while isinstance(node, Branch) and isinstance(old, Branch) and isinstance(new, Branch):
        for key in node.children:
            below, above = old.children.get(key), new.children.get(key)
            if not _same(below, above):
                break
        else:
            return site
        child: Any = node.children[key]
        site = child.origin.site
        node = child.node if isinstance(child, Marked) else child
        old, new = below, above
    return site


def _child(node: Any, step: Any) -> Any:
    if isinstance(node, Branch) and isinstance(step, str):
        return node.children.get(step)
    if isinstance(node, Items) and isinstance(step, Selector):
        return find_element(node.children, step)
    return None
