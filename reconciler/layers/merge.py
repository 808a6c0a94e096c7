"""Merges layers, the lowest first, with the origin of every node (merge rules M3 to M6, M8).

Trees are persistent: a layer copies only the maps on the paths that it sets. So apps that share
lower layers share the nodes of these, and `Prefixes` keeps the merged lower layers. A subtree of a
layer without markers, nulls and keyed lists is used without a copy where no layer below sets it.
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
    """The merged tree with its references resolved, the diagnostics of the merge, and the locks.
    The diagnostics of a document's own text are in the document."""

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
    """A cache of merged layers, one object per sequence of documents. Use it for one run: the
    documents are found by identity, and the cache keeps them alive."""

    __slots__ = ("_next", "document", "patterns", "state")

    def __init__(self, state: _State | None = None, document: Document | None = None) -> None:
        self._next: dict[int, Prefixes] = {}
        self.state = state or _State(_EMPTY)
        self.document = document
        self.patterns: tuple[Stack, tuple[Patterns, ...]] | None = None

    def step(self, document: Document, stack: Stack, states: tuple[Patterns, ...]) -> Prefixes:
        """The cache's object after one more document; merges the document if it is new."""
        found = self._next.get(id(document))
        if found is None:
            found = Prefixes(_add_layer(self.state, document, stack, states), document)
            self._next[id(document)] = found
        return found


def fold(
    documents: Sequence[Document],
    stack: Stack,
    cache: Prefixes | None = None,
    *,
    resolves: bool = True,
) -> MergeResult:
    """Merges the documents, the lowest first, and resolves the references, unless `resolves` is
    False.

    With a cache, the cost is one step per layer that the app does not share with an app before. All
    calls with the same cache must use the same stack.
    """
    at = cache if cache is not None else Prefixes()
    if at.patterns is None or at.patterns[0] is not stack:
        at.patterns = (stack, stack.patterns().start())
    states = at.patterns[1]
    for document in documents:
        at = at.step(document, stack, states)
    state = at.state
    if not state.references or not resolves:
        return MergeResult(state.tree, state.found, state.locks)
    respelt = {site: text for d in documents for site, text in d.respelt.items()}
    tree, found = references.resolve(state.tree, state.pending, respelt)
    return MergeResult(tree, state.found + tuple(found), state.locks)


def _add_layer(
    state: _State, document: Document, stack: Stack, states: tuple[Patterns, ...]
) -> _State:
    root = document.root
    if root is None:
        return state
    layer = stack.layer(document.layer) or Layer(document.layer, document.file)
    run = Layering(document, layer, stack.mixed)
    if layer.allow:
        run.check_allowed(root, (), layer.allow)
    origin = (
        root.origin if state.tree is _EMPTY else run.make_link(root.origin, "merge", state.tree)
    )
    tree = run.merge_maps(state.tree, root, (), states, origin)
    if state.locks:
        run.found += locks.find_violations(state.locks, state.tree, tree, root)
    locked = {lock.path for lock in state.locks}
    added = tuple(lock for lock in run.locks if lock.path not in locked)
    return _State(
        tree,
        state.locks + added,
        (*state.pending, *run.pending),
        (*state.found, *run.found),
        state.references or document.references,
    )
