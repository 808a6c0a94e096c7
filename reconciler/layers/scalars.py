"""The scalars and tags of one YAML file (merge rules M1 and M5).

A plain scalar has one of YAML 1.2's core types, restricted to what JSON can hold. A text that a
YAML 1.1 reader and a YAML 1.2 reader take for different values, for example `yes` or `012`, is
refused (M1.5): the next reader of the merged file may be the 1.1 parser of Helm or kubectl.
"""

from __future__ import annotations

import functools
import json
import math
import re
from decimal import Decimal
from typing import Any, NamedTuple

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.layers import markers
from reconciler.layers.markers import Marked, Marks
from reconciler.origin import Node, Origin, SecretRef, Site, Value

__all__ = [
    "STANDARD_TAG",
    "Resolved",
    "ScalarReader",
    "StopReading",
    "is_ambiguous_key",
    "needs_quotes",
    "resolve",
]

#: The prefix of YAML's own tags.
STANDARD_TAG = "tag:yaml.org,2002:"

Tree = Any  # Node | Marked

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
# Texts that only one of YAML 1.1 and 1.2 reads as a number, or that both read differently.
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
#: The largest whole number that every JSON reader holds exactly.
LARGEST_WHOLE = 2**53 - 1


class Resolved(NamedTuple):
    """The datum of a plain scalar. `problem` is the code of an error, or W_LOSSY_NUMBER; "" for
    none."""

    value: Any
    problem: str = ""


@functools.lru_cache(maxsize=65536)
def resolve(text: str) -> Resolved:  # noqa: PLR0911 - a table of cases
    """The datum of a plain scalar: a text without quotes and without a tag."""
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
        return _whole(int(text), text)
    if _HEX.fullmatch(text):
        return _whole(int(text, 16), text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number) or not _is_exact(number, text):
            return Resolved(None, "E_NUMBER")
        return Resolved(number, "W_LOSSY_NUMBER" if _LOSSY.fullmatch(text) else "")
    return Resolved(text)


def _whole(number: int, text: str) -> Resolved:
    """JSON readers hold numbers as doubles, so a larger whole number would arrive as another one;
    a zero has no sign there."""
    inexact = abs(number) > LARGEST_WHOLE or (number == 0 and text.startswith("-"))
    return Resolved(None, "E_NUMBER") if inexact else Resolved(number)


def _is_exact(number: float, text: str) -> bool:
    """Whether the number that is carried is the number that is written."""
    is_short = len(text) <= 15 and "e" not in text and "E" not in text
    return is_short or Decimal(repr(number)) == Decimal(text)


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
    """Whether a plain key must be quoted (M1.3), for example `yes`. Single letters need no
    quotes."""
    return len(text) <= 5 and (text in _KEY_WORDS or text.lower() in _KEY_WORDS)


_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_SPECIAL_START = frozenset("!&*-?|>@`\"'%#{}[],:= \t")


@functools.lru_cache(maxsize=65536)
def needs_quotes(text: str) -> bool:
    """Whether some YAML 1.1 or 1.2 reader would take the plain text for another value."""
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


class StopReading(Exception):
    """The rest of a file cannot be read. The diagnostic is already in `found`."""


