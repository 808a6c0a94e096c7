"""The root of all errors that this program raises on purpose, and its exit codes.

An error class with data of its own stands in the module that raises it. A mistake of a user is a
value (`diagnostics.Diagnostic`); an exception means that a stage cannot go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

__all__ = ["ExitCode", "ReconcilerError", "SourceError", "UsageMistake", "most_severe"]


class ExitCode(IntEnum):
    """What a command's exit status means. When several hold, 130 wins over 1, 3, 4, 6, 5, 2."""

    DONE = 0
    ERROR = 1
    DIFFERENCES = 2
    DENIED = 3
    REFUSED = 4
    LOCKED = 5
    INCOMPLETE = 6
    INTERRUPTED = 130


_SEVERITY = (
    ExitCode.INTERRUPTED,
    ExitCode.ERROR,
    ExitCode.DENIED,
    ExitCode.REFUSED,
    ExitCode.INCOMPLETE,
    ExitCode.LOCKED,
    ExitCode.DIFFERENCES,
)


def most_severe(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of a run to which all of `codes` apply; DONE for none."""
    present = set(codes)
    return next((code for code in _SEVERITY if code in present), ExitCode.DONE)


class ReconcilerError(Exception):
    """The root. `code` is stable, for machines. `hint` says how to go on; "" for no hint."""

    code = "E_INTERNAL"
    exit_code = ExitCode.ERROR

    def __init__(self, message: str, *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class SourceError(ReconcilerError):
    """The config repo could not be read. Nothing in a cluster is changed."""

    code = "E_SOURCE"


class UsageMistake(ReconcilerError):
    """A wrong argument, option or environment variable."""

    code = "E_USAGE"
