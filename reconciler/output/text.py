"""Mistakes and errors as text for people: colours only where asked for. Below 100 columns no line
is wider than the terminal; places stay whole."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from reconciler.diagnostics import ConfigInvalid, Diagnostic
from reconciler.errors import ReconcilerError
from reconciler.origin import Site
from reconciler.secrets import printable, strip_userinfo
from reconciler.unit import UnitId

__all__ = ["Lines", "Style", "render_diagnostics", "render_error"]

#: Returns a line of a file (1-based), or None where there is none or the file is not available.
Lines = Callable[[str, int], str | None]


class Style:
    """Colours and glyphs. Without `colour` no escape codes are printed; with `ascii_only` the arrow
    is `->`."""

    def __init__(self, *, colour: bool = False, ascii_only: bool = False) -> None:
        self.colour = colour
        self.arrow = "->" if ascii_only else "→"

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def bold(self, text: str) -> str:
        return self.paint(text, "1")

    def red(self, text: str) -> str:
        return self.paint(text, "31")

    def green(self, text: str) -> str:
        return self.paint(text, "32")

    def yellow(self, text: str) -> str:
        return self.paint(text, "33")

    def dim(self, text: str) -> str:
        return self.paint(text, "2")


def _no_lines(_file: str, _line: int) -> str | None:
    return None


def render_diagnostics(
    diagnostics: Iterable[Diagnostic],
    lines: Lines = _no_lines,
    style: Style | None = None,
    width: int = 100,
) -> str:
    """All mistakes: each with its config line, the related lines and the help. A message is folded
    when `width` is below 100: on wider terminals it stays in one line, which is easier to copy."""
    style = style or Style()
    return "\n".join(_render_one(d, lines, style, width) for d in diagnostics)


_WIDE = 100


def _fold(text: str, width: int, indent: str) -> list[str]:
    if width >= _WIDE or _width(text) <= width:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _render_one(diagnostic: Diagnostic, lines: Lines, style: Style, width: int) -> str:
    paint = style.red if diagnostic.is_error else style.yellow
    head = f"{diagnostic.severity}[{diagnostic.code}]"
    path = f"{diagnostic.path}: " if diagnostic.path else ""
    first, *rest = _fold(f"{head}: {_safe(path + diagnostic.message)}", width, "  ")
    out = [paint(style.bold(head)) + first.removeprefix(head), *rest]
    if diagnostic.site is not None:
        source = lines(diagnostic.site.file, diagnostic.site.line)
        if source is None:
            out.append(f"  --> {_safe(str(diagnostic.site))}")
        else:
            out += _excerpt(diagnostic, diagnostic.site, source.rstrip("\r\n"), paint, width)
    for related in diagnostic.related:
        line = f"   {_safe(related.message)}: {_safe(str(related.site))}"
        source = lines(related.site.file, related.site.line)
        if source is not None:
            rest_of_line = 60 if width >= _WIDE else max(0, width - _width(line) - 3)
            line += f"   {style.dim(_safe(source.strip())[: min(60, rest_of_line)])}"
            line = line if rest_of_line else line.rstrip()
        out.append(line)
    if diagnostic.apps:
        out += _fold(f"   reaches: {_join(diagnostic.apps)}", width, " " * 12)
    if diagnostic.help:
        out += _fold(f"   help: {_safe(diagnostic.help)}", width, " " * 9)
    return "\n".join(out) + "\n"


#: Mistakes of a key, not of the value behind it: the key is underlined.
_OF_KEYS = frozenset(
    {"E_UNKNOWN_KEY", "E_MISSING", "E_EMPTY", "E_DUP_KEY", "E_KEY_TYPE", "E_KEY_NFC", "E_NEW_KEY"}
    | {"E_LOCKED", "E_LAYER_PATH", "E_SECRET_IN_GIT", "E_OVERRIDE_MISSING", "E_DELETE_MISSING"}
    | {"W_NO_EFFECT"}
)
_KEY = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s:,{}\[\]\"'#&*!][^:,{}\[\]#]*?)\s*:[ \t]+")
_VALUE = re.compile(
    r"(?:![^\s]+[ \t]+)?(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'|\$\{\{.*?\}\}[^,}\]]*|"
    r"[^\s,{}\[\]#|>&*](?:\$\{\{.*?\}\}|[^,{}\[\]])*?(?=\s+#|\s*[,}\]]|\s*$))"
)
_SHOWN = 90


def _excerpt(
    diagnostic: Diagnostic, site: Site, source: str, paint: Callable[[str], str], width: int
) -> list[str]:
    """The place and the config line with carets below what is wrong. A long line is cut around the
    carets."""
    start, end = _find_span(diagnostic, site, source)
    column = start + 1 if site.column else site.column
    place = site if column == site.column else Site(site.file, site.line, column)
    out = [f"  --> {_safe(str(place))}"]
    number = str(site.line)
    most = _SHOWN if width >= _WIDE else max(24, width - len(number) - 7)
    if not site.column or start > len(source):
        return [*out, f"  {number} | {_safe(source)[:most]}"]
    cut = 0
    if end > most and start > most // 2:
        cut = min(start - most // 3, max(0, len(source) - most))
    lead = "…" if cut else ""
    before, marked = source[cut:start], source[start:end]
    shown = lead + _safe((source[cut:]).replace("\t", " "))[:most]
    carets = "^" * max(1, min(_width(_safe(marked)), most - _width(_safe(before)) + len(lead)))
    blanks = " " * (len(lead) + _width(_safe(before.replace("\t", " "))))
    label = f" {_safe(diagnostic.found)}" if diagnostic.found else ""
    left = width - len(number) - 5 - _width(blanks) - len(carets)
    if width < _WIDE and _width(label) > left:
        label = ""  # The message says what was found.
    return [
        *out,
        f"  {number} | {shown}",
        f"  {' ' * len(number)} | {blanks}{paint(carets)}{label}",
    ]


def _find_span(diagnostic: Diagnostic, site: Site, source: str) -> tuple[int, int]:
    """Where the underlined part begins and ends in the line. A diagnostic's place is that of a key;
    the value behind it is what most are about."""
    start = max(0, site.column - 1)
    if diagnostic.code not in _OF_KEYS and (key := _KEY.match(source, start)) is not None:
        value = _VALUE.match(source, key.end())
        if value is not None:
            start, end = value.span("value")
            # What was found may be a part of the value, for example one of its references.
            part = source.find(diagnostic.found, start, end) if diagnostic.found else -1
            return (part, part + len(diagnostic.found)) if part >= 0 else (start, end)
    end = start
    while end < len(source) and (source[end].isalnum() or source[end] in "_-."):
        end += 1
    return start, max(end, start + 1)


def _width(text: str) -> int:
    """The columns that a text takes on a terminal: two for each wide character of East Asia, none
    for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _join(apps: Sequence[UnitId], most: int = 4) -> str:
    """The apps by name when they are few, else their number and environments."""
    if len(apps) <= most:
        return ", ".join(str(app) for app in apps)
    environments = list(dict.fromkeys(app.environment for app in apps))
    shown = ", ".join(environments[:most])
    more = f" and {len(environments) - most} more" if len(environments) > most else ""
    return f"{len(apps)} apps of {shown}{more}"


def _safe(text: str) -> str:
    return printable(strip_userinfo(text)).replace("\n", "\\n")


def render_error(error: ReconcilerError) -> str:
    """The error that stopped a command: its code, message and hint."""
    if isinstance(error, ConfigInvalid):
        return render_diagnostics(error.diagnostics)
    out = f"error[{error.code}]: {printable(strip_userinfo(error.message))}\n"
    if error.hint:
        out += f"   help: {printable(error.hint)}\n"
    return out
