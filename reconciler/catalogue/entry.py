"""One entry of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Entry"]

_KINDS = {"E": "error", "W": "warning", "P": "policy finding"}


@dataclass(frozen=True, slots=True)
class Entry:
    """`meaning` and `way_out` are whole sentences. `example` is text to be shown as it is: the
    smallest config or command that causes the message, and the message. `own_example` is the one
    that a person wrote, where none is measured."""

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
