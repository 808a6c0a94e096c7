"""What a policy format offers: one file in `formats/`, one `FORMAT`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.objects.key import GroupKind
from reconciler.policy.cel import Engine
from reconciler.policy.documents import Document
from reconciler.policy.rules import Read

__all__ = ["Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """`takes` says which documents it reads; `read` turns one into policies, bindings and
    diagnostics. The engine is asked for when an expression is compiled, never before."""

    name: str
    takes: Callable[[GroupKind], bool]
    read: Callable[[Document, Callable[[], Engine]], Read]
