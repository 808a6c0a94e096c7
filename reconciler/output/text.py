"""Mistakes and errors as text for people: about 100 columns, colours only where asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from reconciler.diagnostics import ConfigInvalid, Diagnostic
from reconciler.errors import ReconcilerError
from reconciler.secrets import printable, strip_userinfo

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
    diagnostics: Iterable[Diagnostic], lines: Lines = _no_lines, style: Style | None = None
) -> str:
    """All mistakes: each with its config line, the related lines and the help."""
    style = style or Style()
    return "\n".join(_render_one(d, lines, style) for d in diagnostics)


def _render_one(diagnostic: Diagnostic, lines: Lines, style: Style) -> str:
    paint = style.red if diagnostic.is_error else style.yellow
    head = paint(style.bold(f"{diagnostic.severity}[{diagnostic.code}]"))
    path = f"{diagnostic.path}: " if diagnostic.path else ""
    out = [f"{head}: {_safe(path + diagnostic.message)}"]
    if diagnostic.site is not None:
        out.append(f"  --> {_safe(str(diagnostic.site))}")
        source = lines(diagnostic.site.file, diagnostic.site.line)
        if source is not None:
            out += _excerpt(diagnostic, source.rstrip("\r\n"), paint)
    for related in diagnostic.related:
        line = f"   {_safe(related.message)}: {_safe(str(related.site))}"
        source = lines(related.site.file, related.site.line)
        if source is not None:
            line += f"   {style.dim(_safe(source.strip())[:60])}"
        out.append(line)
    if diagnostic.apps:
        out.append(f"   reaches: {_join([str(app) for app in diagnostic.apps])}")
    if diagnostic.help:
        out.append(f"   help: {_safe(diagnostic.help)}")
    return "\n".join(out) + "\n"


def _excerpt(diagnostic: Diagnostic, source: str, paint: Callable[[str], str]) -> list[str]:
    assert diagnostic.site is not None
    number = str(diagnostic.site.line)
    shown = _safe(source.replace("\t", " "))[:90]
    column = diagnostic.site.column
    if column > 90:
        return [f"  {number} | {shown}"]
    carets = max(1, len(diagnostic.found.split(": ")[-1]) if diagnostic.found else 1)
    word = 0
    rest = source[column - 1 :]
    while word < len(rest) and (rest[word].isalnum() or rest[word] in "_-."):
        word += 1
    carets = max(1, word)
    mark = " " * (column - 1) + paint("^" * carets)
    label = f" {_safe(diagnostic.found)}" if diagnostic.found else ""
    return [f"  {number} | {shown}", f"  {' ' * len(number)} | {mark}{label}"]


def _join(apps: Sequence[str], most: int = 4) -> str:
    more = f" and {len(apps) - most} more" if len(apps) > most else ""
    return ", ".join(apps[:most]) + more


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
