"""Finds named values in the text of a config file, which may not parse: `password: x`, a variable's
`name` and `value`, the values of a Secret.

The redactor learns from these. Each function reads its text once: its cost is linear.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["hide_secret_values", "named_values", "scalars_of", "secret_values"]

#: A key and its colon: `name: `, `"name": `, in block and in flow style.
_KEY = re.compile(
    r"(?<![\w.-])(?:(?![A-Za-z_])[\w.-])*+(?P<name>[A-Za-z_][\w.-]*+)[\"']?+[ \t]*+:(?=\s)\s*+"
)
_FLOW_VALUE = re.compile(
    r"\"[^\"\n]*+\"|'[^'\n]*+'|(?:[^\s#,{}\[\]\"':]|:(?!\s))(?:[^,}\]\n:]|:(?!\s))*+"
)
_BLOCK_VALUE = re.compile(r"[|>][-+0-9]*+[ \t]*+(?:#[^\n]*+)?\n")
_SECRET_KIND = re.compile(r"\bkind[\"']?+[ \t]*+:[ \t]++[\"']?+Secret\b(?![\w-])")
_SECRET_DATA = re.compile(r"(?:\bstringData|(?<![\w-])data)[\"']?+[ \t]*+:")
_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
#: Keys of a Secret whose values are no secrets.
_PLAIN_KEYS = frozenset(
    {"apiVersion", "kind", "name", "namespace", "type", "data", "stringData", "metadata"}
    | {"immutable", "labels", "annotations"}
)
#: How far apart, in characters, the `name` and the `value` of one variable may stand.
_APART, _APART_BEFORE = 200, 80
_BLOCK_LINES = 100


class _Entry(NamedTuple):
    name: str
    values: tuple[str, ...]
    start: int
    end: int
    is_element: bool


def named_values(text: str) -> Iterator[tuple[str, str]]:
    """Each (name, value) of the text: a key with its scalar, and the variable of a `name` and a
    `value` that stand near each other, in either order."""
    label: _Entry | None = None
    waiting: _Entry | None = None
    for entry in _entries(text):
        for value in entry.values:
            yield entry.name, value
        if entry.name == "name" and entry.values:
            label = entry
            if waiting is not None and _is_beside(text, waiting, entry):
                for value in waiting.values:
                    yield entry.values[-1], value
            waiting = None
        elif entry.name == "value":
            waiting = entry
            if label is not None and _is_near(text, label, entry, _APART):
                for value in entry.values:
                    yield label.values[-1], value


def _is_near(text: str, first: _Entry, second: _Entry, most: int) -> bool:
    apart = second.start - first.end
    return apart <= most and "}" not in text[first.end : second.start]


def _is_beside(text: str, value: _Entry, name: _Entry) -> bool:
    """Whether `name` follows the `value` of the same variable: on its line, or below `- value:`."""
    if not _is_near(text, value, name, _APART_BEFORE):
        return False
    between = text[value.end : name.start]
    return "\n" not in between or (value.is_element and "-" not in between)


def _entries(text: str) -> Iterator[_Entry]:
    line_end = -1
    for key in _KEY.finditer(text):
        start = key.end()
        values: list[str] = []
        flow = _FLOW_VALUE.match(text, start)
        if "\n" in key.group() and _KEY.match(text, start) is not None:
            flow = None  # a mapping begins there
        if flow is not None:
            values += scalars_of(flow.group())
        if start > line_end:  # the first key of its line: in block style all that follows is value
            line_end = text.find("\n", start)
            line_end = len(text) if line_end < 0 else line_end
            if (block := _BLOCK_VALUE.match(text, start)) is not None:
                values = list(_block_lines(text, key.start(), block.end()))
            elif "\n" not in key.group() and text[start : start + 1] not in ("{", "[", "#"):
                values += scalars_of(text[start:line_end])
        end = flow.end() if flow is not None else start
        before = text[max(0, key.start("name") - 3) : key.start("name")]
        yield _Entry(key["name"], tuple(dict.fromkeys(values)), key.start(), end, "- " in before)


def _block_lines(text: str, key: int, start: int) -> Iterator[str]:
    """The lines of a block scalar: those that are indented deeper than its key."""
    depth = key - (text.rfind("\n", max(0, key - 200), key) + 1)
    for _ in range(_BLOCK_LINES):
        end = text.find("\n", start)
        line = text[start : end if end >= 0 else len(text)]
        inner = line.strip()
        if inner and len(line) - len(line.lstrip()) <= depth:
            return
        if inner:
            yield inner
        if end < 0:
            return
        start = end + 1


def scalars_of(text: str) -> Iterator[str]:
    """The scalars that a piece of YAML may hold: without quotes, comment or closing brackets."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        inner, closed, _ = text[1:].partition(text[0])
        if closed:
            yield inner
        return
    if not text:
        return
    yield text
    bare = re.split(r"\s#|[,}\]]", text, maxsplit=1)[0].strip()
    if bare != text:
        yield bare


def secret_values(text: str) -> Iterator[str]:
    """Each value below `data` and `stringData` of the Secrets in a file."""
    for start, end in _secret_spans(text):
        document = text[start:end]
        for entry in _entries(document):
            if entry.name not in _PLAIN_KEYS:
                yield from entry.values


def _secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the documents with a Secret begin to hold its values, and where these documents end."""
    if "Secret" not in text:
        return
    starts = [0, *(found.start() for found in _DOCUMENT.finditer(text)), len(text)]
    for start, end in itertools.pairwise(starts):
        if _SECRET_KIND.search(text, start, end) is None:
            continue
        data = _SECRET_DATA.search(text, start, end)
        if data is not None:
            yield data.end(), end


def hide_secret_values(lines: list[str], mask: str) -> list[str]:
    """The lines of a file to quote in messages. In a document with a Secret, what stands behind
    `data:` or `stringData:` up to the document's end is replaced by the mask; keys at the start of
    a line stay."""
    text = "\n".join(lines)
    spans = list(_secret_spans(text))
    if not spans:
        return lines
    out, offset, next_span = [], 0, 0
    for line in lines:
        end = offset + len(line)
        while next_span < len(spans) and spans[next_span][1] <= offset:
            next_span += 1
        start = spans[next_span][0] if next_span < len(spans) else len(text) + 1
        out.append(line if start > end else _hide(line, max(0, start - offset), mask))
        offset = end + 1
    return out


def _hide(line: str, keep: int, mask: str) -> str:
    """The line with the mask behind its first `keep` characters, or behind its key."""
    if keep == 0 and (key := re.match(r"\s*[\w.-]+:(?=\s|$)", line)) is not None:
        keep = key.end()
    rest = line[keep:].strip()
    return f"{line[:keep]} {mask}" if rest and rest not in ("{", "}") else line
