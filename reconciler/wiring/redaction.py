"""The redactor of a run: every text that leaves the program passes through it.

Adapters teach it each secret that they read, so one redactor serves the whole run. It is kept here,
so that it need not be passed through every function.
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
    """The run's redactor; a new one outside of a run."""
    return _CURRENT.get() or Redactor(os.urandom(16))


@contextmanager
def run_redactor(redactor: Redactor) -> Iterator[Redactor]:
    """Makes a redactor the run's redactor within the block."""
    before = _CURRENT.set(redactor)
    try:
        yield redactor
    finally:
        _CURRENT.reset(before)
