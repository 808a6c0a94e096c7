"""The edit that `promote` makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Promotion"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version pointer that moves from `before` ("" for none) to `after`.

    `digest` is the artefact's, in full. `edits` are the files with their new bytes, `diff` is what
    changes in them, as a unified diff. `written` says where the edit went to; "" for a dry run."""

    model: str
    environment: str
    before: str
    after: str
    digest: str
    edits: Mapping[str, bytes]
    diff: str
    written: str = ""
