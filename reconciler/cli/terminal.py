"""The only place that prints to the terminal: the run's redactor masks secrets in every text."""

from __future__ import annotations

import click

from reconciler.secrets import printable
from reconciler.wiring.redaction import redactor

__all__ = ["note", "write"]


def write(text: str) -> bool:
    """Prints a document to standard output and masks the secrets that the run knows.

    Returns True when the text held a secret. No line end is added. The caller has escaped control
    characters already.
    """
    shown = redactor().redact(text)
    click.echo(shown, nl=False)
    return shown != text


def note(text: str, *, end: str = "\n") -> None:
    """Prints a line for people to standard error: secrets masked, control characters escaped."""
    click.echo(printable(redactor().redact(text)) + end, err=True, nl=False)
