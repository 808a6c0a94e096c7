"""Says in plain words why a file is no YAML, where the parser's own words do not help: a tab, a
conflict marker of Git, a full-width colon, a missing blank, a placeholder of another tool.

The parser stops at the first character that it cannot place, which is often a line below the
mistake. So the lines around that place are looked at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Hint", "explain"]

_LINES_BEFORE = 3
_CONFLICT = re.compile(r"(?m)^(?:<{7}|={7}|>{7})(?=\s|$)")
_TAB = re.compile(r" *(\t)")
_WIDE = {"：": ":", "，": ",", "｛": "{", "｝": "}", "［": "[", "］": "]", "＃": "#", "－": "-"}
_QUOTES = "“”„‘’"
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_BRACES = re.compile(r"(?:^|[:\-,\[{])\s*(\{\{)")
_NO_BLANK = re.compile(r"\s*(?:- )?[A-Za-z_][\w.-]*+(:)[^\s:/]")
_KEY = re.compile(r"(\s*)(?:- )?[\w.\"'-]+:(\s|$)")
_HAS_VALUE = re.compile(r"\s*(?:- )?[\w.\"'-]+:\s+[^\s#|>&]")


class Hint(NamedTuple):
    """A message with its way out; line and column count from 1."""

    message: str
    help: str
    line: int
    column: int


def explain(text: str, line: int) -> Hint | None:
    """The likely cause of a syntax error that the parser found in `line` (from 1); None when the
    parser's words must do. Cost: one search of the file, and a look at four lines."""
    if (conflict := _CONFLICT.search(text)) is not None:
        number = text.count("\n", 0, conflict.start()) + 1
        return Hint(
            "a conflict marker of Git stands here",
            "decide between the two sides, and delete the lines with <<<<<<<, ======= and >>>>>>>",
            number,
            1,
        )
    lines = text.splitlines()
    around = range(min(line, len(lines)), max(0, line - 1 - _LINES_BEFORE), -1)
    for look in (_look_at_characters, _look_at_braces, _look_at_colon):
        for number in around:
            if (found := look(lines[number - 1])) is not None:
                message, way_out, column = found
                return Hint(message, way_out, number, column + 1)
    return _look_at_indent(lines, line)


def _look_at_characters(line: str) -> tuple[str, str, int] | None:
    if (tab := _TAB.match(line)) is not None:
        return "a tab indents this line, and YAML indents with blanks", "use blanks", tab.start(1)
    if (blank := _BLANKS.search(line)) is not None:
        code = f"U+{ord(blank.group()):04X}"
        return (
            f"the blank {code} is none to YAML",
            "write an ordinary blank; it may have come from a web page",
            blank.start(),
        )
    for column, char in enumerate(line):
        if char in _WIDE:
            return f"this is the full-width {char!r}", f"write {_WIDE[char]!r}", column
        if char in _QUOTES and line[:column].rstrip().endswith((":", "-", ",", "[", "{")):
            return f"{char} is no quote to YAML", "write \" or '", column
    return None


def _look_at_braces(line: str) -> tuple[str, str, int] | None:
    found = _BRACES.search(line)
    if found is None:
        return None
    return (
        "`{{ … }}` is a map inside a map to YAML",
        "a reference to another value is written ${{ path }}",
        found.start(1),
    )


def _look_at_colon(line: str) -> tuple[str, str, int] | None:
    found = _NO_BLANK.match(line)
    if found is None or ": " in line or line.rstrip().endswith(":"):
        return None
    return "a blank is missing after `:`", "write `key: value`", found.start(1)


def _look_at_indent(lines: list[str], line: int) -> Hint | None:
    """A key that is indented deeper than its neighbour, which has a value already, or less deep
    than any line above."""
    if not 0 < line <= len(lines) or (here := _KEY.match(lines[line - 1])) is None:
        return None
    above = next((n for n in range(line - 1, 0, -1) if lines[n - 1].strip()), 0)
    if not above or lines[above - 1].lstrip().startswith("#"):
        return None
    depth, other = len(here[1]), len(lines[above - 1]) - len(lines[above - 1].lstrip())
    if depth > other and _HAS_VALUE.match(lines[above - 1]):
        return Hint(
            f"this line is indented by {depth}, and the line above, which has a value, by {other}",
            f"indent it by {other}, or give the line above no value",
            line,
            depth + 1,
        )
    depths = {len(one) - len(one.lstrip()) for one in lines[: line - 1] if one.strip()}
    if depth < other and depth not in depths:
        return Hint(
            f"this line is indented by {depth}, as no line above is",
            "align it with the key to which it belongs",
            line,
            depth + 1,
        )
    return None
