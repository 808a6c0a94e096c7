"""The only place that prints to the terminal: the run's redactor masks secrets in every text.

A reader that goes away (`| head`) is no error: the rest is dropped, and the command ends with its
own exit code. Standard output that cannot take a document (a full disk) is an error, after the
command has done its work. Standard error that cannot be written to changes nothing.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

from reconciler.errors import ReconcilerError
from reconciler.secrets import printable
from reconciler.wiring.redaction import redactor

__all__ = [
    "LibraryWarnings",
    "LogStream",
    "OutputLost",
    "is_looked_at",
    "note",
    "open_missing_streams",
    "rewrite",
    "width",
    "write",
]


#: The columns of a text that goes to no terminal.
DEFAULT_WIDTH = 100


class OutputLost(ReconcilerError):
    """Standard output could not take what was written to it."""

    code = "E_OUTPUT"


def open_missing_streams() -> None:
    """Opens the null device for standard output and standard error where the caller closed them
    (`>&-`): nobody reads there, and the command does its work."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123


class _StatusLine:
    """The last line of standard error, which is written anew in place while a command works. Only
    on a terminal."""

    def __init__(self) -> None:
        self._shown = False

    def show(self, text: str) -> None:
        columns = _columns()
        line = printable(redactor().redact(text))[: max(1, columns - 1)]
        _to_stderr(f"\r{line}\x1b[K")
        self._shown = True

    def clear(self) -> None:
        if self._shown:
            self._shown = False
            _to_stderr("\r\x1b[K")


_status = _StatusLine()


def is_looked_at() -> bool:
    """Whether standard error is a terminal, so that a line can be written anew in place."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def rewrite(text: str) -> None:
    """Shows a line in place of the one that `rewrite` showed last, on a terminal. The next text
    that is printed takes its place."""
    _status.show(text)


class LogStream:
    """Standard error as a stream for a log: each line takes the place of the line in place."""

    def write(self, text: str) -> int:
        _status.clear()
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _to_stderr(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        _drop(sys.stderr)


def write(text: str) -> bool:
    """Prints a document to standard output and masks the secrets that the run knows.

    Returns True when the text held a secret. No line end is added. The caller has escaped control
    characters already. Raises OutputLost when the document could not be written.
    """
    shown = redactor().redact(text)
    _status.clear()
    try:
        click.echo(shown, nl=False)
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as cause:
        _drop(sys.stdout)
        why = (cause.strerror or str(cause)).lower()
        raise OutputLost(
            f"standard output cannot be written to: {why}",
            hint="the command did its work, but what it says is lost or cut off: see its result "
            "with --report, or send the output elsewhere",
        ) from cause
    return shown != text


def note(text: str, *, end: str = "\n") -> None:
    """Prints a line for people to standard error: secrets masked, control characters escaped."""
    _status.clear()
    try:
        click.echo(printable(redactor().redact(text)) + end, err=True, nl=False)
    except OSError:
        _drop(sys.stderr)


def _columns() -> int:
    """As `shutil.get_terminal_size`, without its module, which imports all compression formats."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    if sys.__stdout__ is None:
        return DEFAULT_WIDTH
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or DEFAULT_WIDTH
    except (ValueError, OSError):  # closed, or no terminal
        return DEFAULT_WIDTH


def width() -> int:
    """The columns of a text on standard output, 60 to 200: those of the terminal or of COLUMNS; 100
    where there is neither."""
    found = _columns()
    if not os.environ.get("COLUMNS") and not _is_terminal(sys.stdout):
        found = DEFAULT_WIDTH
    return min(200, max(60, found))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError):
        return False


def _drop(stream: TextIO) -> None:
    """Sends all that is still written to the stream to the null device, also what is buffered."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return  # a stream of this process alone, for example in a test
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


class LibraryWarnings:
    """Prints the warnings of Python libraries: each text once, in one line. They are for people who
    change the program, but for the one that says that a connection is not safe."""

    def __init__(self) -> None:
        self._shown: set[str] = set()

    def show(
        self, message: Warning | str, category: type[Warning], *_where: Any, **_more: Any
    ) -> None:
        """Takes the place of `warnings.showwarning`."""
        text = ""
        if category.__name__ == "InsecureRequestWarning":
            text = (
                "the API server's certificate is not verified (insecure-skip-tls-verify): whoever "
                "is on the way to it can read and change what is sent"
            )
        elif os.environ.get("RECONCILER_DEBUG"):
            text = f"{category.__name__}: {message}"
        if text and text not in self._shown:
            self._shown.add(text)
            note(f"warning: {text}")
