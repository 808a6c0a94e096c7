"""The type of a policy format. Each file in `formats/` offers one `FORMAT`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.objects.key import GroupKind
from reconciler.policy.cel import Engine
from reconciler.policy.documents import Document
from reconciler.policy.rules import ReadResult

__all__ = ["Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """Reads policy documents. `takes` says whether the format reads documents of a kind. `read`
    makes policies, bindings and diagnostics of one document; it calls its second argument, which
    makes the CEL engine, only to compile an expression."""

    name: str
    takes: Callable[[GroupKind], bool]
    read: Callable[[Document, Callable[[], Engine]], ReadResult]
