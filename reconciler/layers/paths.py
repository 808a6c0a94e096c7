"""Config paths as references write them (`a.b[0]."x.y"`, `env[name=A].value`), and the path
patterns of list strategies (`containers.[].env`; `*` is any key of a map, `[]` any element of a
list)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

__all__ = [
    "Literal",
    "Path",
    "PathInvalid",
    "Patterns",
    "Selector",
    "Strategy",
    "parse",
    "parse_pattern",
    "spell",
]


class Literal(str):
    """The spelling of a key field that is no text: a number, a boolean or a null. It differs from
    the text of the same letters: `[id=1]` is not `[id="1"]`."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is Literal and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((Literal, str(self)))


class Selector(NamedTuple):
    """Selects an element of a keyed list by its key fields: `[name=A]`."""

    pairs: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return "[" + ",".join(f"{_quoted(k, _VALUE)}={_spelled(v)}" for k, v in self.pairs) + "]"


Step: TypeAlias = "str | int | Selector"
Path: TypeAlias = "tuple[Step, ...]"

_NAME = re.compile(r"[^\s.\[\]\"{}?,=]+")
_VALUE = re.compile(r"[^\s\[\]\",=]+")
_LITERAL = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?|true|false|null")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BARE = r'[^\s\[\]",=]'
_SIDES = rf"(?:{_QUOTED}|{_BARE}+)=(?:{_QUOTED}|{_BARE}*)"
_PAIR = re.compile(rf"(?P<key>{_QUOTED}|{_BARE}+)=(?P<value>{_QUOTED}|{_BARE}*)")
_TOKEN = re.compile(
    rf"(?P<quoted>{_QUOTED})|\[(?P<index>\d+)\]|\[(?P<pairs>{_SIDES}(?:,{_SIDES})*)\]"
    r'|(?P<name>[^\s.\[\]"{}?]+)'
)


class PathInvalid(ValueError):
    """A text is not a path. The exception's text says where."""


def _quoted(text: str, pattern: re.Pattern[str]) -> str:
    return text if pattern.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _spelled(value: str) -> str:
    if type(value) is Literal:
        return str.__str__(value)
    return json.dumps(value) if _LITERAL.fullmatch(value) else _quoted(value, _VALUE)


def _value(text: str) -> str:
    """The value of a key field in a selector: a text in quotes, or a bare text, which is a Literal
    when it reads as a number, a boolean or a null."""
    return Literal(text) if _LITERAL.fullmatch(text) else _unquoted(text)


def spell(path: Path) -> str:
    """A path as text, "" for the root. `parse` reads it back."""
    out = ""
    for step in path:
        if isinstance(step, str):
            name = _quoted(step, _NAME)
            out += f".{name}" if out else name
        elif isinstance(step, Selector):
            out += str(step)
        else:
            out += f"[{step}]"
    return out


def parse(text: str) -> Path:
    """The steps of a path's text. Raises PathInvalid."""
    steps: list[Step] = []
    position = 0
    expect_name = True
    text = text.strip()
    while position < len(text):
        if text[position] == ".":
            if expect_name:
                raise PathInvalid(f"{text!r} has an empty step")
            position += 1
            expect_name = True
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise PathInvalid(f"{text!r} cannot be read at character {position + 1}")
        bracket = match["index"] is not None or match["pairs"] is not None
        if bracket == expect_name and (steps or not bracket) and not (bracket and not steps):
            raise PathInvalid(f"{text!r} cannot be read at character {position + 1}")
        steps.append(_step(match))
        position = match.end()
        expect_name = False
    if expect_name:
        raise PathInvalid(f"{text!r} has an empty step" if text else "a path is empty")
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["quoted"] is not None:
        return _unquoted(match["quoted"])
    if match["index"] is not None:
        return int(match["index"])
    if match["pairs"] is not None:
        pairs = _PAIR.finditer(match["pairs"])
        return Selector(tuple((_unquoted(p["key"]), _value(p["value"])) for p in pairs))
    return str(match["name"])


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError as cause:
        raise PathInvalid(f"{text} is not a quoted name") from cause


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a layer's list meets the list below it. `operation` is replace, append, prepend, union,
    remove or by; `keys` are the key fields of `by`."""

    operation: str
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class Patterns:
    """A trie of the path patterns of lists.

    A walk down a tree keeps the tuple of trie nodes that match the path so far, exact matches
    before `*`, so that the more specific pattern wins. With an empty tuple no pattern matches
    below.
    """

    children: dict[str, Patterns] = field(default_factory=dict)
    strategy: Strategy | None = None

    @classmethod
    def of(cls, lists: Mapping[tuple[str, ...], Strategy]) -> Patterns:
        root = cls()
        for segments, strategy in lists.items():
            node = root
            for segment in segments:
                node = node.children.setdefault(segment, cls())
            node.strategy = strategy
        return root

    def start(self) -> tuple[Patterns, ...]:
        return (self,) if self.children else ()


def descend(states: tuple[Patterns, ...], key: str) -> tuple[Patterns, ...]:
    """The trie nodes that match after one more key of a map."""
    if not states:
        return states
    exact = [n.children[key] for n in states if key in n.children and key != "[]"]
    return tuple(exact + [n.children["*"] for n in states if "*" in n.children and key != "*"])


def into_list(states: tuple[Patterns, ...]) -> tuple[Patterns, ...]:
    """The trie nodes that match an element of a list."""
    return tuple(n.children["[]"] for n in states if "[]" in n.children) if states else states


def declared(states: tuple[Patterns, ...]) -> Strategy | None:
    """The strategy of the most specific pattern that ends at this path; None without one."""
    return next((n.strategy for n in states if n.strategy is not None), None)


def parse_pattern(text: str) -> tuple[str, ...]:
    """The segments of a path pattern's text. Raises PathInvalid."""
    segments: list[str] = []
    for match in re.finditer(r'"((?:[^"\\]|\\.)*)"|\[\]|[^.\[\]"\s]+|(.)', text):
        part = match.group()
        if part == ".":
            continue
        if match[2] is not None:
            raise PathInvalid(f"{text!r} cannot be read at {part!r}")
        segments.append(json.loads(part) if part.startswith('"') else part)
    if not segments or ".." in text or text.startswith(".") or text.endswith("."):
        raise PathInvalid(f"{text!r} is not a path pattern")
    return tuple(segments)
