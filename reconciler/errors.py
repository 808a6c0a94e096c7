"""The root of all errors that this program raises on purpose, and its exit codes.

Errors with a payload live where they are raised. User mistakes are values
(`diagnostics.Diagnostic`); an exception means that a stage cannot go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

__all__ = ["ExitCode", "ReconcilerError", "SourceError", "UsageMistake", "most_severe"]


class ExitCode(IntEnum):
    """What a command's exit status says (DESIGN: 1 > 3 > 4 > 6 > 5 > 2 when several hold)."""

    DONE = 0
    ERROR = 1
    DIFFERENCES = 2
    DENIED = 3
    REFUSED = 4
    LOCKED = 5
    INCOMPLETE = 6


_SEVERITY = (
    ExitCode.ERROR,
    ExitCode.DENIED,
    ExitCode.REFUSED,
    ExitCode.INCOMPLETE,
    ExitCode.LOCKED,
    ExitCode.DIFFERENCES,
)


def most_severe(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code for a run in which several things happened."""
    seen = set(codes)
    return next((code for code in _SEVERITY if code in seen), ExitCode.DONE)


class ReconcilerError(Exception):
    """Root of the tree. `code` is stable and machine readable, `hint` is the way out, if any."""

    code = "E_INTERNAL"
    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class SourceError(ReconcilerError):
    """The config repo could not be read; live state is left untouched."""

    code = "E_SOURCE"


class UsageMistake(ReconcilerError):
    """An argument or operator option that cannot be acted on."""

    code = "E_USAGE"
