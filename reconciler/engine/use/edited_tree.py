"""A tree with edits that are not written yet, so that they can be checked first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.diagnostics import Diagnostic
from reconciler.ports import Blob, Tree

__all__ = ["EditedTree"]


@dataclass(frozen=True, slots=True)
class EditedTree:
    """Implements `ports.Tree`: the files of `tree` with the content of `edits` (path → bytes)."""

    tree: Tree
    edits: Mapping[str, bytes]

    @property
    def commit(self) -> str:
        return ""

    @property
    def label(self) -> str:
        return f"{self.tree.label} with the edit"

    def blobs(self) -> Mapping[str, Blob]:
        found = dict(self.tree.blobs())
        for path, data in self.edits.items():
            found[path] = Blob(
                path, hashlib.sha1(data, usedforsecurity=False).hexdigest(), len(data)
            )
        return dict(sorted(found.items()))

    def faults(self) -> tuple[Diagnostic, ...]:
        return self.tree.faults()

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        wanted = list(paths)
        kept = dict(self.tree.read(path for path in wanted if path not in self.edits))
        for path in wanted:
            yield path, self.edits[path] if path in self.edits else kept[path]

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:
        return self.tree.unrelated(commits)
