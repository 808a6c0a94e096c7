"""Makes one error of several required fields that a block lacks because the app sets none of it:
the block is there because the type, or another shared file, begins it."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.diagnostics import Diagnostic, error

__all__ = ["fold"]

_BLOCKS = ("training", "serving")
_SHARED = ("environments/types/", "environments/base.yaml")


def fold(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The diagnostics, with one in place of all `E_MISSING` of a block that only shared files
    begin. A single missing field stays as it is."""
    out = list(found)
    for block in _BLOCKS:
        lacking = [d for d in out if _lacks(d, block)]
        if len(lacking) < 2:
            continue
        names = [d.path.rpartition(".")[2] for d in lacking]
        one = error(
            "E_MISSING",
            f"the {block} begins here, and no layer of the app sets {', '.join(names)}",
            lacking[0].site,
            path=block,
            help=f"set them, or write `{block}: null` in the model's file for a model without "
            f"{block}",
        )
        out = [d for d in out if d not in lacking]
        out.append(one)
    return tuple(out)


def _lacks(found: Diagnostic, block: str) -> bool:
    return (
        found.code == "E_MISSING"
        and found.path.startswith(f"{block}.")
        and found.path.count(".") == 1
        and found.site is not None
        and found.site.file.startswith(_SHARED)
    )
