"""The desired side of a fleet, from cold files to one digest an object: load, merge, validate,
draw, digest. Run as a program; it prints the number of objects and a digest over all of them."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["main", "run"]

_NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def run(folder: Path) -> tuple[int, str]:
    """How many objects, and the digest of all their digests in order."""
    from reconciler.adapters import git
    from reconciler.engine import stages
    from reconciler.objects.draft import digest
    from reconciler.plan.snapshot import Snapshot

    fleet = stages.loaded(git.open_worktree(folder))
    if fleet.errors:
        raise SystemExit("\n".join(f"{d.site} {d.code} {d.message}" for d in fleet.errors[:20]))
    count = 0
    over_all = hashlib.blake2b(digest_size=16)
    for item in stages.drawn(fleet, Snapshot.none(), _NOW):
        for draft in item.drafts:
            over_all.update(f"{draft.key.full()} {digest(draft)}\n".encode())
            count += 1
    return count, over_all.hexdigest()


def main() -> None:
    print(*run(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
