"""One layer laid on what is below it: what each of its nodes makes of the one underneath."""

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
    """One layer being laid on what is below it."""

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

    # -- reporting ---------------------------------------------------------------------------------

    def error(self, code: str, message: str, site: Site, path: Path, **more: Any) -> None:
        self.found.append(error(code, message, site, path=spell(path), **more))

    def link(self, own: Origin, op: Op, below: Any, *, scalar: bool | None = None) -> Origin:
        """This layer's link over what was below (a node, an origin, or None)."""
        under = below if below is None or isinstance(below, Origin) else below.origin
        is_scalar = own.is_scalar if scalar is None else scalar
        return Origin(own.site, self.layer, op, own.value, under, is_scalar=is_scalar)

    def deletion(self, own: Origin, op: Op, below: Node) -> Deletion:
        """This layer's link over what it took away."""
        return Deletion(own.site, self.layer, op, below)

    def allowed(self, branch: Branch, path: Path, allow: Sequence[Path]) -> None:
        """Paths outside the layer's declared prefixes."""
        child: Any
        for key, child in branch.children.items():
            here = (*path, key)
            if any(here[: len(prefix)] == prefix for prefix in allow):
                continue
            node = child.node if isinstance(child, Marked) else child
            if any(p[: len(here)] == here for p in allow) and isinstance(node, Branch):
                self.allowed(node, here, allow)
                continue
            shown = ", ".join(spell(p) for p in allow)
            self.error(
                "E_LAYER_PATH",
                f"the layer {self.layer!r} may not set {spell(here)}",
                child.origin.site,
                here,
                help=f"it may set: {shown}",
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
        """Key by key. `fill`: only what is absent below is taken (`!default` on a map)."""
        children = dict(low.children)
        deleted: dict[str, Origin] | None = None
        for key, child in high.children.items():
            below = children.get(key)
            if below is None and not key.isascii():
                self.normalised(key, child.origin.site, low, (*path, key))
            was = (low.deleted if deleted is None else deleted).get(key)
            node, left = self.meet(
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
                deleted[key] = left or below.origin
        return Branch(children, origin, low.deleted if deleted is None else deleted)

    def normalised(self, key: str, site: Site, low: Branch, path: Path) -> None:
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

    def meet(
        self,
        low: Node | None,
        high: Any,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None = None,
        *,
        fill: bool = False,
    ) -> tuple[Node | None, Origin | None]:
        """What `high` makes of `low` at a path; None for absent, with the deletion's link.

        `was` is the chain of a path that a layer below deleted.
        """
        marks = _NONE
        node = high
        if type(high) is Marked:
            marks, node = high.marks, high.node
            self.placed(marks, high, low, path)
        if type(node) is Value and node.value is None and not marks.null:
            return self.delete(low, node, marks, path, fill=fill)
        if fill or marks.default:
            result = self.default(low, node, marks, path, states, was)
        elif low is None:
            result = self.fresh(node, marks, path, states, was)
        elif marks.force or marks.operation == "replace":
            op: Op = "force" if marks.force else "replace"
            result = self.take(node, low, path, states, op)
        else:
            result = self.combine(low, node, marks, path, states)
        if marks.final:
            self.lock(result, high, path)
        return result, None

    def placed(self, marks: Marks, high: Marked, low: Node | None, path: Path) -> None:
        if marks.override and low is None:
            self.error(
                "E_OVERRIDE_MISSING",
                "!override says that a layer below sets this, and none does",
                high.origin.site,
                path,
                help="is the key spelled as below? else leave the marker out",
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
        return None, self.deletion(node.origin, "delete", low)

    def default(
        self,
        low: Node | None,
        node: Node,
        marks: Marks,
        path: Path,
        states: tuple[Patterns, ...],
        was: Origin | None,
    ) -> Node:
        if low is None:
            return self.fresh(node, marks, path, states, was, op="default")
        if isinstance(low, Branch) and isinstance(node, Branch):
            return self.merge_maps(low, node, path, states, low.origin, fill=True)
        return low

    def lock(self, result: Node | None, high: Any, path: Path) -> None:
        site = high.tag if isinstance(high, Marked) else high.origin.site
        if any(isinstance(step, int) for step in path):
            self.error(
                "E_TAG_PLACE",
                "inside a list a lock needs a declared key",
                site,
                path,
                help="declare the list's key in layers.yaml: lists: {path: {by: name}}",
            )
            return
        if result is not None and templates.mentioned(result):
            self.error(
                "E_TAG_PLACE",
                "a value that contains a reference cannot be locked",
                site,
                path,
                help="lock the referenced value",
            )
            return
        self.locks.append(Lock(path, high.origin.site))

    # -- nothing below -----------------------------------------------------------------------------

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
    ) -> Node:
        """A node with nothing below it."""
        if self.override_only and not exempt:
            self.error(
                "E_NEW_KEY",
                f"the layer {self.layer!r} may only override, and no layer below has this",
                node.origin.site,
                path,
            )
            exempt = True
        kind = type(node)
        if kind is Value:
            self.reference(node, None, path)
            if was is None and op == "set":
                return node  # type: ignore[no-any-return]
            return Value(node.value, self.link(node.origin, op, was))
        if kind is Items:
            return lists.lay_fresh(self, node, marks, path, states, was, op)
        if self.simple and not states and was is None and op == "set":
            return node  # type: ignore[no-any-return]
        children: dict[str, Node] = {}
        deleted = was.inside() if isinstance(was, Deletion) else {}
        for key, child in node.children.items():
            here, inner = (*path, key), paths.descend(states, key)
            found = self.fresh_child(child, here, inner, op, deleted.get(key))
            if found is not None:
                children[key] = found
                deleted.pop(key, None)
        return Branch(children, self.link(node.origin, op, was), deleted)

    def fresh_child(
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
            self.placed(marks, child, None, path)
        if type(node) is Value and node.value is None and not marks.null:
            return self.delete(None, node, marks, path, fill=op == "default")[0]
        inner: Op = "default" if marks.default else op
        result = self.fresh(node, marks, path, states, was, inner, exempt=True)
        if marks.final:
            self.lock(result, child, path)
        return result

    # -- taken as a whole --------------------------------------------------------------------------

    def take(
        self, node: Any, low: Node | None, path: Path, states: tuple[Patterns, ...], op: Op
    ) -> Node:
        """`node` instead of `low`: nothing of `low` stays but its chains."""
        if isinstance(node, Value):
            self.reference(node, None, path)
            return Value(node.value, self.link(node.origin, op, low))
        if isinstance(node, Items):
            taken = lists.lay_fresh(self, node, _NONE, path, states, None, "set")
            return Items(taken.children, self.link(node.origin, op, low), taken.keys)
        before: Mapping[str, Node] = low.children if isinstance(low, Branch) else {}
        children: dict[str, Node] = {}
        deleted: dict[str, Origin] = dict(low.deleted) if isinstance(low, Branch) else {}
        for key, child in node.children.items():
            here, inner = (*path, key), paths.descend(states, key)
            found = self.taken_child(child, before.get(key), here, inner, op)
            if found is not None:
                children[key] = found
                deleted.pop(key, None)
        for key, below in before.items():
            if key not in children:
                deleted[key] = self.deletion(node.origin, op, below)
        return Branch(children, self.link(node.origin, op, low), deleted)

    def taken_child(
        self, child: Any, low: Node | None, path: Path, states: tuple[Patterns, ...], op: Op
    ) -> Node | None:
        marks, node = _NONE, child
        if type(child) is Marked:
            marks, node = child.marks, child.node
            self.placed(marks, child, low, path)
        if type(node) is Value and node.value is None and not marks.null:
            if marks.final:
                self.lock(None, child, path)
            return None  # dropped without a warning: the map replaces another
        if low is None:
            result: Node = self.fresh(node, marks, path, states, None, "set")
        else:
            result = self.take(node, low, path, states, op)
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
            origin = self.link(node.origin, "merge", low)
            return self.merge_maps(low, node, path, states, origin)
        if isinstance(low, Items) and isinstance(node, Items):
            return lists.combine(self, low, node, marks, path, states)
        if isinstance(node, Value) and templates.is_whole(node.value):
            self.reference(node, low, path)
            return Value(node.value, self.link(node.origin, "override", low))
        if isinstance(low, Value) and templates.is_whole(low.value):
            below = templates.known_below(low.origin)
            if below is None:
                return self.take(node, low, path, states, "override")
        else:
            below = low.origin
        kind, other = kind_of(node), kind_at(low, below)
        if not meets(other, kind) and not self.admits(path, {other, kind}):
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
            return Value(node.value, self.link(node.origin, "override", low))
        return self.take(node, low, path, states, "override")

    def admits(self, path: Path, kinds: set[str]) -> bool:
        """Whether a schema lets values of all these kinds stand at a path."""
        if not self.mixed:
            return False
        steps = tuple(step if isinstance(step, str) else "[]" for step in path)
        wide = (*steps[:-1], "*")
        return any(kinds <= self.mixed.get(key, frozenset()) for key in (steps, wide))

    def reference(self, node: Value[Any], low: Node | None, path: Path) -> None:
        """A whole-scalar reference is checked after resolution: remember what it met."""
        if not templates.is_whole(node.value) or low is None:
            return
        below: Origin | None = low.origin
        if isinstance(low, Value) and templates.is_whole(low.value):
            below = templates.known_below(low.origin)
        if below is not None:
            kind = kind_at(low, below)
            if self.admits(path, {kind}):
                return
            pending = references.Pending(path, node.origin.site, kind, below.site)
            self.pending.append(pending)
