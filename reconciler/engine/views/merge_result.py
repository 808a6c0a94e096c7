"""Plain layer files merged, as `merge` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.layers import chains
from reconciler.origin import Branch, Origin

__all__ = ["MergeResult", "provenance_of"]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """`tree` is the merged value, None where mistakes prevent the merge. `provenance` maps each
    path to the links of its value, newest first, followed by the lines that the value refers to;
    None where the command was not asked for it."""

    tree: Branch | None
    provenance: Mapping[str, tuple[Origin, ...]] | None = None


def provenance_of(tree: Branch | None) -> dict[str, tuple[Origin, ...]]:
    """Path → links, for every leaf, map entry, list element and deleted path."""
    if tree is None:
        return {}
    return {
        path: (*origin.chain(), *chains.referenced(origin))
        for path, origin in chains.list_origins(tree).items()
    }
