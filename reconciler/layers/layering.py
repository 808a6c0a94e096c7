"""Merges one layer into the merged tree of the layers below it, node by node."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.layers import lists, paths, references, templates
from reconciler.layers.document import Document
from reconciler.layers.kinds import kind_at, kind_of, meets
from reconciler.layers.locks import Lock
from reconciler.layers.markers import Marked, Marks
from reconciler.layers.paths import Path, Patterns, spell
from reconciler.layers.stack import Layer
from reconciler.origin import Branch, Deletion, Items, Node, Op, Origin, Site, Value

__all__ = ["Layering"]

_NONE = Marks()


class Layering:
    """The merge of one layer. `found`, `locks` and `pending` collect its diagnostics, its locks,
    and the references whose kind must be checked later.

    In the methods, `low` is the node below (None for none), `node` or `high` the layer's node,
    `states` the list patterns that match the path (`paths.Patterns`), `was` the chain of a path
    that a layer below has deleted, and `op` what the layer does (`origin.Op`)."""

    def __init__(
        self,
        document: Document,
        layer: Layer,
        mixed: Mapping[tuple[str, ...], frozenset[str]] | None = None,
    ) -> None:
        self.mixed = mixed or {}
        self.layer = document.layer
        self.override_only = layer.override_only
        self.simple = document.simple
        self.found: list[Diagnostic] = []
        self.locks: list[Lock] = []
        self.pending: list[references.Pending] = []
        self.lists = lists.ListMerge(self)
        self.element: Site | None = None
        """The place of the element of a list without keys that is being built."""

    # -- reporting ---------------------------------------------------------------------------------

    def error(self, code: str, message: str, site: Site, path: Path, **more: Any) -> None:
        self.found.append(error(code, message, site, path=spell(path), **more))

    def make_link(self, own: Origin, op: Op, below: Any, *, scalar: bool | None = None) -> Origin:
        """This layer's link over the node or the origin below; `below` may be None."""
        under = below if below is None or isinstance(below, Origin) else below.origin
        is_scalar = own.is_scalar if scalar is None else scalar
        return Origin(own.site, self.layer, op, own.value, under, is_scalar=is_scalar)

    def make_deletion(self, own: Origin, op: Op, below: Node) -> Deletion:
        """This layer's link over a node that it deletes."""
        return Deletion(own.site, self.layer, op, below)

    def check_allowed(self, branch: Branch, path: Path, allow: Sequence[Path]) -> None:
        """Reports the paths of the layer that do not begin with a prefix of its `allow`."""
        child: Any
        for key, child in branch.children.items():
            inner = (*path, key)
            if any(inner[: len(prefix)] == prefix for prefix in allow):
                continue
            node = child.node if isinstance(child, Marked) else child
            if any(p[: len(inner)] == inner for p in allow) and isinstance(node, Branch):
                self.check_allowed(node, inner, allow)
                continue
            prefixes = ", ".join(spell(p) for p in allow)
            self.error(
                "E_LAYER_PATH",
                f"the layer {self.layer!r} may not set {spell(inner)}",
                child.origin.site,
                inner,
                help=f"it may set: {prefixes}",
            )

    # -- maps --------------------------------------------------------------------------------------

    def merge_maps(
        self,
        low: Branch,
        high: Branch,
        path: Path,
        states: tuple[Patterns, ...],
        origin: Origin,
        *,
        fill: bool = False,
    ) -> Branch:
        """Two maps, merged key by key; `origin` is the origin of the result. `fill`: only keys that
        are absent below are added (`!default` on a map)."""
        children = dict(low.children)
        deleted: dict[str, Origin] | None = None
        for key, child in high.children.items():
            below = children.get(key)
            if below is None and not key.isascii():
                self.check_normalised(key, child.origin.site, low, (*path, key))
            was = (low.deleted if deleted is None else deleted).get(key)
            node, link = self.merge_node(
                below, child, (*path, key), paths.descend(states, key), was, fill=fill
            )
            if node is not None:
                children[key] = node
                if was is not None:
                    deleted = dict(low.deleted) if deleted is None else deleted
                    deleted.pop(key, None)
            elif below is not None:
                del children[key]
                deleted = dict(low.deleted) if deleted is None else deleted
                deleted[key] = link or below.origin
        return Branch(children, origin, low.deleted if deleted is None else deleted)

    def check_normalised(self, key: str, site: Site, low: Branch, path: Path) -> None:
        normal = unicodedata.normalize("NFC", key)
        for other, child in low.children.items():
            if other != key and unicodedata.normalize("NFC", other) == normal:
                self.error(
                    "E_KEY_NFC",
                    f"{key!r} and a key below differ only in Unicode normalisation",
                    site,
                    path,
                    related=[Related(child.origin.site, "the key below")],
                )

    # -- one node ----------------------------------------------------------------------------------

    def merge_node(
        self,
        low: Node | None,
        high: Any,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None = None,
        *,
        fill: bool = False,
    ) -> tuple[Node | None, Origin | None]:
        """The merge of two nodes at a path. None when the result is absent; then also the link of
        the deletion, if there is one."""
        marks = _NONE
        node = high
        if type(high) is Marked:
            marks, node = high.marks, high.node
            self.check_place(marks, high, low, path)
        if type(node) is Value and node.value is None and not marks.null:
            return self.delete(low, node, marks, path, fill=fill)
        if fill or marks.default:
            result = self.apply_default(low, node, marks, path, states, was)
        elif low is None:
            result = self.add_node(node, marks, path, states, was)
        elif marks.force or marks.operation == "replace":
            op: Op = "force" if marks.force else "replace"
            result = self.replace_node(node, low, path, states, op)
        else:
            result = self.combine(low, node, marks, path, states)
        if marks.final:
            self.lock(result, high, path)
        return result, None

    def check_place(self, marks: Marks, high: Marked, low: Node | None, path: Path) -> None:
        if marks.override and low is None:
            self.error(
                "E_OVERRIDE_MISSING",
                "!override says that a layer below sets this, and none does",
                high.origin.site,
                path,
                help="correct the spelling of the key, or leave the marker out",
            )
        if marks.delete:
            self.error("E_TAG_PLACE", "!delete is for an element of a keyed list", high.tag, path)

    def delete(
        self, low: Node | None, node: Value[Any], marks: Marks, path: Path, *, fill: bool
    ) -> tuple[Node | None, Origin | None]:
        if marks.final:
            self.lock(None, Marked(node, marks, node.origin.site), path)
        if fill or marks.default:
            return low, None
        if low is None:
            if not marks.final and not marks.override:
                self.found.append(
                    warning(
                        "W_DELETE_MISSING",
                        f"there is no {spell(path)} below to delete",
                        node.origin.site,
                        path=spell(path),
                        help="delete this line, or write !null for a literal null",
                    )
                )
            return None, None
        return None, self.make_deletion(node.origin, "delete", low)

    def apply_default(
        self,
        low: Node | None,
        node: Node,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
    ) -> Node:
        if low is None:
            return self.add_node(node, marks, path, states, was, op="default")
        if isinstance(low, Branch) and isinstance(node, Branch):
            return self.merge_maps(low, node, path, states, low.origin, fill=True)
        return low

    def lock(self, result: Node | None, high: Any, path: Path) -> None:
        steps = [number for number, step in enumerate(path) if isinstance(step, int)]
        if steps:
            self.error(
                "E_TAG_PLACE",
                "inside a list a lock needs a declared key",
                self.element or high.origin.site,
                path[: steps[0] + 1],
                help="declare the list's key in layers.yaml: lists: {path: {by: name}}",
            )
            return
        if result is not None and templates.has_reference(result):
            self.error(
                "E_TAG_PLACE",
                "a value that contains a reference cannot be locked",
                high.origin.site,
                path,
                help="lock the referenced value",
            )
            return
        self.locks.append(Lock(path, high.origin.site))

    # -- nothing below -----------------------------------------------------------------------------

    def add_node(
        self,
        node: Any,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
        op: Op = "set",
    ) -> Node:
        """A node with nothing below it. A layer with `overrideOnly` may not add one."""
        if self.override_only:
            self.error(
                "E_NEW_KEY",
                f"the layer {self.layer!r} may only override, and no layer below has this",
                node.origin.site,
                path,
            )
        return self.build_node(node, marks, path, states, was, op)

    def build_node(
        self,
        node: Any,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
        op: Op = "set",
    ) -> Node:
        """The merged form of a node with nothing below it."""
        kind = type(node)
        if kind is Value:
            self.note_reference(node, None, path)
            if was is None and op == "set":
                return node  # type: ignore[no-any-return]
            return Value(node.value, self.make_link(node.origin, op, was))
        if kind is Items:
            return self.lists.build(node, marks, path, states, was, op)
        if self.simple and not states and was is None and op == "set":
            return node  # type: ignore[no-any-return]
        children: dict[str, Node] = {}
        deleted = was.inside() if isinstance(was, Deletion) else {}
        for key, child in node.children.items():
            inner = paths.descend(states, key)
            found = self.build_child(child, (*path, key), inner, op, deleted.get(key))
            if found is not None:
                children[key] = found
                deleted.pop(key, None)
        return Branch(children, self.make_link(node.origin, op, was), deleted)

    def build_child(
        self,
        child: Any,
        path: Path,
        states: tuple[Patterns, ...],
        op: Op,
        was: Origin | None = None,
    ) -> Node | None:
        marks, node = _NONE, child
        if type(child) is Marked:
            marks, node = child.marks, child.node
            self.check_place(marks, child, None, path)
        if type(node) is Value and node.value is None and not marks.null:
            return self.delete(None, node, marks, path, fill=op == "default")[0]
        inner: Op = "default" if marks.default else op
        result = self.build_node(node, marks, path, states, was, inner)
        if marks.final:
            self.lock(result, child, path)
        return result

    # -- one side replaces the other ---------------------------------------------------------------

    def replace_node(
        self, node: Any, low: Node | None, path: Path, states: tuple[Patterns, ...], op: Op
    ) -> Node:
        """`node` in place of `low`. Only the chains of `low` stay."""
        if isinstance(node, Value):
            self.note_reference(node, None, path)
            return Value(node.value, self.make_link(node.origin, op, low))
        if isinstance(node, Items):
            items = self.lists.build(node, _NONE, path, states, None, "set")
            return Items(items.children, self.make_link(node.origin, op, low), items.keys)
        before: Mapping[str, Node] = low.children if isinstance(low, Branch) else {}
        children: dict[str, Node] = {}
        deleted: dict[str, Origin] = dict(low.deleted) if isinstance(low, Branch) else {}
        for key, child in node.children.items():
            inner = paths.descend(states, key)
            found = self.replace_child(child, before.get(key), (*path, key), inner, op)
            if found is not None:
                children[key] = found
                deleted.pop(key, None)
        for key, below in before.items():
            if key not in children:
                deleted[key] = self.make_deletion(node.origin, op, below)
        return Branch(children, self.make_link(node.origin, op, low), deleted)

    def replace_child(
        self, child: Any, low: Node | None, path: Path, states: tuple[Patterns, ...], op: Op
    ) -> Node | None:
        marks, node = _NONE, child
        if type(child) is Marked:
            marks, node = child.marks, child.node
            self.check_place(marks, child, low, path)
        if type(node) is Value and node.value is None and not marks.null:
            if marks.final:
                self.lock(None, child, path)
            return None  # no warning for a key that is absent: the map replaces another
        if low is None:
            result: Node = self.add_node(node, marks, path, states, None, "set")
        else:
            result = self.replace_node(node, low, path, states, op)
        if marks.final:
            self.lock(result, child, path)
        return result

    # -- both sides --------------------------------------------------------------------------------

    def combine(
        self, low: Node, node: Any, marks: Marks, path: Path, states: tuple[Patterns, ...]
    ) -> Node:
        if isinstance(low, Branch) and isinstance(node, Branch):
            if not node.children:
                return low
            origin = self.make_link(node.origin, "merge", low)
            return self.merge_maps(low, node, path, states, origin)
        if isinstance(low, Items) and isinstance(node, Items):
            return self.lists.combine(low, node, marks, path, states)
        if isinstance(node, Value) and templates.is_whole(node.value):
            self.note_reference(node, low, path)
            return Value(node.value, self.make_link(node.origin, "override", low))
        if isinstance(low, Value) and templates.is_whole(low.value):
            below = templates.known_below(low.origin)
            if below is None:
                return self.replace_node(node, low, path, states, "override")
        else:
            below = low.origin
        kind, other = kind_of(node), kind_at(low, below)
        if not meets(other, kind) and not self.allows_kinds(path, {other, kind}):
            self.error(
                "E_TYPE_CHANGE",
                f"a {other} below and a {kind} here",
                node.origin.site,
                path,
                related=[Related(below.site, f"below: a {other}")],
                found=kind,
                help=f"write a {other}; to change the type on purpose, mark the value !force",
            )
            return low
        if isinstance(node, Value):
            return Value(node.value, self.make_link(node.origin, "override", low))
        return self.replace_node(node, low, path, states, "override")

    def allows_kinds(self, path: Path, kinds: set[str]) -> bool:
        """Whether a schema allows all these kinds at a path."""
        if not self.mixed:
            return False
        exact = tuple(step if isinstance(step, str) else "[]" for step in path)
        any_key = (*exact[:-1], "*")
        return any(kinds <= self.mixed.get(key, frozenset()) for key in (exact, any_key))

    def note_reference(self, node: Value[Any], low: Node | None, path: Path) -> None:
        """Notes a value that is one reference and overrides a value of a known kind. Its kind is
        checked after references are resolved."""
        if not templates.is_whole(node.value) or low is None:
            return
        below: Origin | None = low.origin
        if isinstance(low, Value) and templates.is_whole(low.value):
            below = templates.known_below(low.origin)
        if below is not None:
            kind = kind_at(low, below)
            if self.allows_kinds(path, {kind}):
                return
            pending = references.Pending(path, node.origin.site, kind, below.site)
            self.pending.append(pending)
