"""Answers where merged values come from (merge rules M10 and M12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.layers import locks, paths
from reconciler.layers.locks import Lock
from reconciler.layers.paths import Path, Selector, spell
from reconciler.origin import Branch, Deletion, Items, Node, Origin, Site, Value

__all__ = ["find_at_line", "find_lock", "find_path", "list_leaves", "list_origins", "referenced"]


def list_origins(tree: Branch) -> dict[str, Origin]:
    """Path → the newest link, for every map entry, list element and deleted path.

    When another element has the index of a removed element, the path has the link of the element
    that exists.
    """
    out: dict[str, Origin] = {}
    for path, node, origin in _walk(tree, ()):
        name = spell(path)
        if node is not None or name not in out:
            out[name] = origin
    return out


def list_leaves(node: Node, name: str) -> Iterator[tuple[str, Value[Any]]]:
    """(path, leaf) of every leaf at or below a node whose own path is the key `name`, in order."""
    if isinstance(node, Value):
        yield name, node
        return
    for path, inner, _ in _walk(node, (name,)):
        if isinstance(inner, Value):
            yield spell(path), inner


def referenced(origin: Origin) -> Iterator[Origin]:
    """The origins of the targets of a value's references, each once, in the order of the text."""
    seen: set[int] = set()
    stack = list(reversed(origin.through))
    while stack:
        link = stack.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        stack.extend(reversed(link.through))


def find_path(tree: Branch, text: str) -> tuple[Node | None, Origin | None]:
    """The node at a path and its newest link; (None, link) for a deleted path, (None, None) for a
    path that no layer sets. Raises PathInvalid."""
    node: Node = tree
    deleted: Deletion | None = None
    origin: Origin | None = None
    for step in paths.parse(text):
        name = step if isinstance(step, str) else str(step) if isinstance(step, Selector) else ""
        if deleted is not None:
            origin = deleted.inside().get(name)
            if not isinstance(origin, Deletion):
                return None, None
            deleted = origin
            continue
        child = _child(node, step)
        if child is not None:
            node, origin = child, child.origin
            continue
        removed = {} if not isinstance(node, Branch | Items) else node.deleted
        origin = removed.get(name or f"[{step}]")
        if not isinstance(origin, Deletion):
            return None, origin
        deleted = origin
    return (None if deleted is not None else node), origin


def find_lock(locks: Iterable[Lock], text: str) -> Site | None:
    """The place of the lock on a path or on a map around it; None without a lock. Raises
    PathInvalid."""
    path = paths.parse(text)
    return next((lock.site for lock in locks if path[: len(lock.path)] == lock.path), None)


def find_at_line(tree: Branch, file: str, line: int) -> list[tuple[str, Origin, bool]]:
    """The paths that a config line sets or set: (path, the line's link, whether the link wins).

    When a value refers to the line, the line wins for that value too.
    """
    out = []
    for path, _, origin in _walk(tree, ()):
        for link in origin.chain():
            if link.site.file == file and link.site.line == line:
                out.append((spell(path), link, link is origin))
                break
        else:
            for link in referenced(origin):
                if link.site.file == file and link.site.line == line:
                    out.append((spell(path), link, True))
                    break
    return out


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, Node | None, Origin]]:
    if isinstance(node, Branch):
        for key, child in node.children.items():
            inner_path: Path = (*path, key)
            yield inner_path, child, child.origin
            yield from _walk(child, inner_path)
        for key, origin in node.deleted.items():
            yield from _walk_deleted(origin, (*path, key))
    elif isinstance(node, Items):
        for index, child in enumerate(node.children):
            inner_path = (*path, _step_of(node, child, index))
            yield inner_path, child, child.origin
            yield from _walk(child, inner_path)
        for key, origin in node.deleted.items():
            yield from _walk_deleted(origin, (*path, paths.parse(f"x{key}")[1]))


def _walk_deleted(origin: Origin, path: Path) -> Iterator[tuple[Path, Node | None, Origin]]:
    yield path, None, origin
    if isinstance(origin, Deletion):
        for key, inner in origin.inside().items():
            yield from _walk_deleted(inner, (*path, key))


def _step_of(node: Items, child: Node, index: int) -> int | Selector:
    identity = locks.selector_of(child, node.keys) if node.keys else None
    return index if identity is None else identity


def _child(node: Node, step: object) -> Node | None:
    if isinstance(node, Branch) and isinstance(step, str):
        return node.children.get(step)
    if isinstance(node, Items) and isinstance(step, int):
        return node.children[step] if step < len(node.children) else None
    if isinstance(node, Items) and isinstance(step, Selector):
        found: Node | None = locks.find_element(node.children, step)
        return found
    return None
