"""Reads the Kubernetes documents of a policy file, with the place of every node. Markers of layers
(`!final`) are refused, because the same file is applied to the cluster unchanged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic, error
from reconciler.layers import document
from reconciler.layers.markers import Marked
from reconciler.objects.key import GroupKind, split_version
from reconciler.origin import Branch, Items, Site, Value

__all__ = ["Document", "inside", "read"]

_MOST = 200
_BLOCK = re.compile(r"[|>][-+0-9]*\s*(#.*)?$")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `site` is the place of its kind; `lines` are all lines of the file."""

    kind: GroupKind
    version: str
    root: Branch
    site: Site
    lines: tuple[str, ...]


def read(data: bytes, file: str) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """All documents of a file, in order, and all mistakes. Never raises."""
    chunks = list(document.split(data))
    if len(chunks) > _MOST:
        message = f"{len(chunks)} documents in one file; at most {_MOST}"
        return (), (error("E_SIZE", message, Site(file, 1, 1)),)
    lines = tuple(data.decode("utf-8", "replace").splitlines())
    out: list[Document] = []
    found: list[Diagnostic] = []
    for chunk in chunks:
        parsed = document.parse(chunk, file, "policy")
        root = parsed.root
        marks = [_marker_error(m) for m in _find_marked(root)] if root is not None else []
        found += [*parsed.diagnostics, *marks]
        if parsed.root is None or not parsed.root.children or marks:
            continue
        if any(d.is_error for d in parsed.diagnostics):
            continue
        built = _document(parsed.root, lines)
        if isinstance(built, Document):
            out.append(built)
        else:
            found.append(built)
    return tuple(out), tuple(found)


def _find_marked(tree: object) -> Iterator[Marked]:
    if isinstance(tree, Marked):
        yield tree
        tree = tree.node
    if isinstance(tree, Branch):
        for child in tree.children.values():
            yield from _find_marked(child)
    elif isinstance(tree, Items):
        for child in tree.children:
            yield from _find_marked(child)


def _marker_error(marked: Marked) -> Diagnostic:
    return error(
        "E_TAG",
        "a policy file is plain YAML, because the cluster reads the same file",
        marked.tag,
        help="remove the tag",
    )


def _document(root: Branch, lines: tuple[str, ...]) -> Document | Diagnostic:
    version, kind = root.get("apiVersion"), root.get("kind")
    for name, node in (("apiVersion", version), ("kind", kind)):
        if not isinstance(node, Value) or not isinstance(node.value, str):
            site = node.origin.site if node is not None else root.origin.site
            return error("E_POLICY", f"a Kubernetes object needs a text `{name}`", site, path=name)
    assert isinstance(version, Value)
    assert isinstance(kind, Value)
    group, number = split_version(version.value)
    return Document(GroupKind(group, kind.value), number, root, kind.site, lines)


def inside(lines: tuple[str, ...], key: Site, line: int, column: int) -> Site:
    """The place in the file of a line and column inside a text, which is the value of `key`. Exact
    for a literal block and for a text on the key's line; for other texts the place of the key."""
    if not 0 < key.line <= len(lines) or line < 1:
        return key
    head = lines[key.line - 1]
    after = head[key.column - 1 :].partition(":")[2]
    rest = after.strip()
    if _BLOCK.match(rest):
        number = key.line + line
        if rest[0] == ">" or number > len(lines):
            return Site(key.file, min(key.line + 1, len(lines)), 1)
        indent = next((len(t) - len(t.lstrip()) for t in lines[key.line :] if t.strip()), 0)
        return Site(key.file, number, indent + max(1, column))
    if line > 1 or not rest:
        return key
    start = len(head) - len(after.lstrip())
    return Site(key.file, key.line, start + (rest[0] in "'\"") + max(1, column))
