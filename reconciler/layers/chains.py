"""Questions about where merged values came from (merge rules M10 and M12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.layers import locks, paths
from reconciler.layers.locks import Lock
from reconciler.layers.paths import Path, Selector, spell
from reconciler.origin import Branch, Deletion, Items, Node, Origin, Site

__all__ = ["find_at_line", "find_lock", "find_path", "list_origins", "referenced"]


def list_origins(tree: Branch) -> dict[str, Origin]:
    """The newest link of every leaf, map entry, list element and deleted path, by spelled path.

    What stands wins over what is deleted where a removed element's index is in use again.
    """
    out: dict[str, Origin] = {}
    for path, node, origin in _walk(tree, ()):
        name = spell(path)
        if node is not None or name not in out:
            out[name] = origin
    return out


def referenced(origin: Origin) -> Iterator[Origin]:
    """The leaves that a value's references led to, each once, in the order of the text."""
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
    """The node at a spelled path and its newest link; (None, link) for a deleted one and
    (None, None) for one that never was. Raises PathInvalid."""
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
        left = {} if not isinstance(node, Branch | Items) else node.deleted
        origin = left.get(name or f"[{step}]")
        if not isinstance(origin, Deletion):
            return None, origin
        deleted = origin
    return (None if deleted is not None else node), origin


def find_lock(locks: Iterable[Lock], text: str) -> Site | None:
    """Where a spelled path is locked: it, or a map that it lies in. Raises PathInvalid."""
    path = paths.parse(text)
    return next((lock.site for lock in locks if path[: len(lock.path)] == lock.path), None)


def find_at_line(tree: Branch, file: str, line: int) -> list[tuple[str, Origin, bool]]:
    """Every path that a config line had a say in: (path, the line's link, whether it wins).

    A value that refers to the line counts as won by it.
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
            here: Path = (*path, key)
            yield here, child, child.origin
            yield from _walk(child, here)
        for key, origin in node.deleted.items():
            yield from _walk_gone(origin, (*path, key))
    elif isinstance(node, Items):
        for index, child in enumerate(node.children):
            here = (*path, _named(node, child, index))
            yield here, child, child.origin
            yield from _walk(child, here)
        for key, origin in node.deleted.items():
            yield from _walk_gone(origin, (*path, paths.parse(f"x{key}")[1]))


def _walk_gone(origin: Origin, path: Path) -> Iterator[tuple[Path, Node | None, Origin]]:
    yield path, None, origin
    if isinstance(origin, Deletion):
        for key, inner in origin.inside().items():
            yield from _walk_gone(inner, (*path, key))


def _named(node: Items, child: Node, index: int) -> int | Selector:
    identity = locks.selector_of(child, node.keys) if node.keys else None
    return index if identity is None else identity


def _child(node: Node, step: object) -> Node | None:
    if isinstance(node, Branch) and isinstance(step, str):
        return node.children.get(step)
    if isinstance(node, Items) and isinstance(step, int):
        return node.children[step] if step < len(node.children) else None
    if isinstance(node, Items) and isinstance(step, Selector):
        keys = tuple(key for key, _ in step.pairs)
        return next((c for c in node.children if locks.selector_of(c, keys) == step), None)
    return None
