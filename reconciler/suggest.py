"""`did you mean 'replicas'?`: the known word that is most like a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest", "question"]


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that is most like `word`; None when no known word is as alike as `cutoff`,
    from 0 (nothing in common) to 1 (equal)."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str], *, also: str = "") -> str:
    """A help text: `did you mean 'replicas'?`, then `also`. Only `also` when no known word is
    alike."""
    close = nearest(word, known)
    return f"{question(close)} {also}".rstrip() if close is not None else also


def question(close: str) -> str:
    return f"did you mean {close!r}?"
