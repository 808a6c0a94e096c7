"""Edits of users' files that change nothing else: comments, quotes and line ends stay.

A scalar's own text span is replaced, so that the Git diff is that one line; a key that is not
there yet is added by ruamel.yaml's round trip. Either way the result is parsed again and compared
with what was meant before anything is handed back.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import yaml

from reconciler.errors import ReconcilerError
from reconciler.layers import document, emit, paths
from reconciler.layers.markers import Marked
from reconciler.origin import Branch, Items, plain

__all__ = ["EditFailed", "set_scalar"]

_PROPERTIES = re.compile(r"(?:[!&][^\s]*[ \t]+)*")


class EditFailed(ReconcilerError):
    """The edit could not be made without changing something else; nothing was written."""

    code = "E_EDIT"


def set_scalar(text: str, path: str, value: str | int | float | bool, file: str = "") -> str:
    """The file's text with one scalar set. `path` is a spelled path of map keys.

    Raises EditFailed where the file does not parse, the path runs through a list or a scalar, or
    an anchor would carry the change elsewhere.
    """
    steps = [step for step in paths.parse(path) if isinstance(step, str)]
    before = _plain(text, file)
    wanted = _put(before, steps, value, path, file)
    found = _scalar(text, steps)
    candidates = (
        [_replaced(text, found, value)] if found is not None else _additions(text, steps, value)
    )
    for edited in candidates:
        kept = _only(text, edited, replaced=found is not None)
        if kept and _plain(edited, file) == wanted:
            return edited
    raise EditFailed(
        f"{file or 'the file'} cannot be edited at {path} without changing something else",
        hint=f"edit it by hand: {steps[-1]}: {emit.scalar(value)}",
    )


def _plain(text: str, file: str) -> dict[str, Any]:
    parsed = document.parse(text.encode(), file, "edit")
    for mistake in parsed.diagnostics:
        if mistake.is_error:
            raise EditFailed(f"{mistake.site}: {mistake.message}", hint="correct the file first")
    return {} if parsed.root is None else plain(_unmarked(parsed.root))


def _unmarked(node: Any) -> Any:
    if isinstance(node, Marked):
        node = node.node
    if isinstance(node, Branch):
        return {key: _unmarked(child) for key, child in node.children.items()}
    if isinstance(node, Items):
        return [_unmarked(child) for child in node.children]
    return node


def _put(
    before: dict[str, Any], steps: list[str], value: Any, path: str, file: str
) -> dict[str, Any]:
    """What the file shall say afterwards."""
    out = dict(before)
    at = out
    for step in steps[:-1]:
        child = at.get(step)
        if child is not None and not isinstance(child, dict):
            raise EditFailed(f"{file or 'the file'}: {path} runs through a value that is no map")
        at[step] = dict(child or {})
        at = at[step]
    at[steps[-1]] = value
    return out


def _scalar(text: str, steps: list[str]) -> yaml.ScalarNode | None:
    """The scalar's node with its place in the text; None where the key is not there."""
    node = yaml.compose(text, Loader=yaml.SafeLoader) if text.strip() else None
    for step in steps:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((v for k, v in node.value if k.value == step), None)
    return node if isinstance(node, yaml.ScalarNode) else None


def _replaced(text: str, node: yaml.ScalarNode, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    old = text[start:end]
    properties = _PROPERTIES.match(old)
    kept = properties.group() if properties else ""
    new = emit.scalar(value)
    if isinstance(value, str) and node.style in ("'", '"') and new[:1] not in "'\"":
        new = f"{node.style}{new}{node.style}"
    if not old:  # `key:` with nothing after it
        new = f" {new}"
    return text[:start] + kept + new + text[end:]


def _additions(text: str, steps: list[str], value: Any) -> Iterator[str]:
    """Ways to add the key, the one that touches least first."""
    inserted = _inserted(text, steps, value)
    if inserted is not None:
        yield inserted
    for offset in (0, 2):
        yield _added(text, steps, value, offset)


def _inserted(text: str, steps: list[str], value: Any) -> str | None:
    """New lines after the last entry of the deepest map that is there, where it is a block."""
    node = yaml.compose(text, Loader=yaml.SafeLoader) if text.strip() else None
    rest = list(steps)
    while isinstance(node, yaml.MappingNode) and len(rest) > 1:
        child = next((v for k, v in node.value if k.value == rest[0]), None)
        if not isinstance(child, yaml.MappingNode):
            break
        node = child
        rest.pop(0)
    if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
        return None
    nested: Any = value
    for step in reversed(rest):
        nested = {step: nested}
    pad = " " * node.start_mark.column
    added = [f"{pad}{line}" for line in emit.emit(nested).splitlines()]
    lines = text.split("\n")
    end = node.end_mark.line + (0 if node.end_mark.column == 0 or text.endswith("\n") else 1)
    end = min(max(end, node.value[-1][0].start_mark.line + 1), len(lines))
    while not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#"):
        end -= 1
    last = [] if end < len(lines) else [""]
    return "\n".join([*lines[:end], *added, *lines[end:], *last])


def _added(text: str, steps: list[str], value: Any, offset: int) -> str:
    """With the key added, comments kept; `offset` is how far the file indents its lists."""
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    tool = YAML(typ="rt")
    tool.preserve_quotes = True
    tool.width = 4096
    tool.allow_unicode = True
    tool.indent(mapping=2, sequence=2 + offset, offset=offset)
    data = tool.load(text) if text.strip() else None
    heading = "" if data is not None else text
    if data is None:
        data = CommentedMap()
    at = data
    for step in steps[:-1]:
        if not isinstance(at.get(step), CommentedMap):
            at[step] = CommentedMap()
        at = at[step]
    quoted = isinstance(value, str) and emit.scalar(value).startswith('"')
    at[steps[-1]] = DoubleQuotedScalarString(value) if quoted else value
    out = io.StringIO()
    tool.dump(data, out)
    if heading and not heading.endswith("\n"):
        heading += "\n"
    return heading + out.getvalue()


def _only(before: str, after: str, *, replaced: bool) -> bool:
    """Whether the rest of the text stands as it was: one line changed, or lines added."""
    old, new = before.splitlines(), after.splitlines()
    if replaced:
        return len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) <= 1
    rest = iter(new)
    return all(line in rest or not line.strip() or line.strip() == "{}" for line in old)
