"""Layers folded strictly left to right, with provenance on every node (merge rules M3 to M6, M8).

Trees are persistent: a layer copies only the maps on the way to what it says, so apps that share
lower layers share their nodes, and `Prefixes` keeps the folded lower layers. A layer without
markers, nulls and declared lists below a path is adopted as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from reconciler.diagnostics import Diagnostic
from reconciler.layers import locks, references
from reconciler.layers.document import Document
from reconciler.layers.layering import Layering
from reconciler.layers.locks import Lock
from reconciler.layers.paths import Patterns
from reconciler.layers.stack import Layer, Stack
from reconciler.origin import Branch, Origin, Site

__all__ = ["MergeResult", "Prefixes", "fold"]

_EMPTY = Branch({}, Origin(Site("", 0, 0), "", "set", is_scalar=False))


class MergeResult(NamedTuple):
    """The folded and resolved tree, and every error and warning of the merge itself. The
    documents' own diagnostics are theirs."""

    tree: Branch
    diagnostics: tuple[Diagnostic, ...]
    locks: tuple[Lock, ...] = ()


class _State(NamedTuple):
    tree: Branch
    locks: tuple[Lock, ...] = ()
    pending: tuple[references.Pending, ...] = ()
    found: tuple[Diagnostic, ...] = ()
    references: bool = False


class Prefixes:
    """Folded prefixes of stacks, by the identity of their documents. For one run: the documents
    are kept alive by it."""

    __slots__ = ("_next", "document", "patterns", "state")

    def __init__(self, state: _State | None = None, document: Document | None = None) -> None:
        self._next: dict[int, Prefixes] = {}
        self.state = state or _State(_EMPTY)
        self.document = document
        self.patterns: tuple[Stack, tuple[Patterns, ...]] | None = None

    def step(self, document: Document, stack: Stack, states: tuple[Patterns, ...]) -> Prefixes:
        found = self._next.get(id(document))
        if found is None:
            found = Prefixes(_layered(self.state, document, stack, states), document)
            self._next[id(document)] = found
        return found


def fold(documents: Sequence[Document], stack: Stack, cache: Prefixes | None = None) -> MergeResult:
    """The documents, lowest first, as one resolved tree with every mistake found on the way.

    With a cache, one step an app for each layer that it does not share with an app before. All
    calls with one cache must use one stack.
    """
    at = cache if cache is not None else Prefixes()
    if at.patterns is None or at.patterns[0] is not stack:
        at.patterns = (stack, stack.patterns().start())
    states = at.patterns[1]
    for document in documents:
        at = at.step(document, stack, states)
    state = at.state
    if not state.references:
        return MergeResult(state.tree, state.found, state.locks)
    tree, found = references.resolve(state.tree, state.pending)
    return MergeResult(tree, state.found + tuple(found), state.locks)


def _layered(
    state: _State, document: Document, stack: Stack, states: tuple[Patterns, ...]
) -> _State:
    root = document.root
    if root is None:
        return state
    layer = stack.layer(document.layer) or Layer(document.layer, document.file)
    run = Layering(document, layer, stack.mixed)
    if layer.allow:
        run.allowed(root, (), layer.allow)
    origin = root.origin if state.tree is _EMPTY else run.link(root.origin, "merge", state.tree)
    tree = run.merge_maps(state.tree, root, (), states, origin)
    if state.locks:
        run.found += locks.violations(state.locks, state.tree, tree, root)
    held = {lock.path for lock in state.locks}
    fresh = tuple(lock for lock in run.locks if lock.path not in held)
    return _State(
        tree,
        state.locks + fresh,
        (*state.pending, *run.pending),
        (*state.found, *run.found),
        state.references or document.references,
    )
