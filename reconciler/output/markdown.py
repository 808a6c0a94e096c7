"""Escapes untrusted text for Markdown, so that no part of the text becomes markup, a mention, a
reference or a link.

The rules of GitHub and of GitLab hold together, since a comment may be posted on either.
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote

from reconciler.origin import Site
from reconciler.secrets import printable

__all__ = ["cell", "code", "fence", "html_code", "link", "prose"]

_BREAK = "\u200b"
_MARKUP = re.compile(r"([\\`*_\[\]|])")
#: @user, #1, !1, ~label, %milestone, &1, $snippet, ^alert, and :emoji: in front of a word.
_SIGIL = re.compile(r"([@#!~%&$^:])(?=[\w\"{\[])")
_URL = re.compile(r"(?i)\b(https?|ftp|mailto|www|xmpp|git|ssh)(?=[:.])")
_COMMIT = re.compile(r"(?i)\b[0-9a-f]{7,64}\b")
_GH = re.compile(r"(?i)\b(gh)(?=-\d)")
_ORDERED = re.compile(r"^(\s*\d+)([.)])", re.MULTILINE)
_LINE_START = re.compile(r"^(\s*)([#>=~+-])", re.MULTILINE)


def prose(text: str) -> str:
    """Text outside a code span, escaped, on one line."""
    text = " ".join(printable(text).split())
    text = _URL.sub(rf"\1{_BREAK}", text)
    text = _GH.sub(rf"\1{_BREAK}", text)
    text = _COMMIT.sub(lambda m: _BREAK.join(re.findall(".{1,6}", m.group())), text)
    text = _SIGIL.sub(rf"\1{_BREAK}", text)
    text = _MARKUP.sub(r"\\\1", html.escape(text, quote=False))
    text = _ORDERED.sub(r"\1\\\2", text)
    return _LINE_START.sub(r"\1\\\2", text)


def code(text: str) -> str:
    """A code span, on one line. Its delimiter is longer than any run of backticks in the text."""
    text = " ".join(printable(text).split()) or " "
    ticks = "`" * (_longest_run(text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or text == " " else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def html_code(text: str) -> str:
    """Code in HTML, for the title of a fold, where Markdown is not rendered."""
    return f"<code>{html.escape(' '.join(printable(text).split()))}</code>"


def cell(text: str) -> str:
    """A code span for a table. Its bars are escaped; the table removes that escape first."""
    return code(text.replace("|", "\ue000")).replace("\ue000", "\\|")


def fence(text: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks in the text."""
    text = printable(text).rstrip("\n")
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def link(site: Site | None, base: str, *, in_table: bool = False) -> str:
    """`file:line`, as a link where `base` is not empty; "" without a site."""
    if site is None:
        return ""
    label = f"{site.file}:{site.line}" if site.line > 0 else site.file
    shown = cell(label) if in_table else code(label)
    if not base or site.line <= 0:
        return shown
    return f"[{shown}]({base}/{quote(site.file, safe='/')}#L{site.line})"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
