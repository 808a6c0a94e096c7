"""The one way out of the program to the terminal: every text that is printed passes the run's
redactor first."""

from __future__ import annotations

import click

from reconciler.secrets import printable
from reconciler.wiring.redaction import redactor

__all__ = ["note", "write"]


def write(text: str) -> bool:
    """Prints a document to standard output without the secrets that the run knows. True when there
    were some in it.

    `text` is complete: no line end is added, and control characters were escaped by who made it.
    """
    shown = redactor().redact(text)
    click.echo(shown, nl=False)
    return shown != text


def note(text: str, *, end: str = "\n") -> None:
    """Prints a line for people to standard error, without secrets and control characters."""
    click.echo(printable(redactor().redact(text)) + end, err=True, nl=False)
