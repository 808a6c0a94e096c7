"""Plain scalars: YAML 1.2's core types restricted to JSON, and what readers disagree about.

A value that a YAML 1.1 reader would take for something else is refused ("quote it") instead of
choosing a side: the merged file's next reader may be Helm's or kubectl's 1.1 parser. Merge rule
M1.5.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any, NamedTuple

__all__ = ["Resolved", "is_ambiguous_key", "needs_quotes", "resolve"]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_AMBIGUOUS_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})
_KEY_WORDS = frozenset({"true", "false", "null", "~", "yes", "no", "on", "off", ""})

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LOSSY = re.compile(r"[-+]?[0-9]*\.[0-9]+0")
# What only one of the two dialects reads as a number.
_DISPUTED = re.compile(
    r"[-+]?0[0-9_]+"  # octal in 1.1, decimal in 1.2
    r"|[-+]?0o[0-7]+"  # octal in 1.2 alone
    r"|[-+]?0b[01_]+"  # binary in 1.1 alone
    r"|[-+]?0x[0-9a-fA-F_]*_[0-9a-fA-F_]*"
    r"|[-+]0x[0-9a-fA-F]+"
    r"|[-+]?[0-9]+_[0-9_]*"  # 1_000
    r"|[-+]?[0-9][0-9_]*\.[0-9_]*_[0-9_]*([eE][-+][0-9]+)?"
    r"|[-+]?[0-9]+_[0-9_]*\.[0-9_]*([eE][-+][0-9]+)?"
    r"|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+"  # 1:30, base sixty
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*"
)
_DIGITS_LIMIT = 4000


class Resolved(NamedTuple):
    """The datum of a plain scalar; `problem` is an error code, or the lossy-number warning."""

    value: Any
    problem: str = ""


@functools.lru_cache(maxsize=65536)
def resolve(text: str) -> Resolved:  # noqa: PLR0911 - a table of cases
    """The datum that a plain (unquoted, untagged) scalar stands for."""
    first = text[:1]
    if first not in "-+.0123456789":
        return _word(text)
    if not first:
        return Resolved(None)
    if _NOT_FINITE.fullmatch(text):
        return Resolved(None, "E_NUMBER")
    if _DISPUTED.fullmatch(text):
        return Resolved(None, "E_AMBIGUOUS")
    if _INT.fullmatch(text):
        if len(text) > _DIGITS_LIMIT:
            return Resolved(None, "E_NUMBER")
        return Resolved(int(text))
    if _HEX.fullmatch(text):
        return Resolved(int(text, 16))
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            return Resolved(None, "E_NUMBER")
        return Resolved(number, "W_LOSSY_NUMBER" if _LOSSY.fullmatch(text) else "")
    return Resolved(text)


def _word(text: str) -> Resolved:
    if text in _NULL:
        return Resolved(None)
    if text in _TRUE:
        return Resolved(True)
    if text in _FALSE:
        return Resolved(False)
    if len(text) <= 3 and text.lower() in _AMBIGUOUS_WORDS:
        return Resolved(None, "E_AMBIGUOUS")
    return Resolved(text)


def is_ambiguous_key(text: str) -> bool:
    """Plain keys that must be quoted (M1.3); single letters are fine."""
    return len(text) <= 5 and (text in _KEY_WORDS or text.lower() in _KEY_WORDS)


_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_SPECIAL_START = frozenset("!&*-?|>@`\"'%#{}[],:= \t")


@functools.lru_cache(maxsize=65536)
def needs_quotes(text: str) -> bool:
    """Whether any YAML 1.1 or 1.2 reader could take a plain text for something else."""
    if not text or text[0] in _SPECIAL_START or text[-1] in " \t:":
        return True
    if not text.isprintable() or ": " in text or " #" in text or any(c in text for c in "{}[],"):
        return True
    found = resolve(text)
    if found.problem or not isinstance(found.value, str):
        return True
    lowered = text.lower()
    return (
        lowered in _KEY_WORDS
        or lowered in _AMBIGUOUS_WORDS
        or text in ("<<", "=")
        or _DATE.fullmatch(text) is not None
        or lowered.lstrip("+-") in (".inf", ".nan")
        or text[0] in "+-.0123456789"
    )
