"""Config paths: spelled as references spell them (`a.b[0]."x.y"`, `env[name=A].value`), and the
patterns that declare list strategies (`containers.[].env`, `*` any map key, `[]` any element)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

__all__ = [
    "Path",
    "PathInvalid",
    "Patterns",
    "Selector",
    "Strategy",
    "parse",
    "parse_pattern",
    "spell",
]


class Selector(NamedTuple):
    """An element of a keyed list, by the texts of its key fields."""

    pairs: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return (
            "["
            + ",".join(f"{_quoted(k, _VALUE)}={_quoted(v, _VALUE)}" for k, v in self.pairs)
            + "]"
        )


Step: TypeAlias = "str | int | Selector"
Path: TypeAlias = "tuple[Step, ...]"

_NAME = re.compile(r"[^\s.\[\]\"{}?,=]+")
_VALUE = re.compile(r"[^\s\[\]\",=]+")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BARE = r'[^\s\[\]",=]'
_SIDES = rf"(?:{_QUOTED}|{_BARE}+)=(?:{_QUOTED}|{_BARE}*)"
_PAIR = re.compile(rf"(?P<key>{_QUOTED}|{_BARE}+)=(?P<value>{_QUOTED}|{_BARE}*)")
_TOKEN = re.compile(
    rf"(?P<quoted>{_QUOTED})|\[(?P<index>\d+)\]|\[(?P<pairs>{_SIDES}(?:,{_SIDES})*)\]"
    r'|(?P<name>[^\s.\[\]"{}?]+)'
)


class PathInvalid(ValueError):
    """A text that is no path; the text says where."""


def _quoted(text: str, pattern: re.Pattern[str]) -> str:
    return text if pattern.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def spell(path: Path) -> str:
    """The one spelling of a path; "" for the root."""
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
    """The steps of a spelled path. Raises PathInvalid."""
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
        return Selector(tuple((_unquoted(p["key"]), _unquoted(p["value"])) for p in pairs))
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
    """How two lists meet: replace, append, prepend, union, remove, or `by` its keys."""

    operation: str
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class Patterns:
    """A trie of list patterns. A walk carries the tuple of nodes that still match, exact ones
    first, so that a more specific pattern wins; the empty tuple means nothing below matters."""

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
    """The nodes that match one map key further down."""
    if not states:
        return states
    exact = [n.children[key] for n in states if key in n.children and key != "[]"]
    return tuple(exact + [n.children["*"] for n in states if "*" in n.children and key != "*"])


def into_list(states: tuple[Patterns, ...]) -> tuple[Patterns, ...]:
    """The nodes that match an element of a list."""
    return tuple(n.children["[]"] for n in states if "[]" in n.children) if states else states


def declared(states: tuple[Patterns, ...]) -> Strategy | None:
    """The strategy of the most specific pattern that ends here."""
    return next((n.strategy for n in states if n.strategy is not None), None)


def parse_pattern(text: str) -> tuple[str, ...]:
    """The segments of a declared pattern. Raises PathInvalid."""
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
