"""docs/extending.md as data: its sections, the files that they show, the commands and their output.

A line that holds one path in backquotes names the file of the code block below it; such a line that
ends with "added at the end:" adds the block to a file that is there. A block of the language
`console` holds commands, each behind `$ `, and what they print; `…` stands for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.support import ROOT

GUIDE = ROOT / "docs" / "extending.md"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"`([^`\s]+)`(, added at the end:)?\n\n\Z")
_GOES_ON = re.compile(r"goes\s+on\s+from\s+\[[^\]]+\]\(#([a-z-]+)\)")


@dataclass(frozen=True)
class File:
    path: str
    text: str
    adds: bool = False


@dataclass(frozen=True)
class Command:
    """`first`: the block of the guide begins here, so the command runs in the project's root."""

    line: str
    output: tuple[str, ...]
    first: bool


@dataclass(frozen=True)
class Section:
    """`steps` are in the order of the guide; `after` is the section that this one goes on from."""

    name: str
    steps: tuple[File | Command, ...] = ()
    after: str = ""
    unnamed: tuple[str, ...] = field(default=())
    """Blocks of code that no path stands before."""


def anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def sections() -> dict[str, Section]:
    """The sections with code in them, by the anchor of their title."""
    found = {}
    for part in GUIDE.read_text().split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        section = _section(anchor(title), text)
        if section.steps or section.unnamed:
            found[section.name] = section
    return found


def _section(name: str, text: str) -> Section:
    steps: list[File | Command] = []
    unnamed, end = [], 0
    for block in _BLOCK.finditer(text):
        before, end = text[end : block.start()], block.end()
        language, body = block.groups()
        named = _FILE.search(before)
        if language == "console":
            steps += _commands(body)
        elif named:
            steps.append(File(named[1], body, bool(named[2])))
        else:
            unnamed.append(body)
    goes_on = _GOES_ON.search(text)
    return Section(name, tuple(steps), goes_on[1] if goes_on else "", tuple(unnamed))


def _commands(body: str) -> list[Command]:
    out: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            out.append((line[2:], []))
        else:
            out[-1][1].append(line)
    return [Command(line, tuple(output), n == 0) for n, (line, output) in enumerate(out)]


def matches(shown: tuple[str, ...], printed: str) -> bool:
    """Whether a command printed what the guide shows of it. A line `…` stands for any number of
    lines, and an `…` inside of a line for any text."""
    pattern = ""
    for line in shown:
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part.rstrip()) for part in line.split("…")) + r" *\n"
    return re.fullmatch(pattern, printed) is not None
