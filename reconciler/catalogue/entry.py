"""The type of an entry of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Entry"]

_KINDS = {"E": "error", "W": "warning", "P": "policy finding"}


@dataclass(frozen=True, slots=True)
class Entry:
    """The entry of one code. `meaning` and `way_out` are whole sentences. `example` is a text that
    is shown unchanged: a small config or command that causes the message, and the message.
    `own_example` is written by hand, for a code without a measured example."""

    code: str
    meaning: str
    way_out: str
    own_example: str = ""
    example: str = ""

    @property
    def kind(self) -> str:
        return _KINDS[self.code[0]]

    def shown_as(self, example: str) -> Entry:
        """The entry with this example in place of its own."""
        return replace(self, example=example)
