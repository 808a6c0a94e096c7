"""The desired side of a fleet, from cold files to one digest an object: load, merge, validate,
draw, digest. Run as a program; it prints the number of objects and a digest over all of them.

`--workers 2` shows what splitting the models over processes would give: no command does so. Only
keys and digests come back from a worker, for origins never go between processes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["digests", "main", "run"]

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def digests(tree: Any, models: Iterable[str] = ()) -> Iterator[str]:
    """One line an object, `Kind.group namespace/name digest`; of all models, or of those named."""
    from reconciler.apps.app import Selection
    from reconciler.engine import draw, load
    from reconciler.objects.draft import digest
    from reconciler.plan.snapshot import Snapshot

    fleet = load.load_fleet(tree, Selection(models=frozenset(models)))
    if fleet.errors:
        raise SystemExit("\n".join(f"{d.site} {d.code} {d.message}" for d in fleet.errors[:20]))
    for item in draw.draw_units(fleet, Snapshot.none(), _NOW, foresees=False):
        for draft in item.drafts:
            yield f"{draft.key.full()} {digest(draft)}"


def run(folder: Path, workers: int = 1) -> tuple[int, str]:
    """How many objects, and the digest of all lines in order."""
    from reconciler.adapters import git
    from reconciler.backends import contract

    tree = git.open_worktree(folder)
    if workers == 1:
        lines = set(digests(tree))
    else:
        contract.list_capabilities()  # imported once, before the processes part
        models = sorted({path.split("/")[1] for path in tree.blobs() if path.startswith("models/")})
        pipes = [_forked(tree, models[n::workers]) for n in range(1, workers)]
        lines = set(digests(tree, models[::workers]))
        for pid, reader in pipes:
            with os.fdopen(reader) as answer:
                lines.update(answer.read().splitlines())
            if os.waitpid(pid, 0)[1]:
                raise SystemExit("a worker failed")
    return len(lines), hashlib.blake2b("\n".join(sorted(lines)).encode()).hexdigest()[:32]


def _forked(tree: Any, models: list[str]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    code = 1
    try:
        os.close(reader)
        with os.fdopen(writer, "w") as answer:
            answer.write("\n".join(digests(tree, models)))
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    from reconciler.cli import memory

    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    memory.calm_collector()
    print(*run(given.folder, given.workers))


if __name__ == "__main__":
    main()
