"""The edit that `promote` makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Promotion"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version pointer that moves from `before` ("" for none) to `after`.

    `digest` is the full digest of the artefact. `edits` maps each edited file to its new bytes;
    `diff` is a unified diff of these files. `written` names the place that the edit was written to,
    "" for a dry run. `skipped` names the environment that is skipped and the reason; "" for none.
    """

    model: str
    environment: str
    before: str
    after: str
    digest: str
    edits: Mapping[str, bytes]
    diff: str
    written: str = ""
    skipped: str = ""