class ScalarReader:
    """Reads the scalars and tags of one file. `found` collects the file's diagnostics. `simple`,
    `references`, `empty` and `respelt` have the same meaning as in `Document`."""

    def __init__(self, file: str, layer: str) -> None:
        self.file = file
        self.layer = layer
        self.found: list[Diagnostic] = []
        self.simple = True
        self.references = False
        self.empty: list[Site] = []
        self.respelt: dict[Site, str] = {}

    def read_scalar(self, event: Any, key: Site | None) -> Tree:
        """The node of a scalar event. `key` is the place of the key whose value the scalar is: then
        the node has this place. None for an element of a list."""
        mark = event.start_mark
        site = key or Site(self.file, mark.line + 1, mark.column + 1)
        text = event.value
        tag = event.tag
        plain = not event.style
        if tag is None or tag == "!":
            value = text
            if plain and tag is None:
                value, problem = resolve(text)
                if problem:
                    self.report_problem(text, problem, mark)
                elif value is None and key is not None:
                    self.simple = False
                    if not text:
                        self.empty.append(key)
                if type(value) in (int, float, bool) and json.dumps(value) != text:
                    self.respelt[site] = text
            if type(value) is str and "${{" in value:
                self.references = True
            return Value(value, Origin(site, self.layer, "set", value))
        if tag.startswith(STANDARD_TAG):
            return self.read_standard_scalar(tag, text, site, mark)
        marks = self.read_tag(tag, "scalar", mark)
        if marks is None:
            return Value(text, Origin(site, self.layer, "set", text))
        return self.read_marked_scalar(text, plain, marks, site, mark)

    def report_problem(self, text: str, problem: str, mark: Any) -> None:
        """Reports a problem of `resolve` at the scalar itself, also when the node has its key's
        place."""
        place = self.site(mark)
        if problem == "W_LOSSY_NUMBER":
            self.found.append(
                warning(
                    problem,
                    f"the number {text} loses its last zero",
                    place,
                    help=f'quote it if it is a version: "{text}"',
                )
            )
        elif problem == "E_NUMBER":
            finite = _NOT_FINITE.fullmatch(text) is None
            self.error(
                problem,
                f"{text[:40]} "
                + ("cannot be carried exactly as a number" if finite else "is not a finite number"),
                place,
                found=text[:40],
                help=f'quote it if it is a text: "{text[:40]}"' if finite else "",
            )
        else:
            self.error(
                problem,
                f"YAML readers disagree about {text}",
                place,
                help=f'quote it: "{text}", or write the number or true/false',
            )

    def read_standard_scalar(self, tag: str, text: str, site: Site, mark: Any) -> Tree:
        kind = tag[len(STANDARD_TAG) :]
        value: Any = text
        wrong = False
        if kind == "null":
            value, wrong = None, resolve(text).value is not None
        elif kind in ("int", "float", "bool"):
            found = resolve(text)
            value = found.value
            if kind == "float" and type(value) is int:
                value = float(value)
            wanted: type = {"int": int, "float": float, "bool": bool}[kind]
            wrong = bool(found.problem.startswith("E")) or type(value) is not wanted
        elif kind != "str":
            self.error("E_TAG", f"!!{kind} is not a type of config values", self.site(mark))
        if wrong:
            self.error("E_TAG_TYPE", f"{text!r} is not a !!{kind}", self.site(mark))
        if type(value) is str and "${{" in value:
            self.references = True
        if value is None:
            self.simple = False
        return Value(value, Origin(site, self.layer, "set", value))

    def read_marked_scalar(
        self, text: str, plain: bool, marks: Marks, site: Site, mark: Any
    ) -> Tree:
        if marks.secret:
            if not text:
                self.error("E_TAG_TYPE", "!secret needs a reference", self.site(mark))
            ref = SecretRef(text)
            return self.mark_node(Value(ref, Origin(site, self.layer, "set", ref)), marks, mark)
        value: Any = text
        if plain:
            value, problem = resolve(text)
            if problem:
                self.report_problem(text, problem, mark)
            if type(value) in (int, float, bool) and json.dumps(value) != text:
                self.respelt[site] = text
        if marks.null and value is not None and text:
            self.error("E_TAG_TYPE", f"!null takes no value, found {text!r}", self.site(mark))
        if marks.null:
            value = None
        if marks.raw and not isinstance(value, str):
            self.error("E_TAG_TYPE", f"!raw is for text, found {text!r}", self.site(mark))
        if isinstance(value, str) and not marks.raw and "${{" in value:
            self.references = True
        origin = Origin(site, self.layer, "set", value)
        if marks.raw and isinstance(value, str):
            value = markers.Raw(value)
        return self.mark_node(Value(value, origin), marks, mark)

    def mark_node(self, node: Node, marks: Marks, mark: Any) -> Marked:
        self.simple = False
        if marks.raw:
            self.references = True
        return Marked(node, marks, self.site(mark))

    def read_tag(self, tag: str, kind: str, mark: Any) -> Marks | None:
        """The marks of a local tag. None for a wrong tag, which is then reported."""
        site = self.site(mark)
        if not tag.startswith("!"):
            self.error("E_TAG", f"the tag {tag} is unknown; a tag never runs code", site)
            return None
        try:
            marks = markers.parse_tag(tag)
        except markers.TagInvalid as invalid:
            self.error("E_TAG", str(invalid), site)
            return None
        why = markers.wrong_kind(marks, kind)
        if why:
            self.error("E_TAG_TYPE", why, site)
            return None
        return marks

    def read_collection_tag(self, event: Any, kind: str) -> Marks | None:
        tag = event.tag
        if tag is None or tag == "!":
            return None
        if tag.startswith(STANDARD_TAG):
            wanted = {"map": "map", "list": "seq"}[kind]
            if tag != STANDARD_TAG + wanted:
                name = tag[len(STANDARD_TAG) :]
                is_standard = name in ("map", "seq", "str", "int", "float", "bool", "null")
                code = "E_TAG_TYPE" if is_standard else "E_TAG"
                self.error(code, f"!!{name} does not fit a {kind}", self.site(event.start_mark))
            return None
        return self.read_tag(tag, kind, event.start_mark)

    # -- reporting ---------------------------------------------------------------------------------

    def site(self, mark: Any) -> Site:
        return Site(self.file, mark.line + 1, mark.column + 1)

    def error(self, code: str, message: str, site: Site, **more: Any) -> None:
        self.found.append(error(code, message, site, **more))

    def stop(self, code: str, message: str, site: Site, **more: Any) -> None:
        self.error(code, message, site, **more)
        raise StopReading
