"""Writes values as YAML that every YAML 1.1 and 1.2 reader reads alike (merge rule M9).

The output is deterministic: keys in the tree's order, two spaces per level, flow style only for
empty maps and lists, and quotes around each text that some reader would take for another value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.layers import scalars
from reconciler.origin import Branch, Items, SecretRef, Value

__all__ = ["emit", "scalar"]

#: Texts that a CI system would carry out as a command when they stand in its log: `::set-env …` at
#: the start of a line (GitHub), `##[…]` and `##vso[…]` anywhere (GitHub, Azure).
_CI_COMMAND = re.compile(r"(?m)^[ \t]*+::|##(?:vso)?\[")


def emit(node: Any) -> str:
    """A tree, or plain dicts, lists and scalars, as one YAML document. A secret reference is
    written as `!secret`, so the output can be read as a layer again."""
    out = "\n".join(_lines(node, 0))
    return f"{out}\n"


def _lines(node: Any, indent: int) -> Iterator[str]:
    pad = "  " * indent
    entries = _map(node)
    if entries is not None:
        if not entries:
            yield f"{pad}{{}}"
        for key, child in entries.items():
            yield from _entry(f"{pad}{_key(key)}:", child, indent)
        return
    elements = _list(node)
    if elements is not None:
        if not elements:
            yield f"{pad}[]"
        for child in elements:
            inner = list(_lines(child, indent + 1))
            yield f"{pad}- {inner[0].strip(' ') if _is_block(inner[0]) else inner[0].lstrip()}"
            yield from inner[1:]
        return
    yield f"{pad}{scalar(_datum(node), indent)}"


def _is_block(line: str) -> bool:
    return line.endswith((" |", " |-", " |+"))


def _entry(head: str, child: Any, indent: int) -> Iterator[str]:
    entries, elements = _map(child), _list(child)
    if entries:
        yield head
        yield from _lines(child, indent + 1)
    elif elements:
        yield head
        yield from _lines(child, indent)
    elif entries is not None:
        yield f"{head} {{}}"
    elif elements is not None:
        yield f"{head} []"
    else:
        yield f"{head} {scalar(_datum(child), indent + 1)}"


def scalar(datum: Any, indent: int = 0) -> str:
    """One scalar. A text of several lines becomes a literal block, indented by `indent` levels, if
    every reader reads that block alike."""
    if datum is None:
        return "null"
    if isinstance(datum, bool):
        return "true" if datum else "false"
    if isinstance(datum, SecretRef):
        return f"!secret {_text(datum.ref)}"
    if isinstance(datum, float):
        text = repr(datum)
        mantissa, mark, exponent = text.partition("e")
        # A YAML 1.1 reader needs a dot before the exponent.
        return f"{mantissa}.0e{exponent}" if mark and "." not in mantissa else text
    if isinstance(datum, int):
        return str(datum)
    text = str(datum)
    return _block(text, indent) if _fits_block(text) else _text(text)


def _fits_block(text: str) -> bool:
    if "\n" not in text.rstrip("\n") or text[0] in " \n\t" or _CI_COMMAND.search(text):
        return False
    lines = text.split("\n")
    return all(line.isprintable() and not line.endswith(" ") for line in lines) and any(lines)


def _block(text: str, indent: int) -> str:
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    mark = {0: "|-", 1: "|"}.get(ends, "|+")
    pad = "  " * max(indent, 1)
    lines = [f"{pad}{line}" if line else "" for line in body.split("\n")]
    return "\n".join([mark, *lines, *[""] * max(ends - 1, 0)])


def _text(text: str) -> str:
    is_command = _CI_COMMAND.search(text) is not None
    if not is_command and not scalars.needs_quotes(text):
        return text
    out = json.dumps(text, ensure_ascii=False)
    if is_command:
        out = out.replace("::", ":\\u003a").replace("##", "#\\u0023")
    return "".join(c if c.isprintable() else _escape(c) for c in out)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(key: str) -> str:
    if scalars.is_ambiguous_key(key) or len(key) > 1000:
        return json.dumps(key, ensure_ascii=False)
    return _text(key)


def _map(node: Any) -> Mapping[str, Any] | None:
    if isinstance(node, Branch):
        return node.children
    return node if isinstance(node, Mapping) else None


def _list(node: Any) -> tuple[Any, ...] | list[Any] | None:
    if isinstance(node, Items):
        return node.children
    if isinstance(node, SecretRef):
        return None
    return node if isinstance(node, list | tuple) else None


def _datum(node: Any) -> Any:
    return node.value if isinstance(node, Value) else node
