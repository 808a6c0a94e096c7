"""The redactor of a run: every text that leaves the program passes it.

It learns secrets wherever the adapters meet them, so it belongs to the run as a whole, and is found
here instead of being handed through every function.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reconciler.secrets import Redactor

__all__ = ["redactor", "run_redactor"]

_CURRENT: ContextVar[Redactor | None] = ContextVar("redactor", default=None)


def redactor() -> Redactor:
    """The run's own redactor; a fresh one outside of a run."""
    return _CURRENT.get() or Redactor(os.urandom(16))


@contextmanager
def run_redactor(redactor: Redactor) -> Iterator[Redactor]:
    """Makes a redactor the run's own while the block runs."""
    before = _CURRENT.set(redactor)
    try:
        yield redactor
    finally:
        _CURRENT.reset(before)
