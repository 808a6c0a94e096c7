"""Edits one value of a user's YAML file and changes nothing else: comments, quotes and line ends
stay.

To change a scalar, its text is replaced, so the Git diff is one line. A new key is inserted as new
lines, or with ruamel.yaml where that is not possible. In each case the result is parsed again and
compared with the wanted values before it is returned.
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
    """The edit is not possible without changing something else. Nothing was written."""

    code = "E_EDIT"


def set_scalar(text: str, path: str, value: str | int | float | bool, file: str = "") -> str:
    """The file's text with one scalar set. `path` is a path of map keys, as references write it.

    Raises EditFailed when the file does not parse, when the path runs through a list or a scalar,
    or when the edit would change another value too (an anchor).
    """
    steps = [step for step in paths.parse(path) if isinstance(step, str)]
    before = _plain(text, file)
    wanted = _set_value(before, steps, value, path, file)
    found = _find_scalar(text, steps)
    candidates = (
        [_replace_scalar(text, found, value)]
        if found is not None
        else _additions(text, steps, value)
    )
    for edited in candidates:
        is_small = _keeps_other_lines(text, edited, replaced=found is not None)
        if is_small and _plain(edited, file) == wanted:
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
    return {} if parsed.root is None else plain(_without_marks(parsed.root))


def _without_marks(node: Any) -> Any:
    if isinstance(node, Marked):
        node = node.node
    if isinstance(node, Branch):
        return {key: _without_marks(child) for key, child in node.children.items()}
    if isinstance(node, Items):
        return [_without_marks(child) for child in node.children]
    return node


def _set_value(
    before: dict[str, Any], steps: list[str], value: Any, path: str, file: str
) -> dict[str, Any]:
    """The values of the file after the edit."""
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


def _find_scalar(text: str, steps: list[str]) -> yaml.ScalarNode | None:
    """The node of the scalar, with its place in the text. None when there is no such scalar."""
    node = yaml.compose(text, Loader=yaml.SafeLoader) if text.strip() else None
    for step in steps:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((v for k, v in node.value if k.value == step), None)
    return node if isinstance(node, yaml.ScalarNode) else None


def _replace_scalar(text: str, node: yaml.ScalarNode, value: Any) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    old = text[start:end]
    properties = _PROPERTIES.match(old)
    tag_and_anchor = properties.group() if properties else ""
    new = emit.scalar(value)
    if isinstance(value, str) and node.style in ("'", '"') and new[:1] not in "'\"":
        new = f"{node.style}{new}{node.style}"
    if not old:  # `key:` with nothing after it
        new = f" {new}"
    return text[:start] + tag_and_anchor + new + text[end:]


def _additions(text: str, steps: list[str], value: Any) -> Iterator[str]:
    """The texts that ways to add the key give; the way with the smallest change is first."""
    inserted = _insert_lines(text, steps, value)
    if inserted is not None:
        yield inserted
    for offset in (0, 2):
        yield _add_by_round_trip(text, steps, value, offset)


def _insert_lines(text: str, steps: list[str], value: Any) -> str | None:
    """The text with new lines after the last entry of the deepest map of the path that exists. None
    when that map is empty or in flow style."""
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


def _add_by_round_trip(text: str, steps: list[str], value: Any, offset: int) -> str:
    """The text with the key added by ruamel.yaml. `offset` is the indent of the file's lists."""
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


def _keeps_other_lines(before: str, after: str, *, replaced: bool) -> bool:
    """Whether all other lines stay: at most one line has changed (`replaced`), or lines were only
    added."""
    old, new = before.splitlines(), after.splitlines()
    if replaced:
        return len(old) == len(new) and sum(a != b for a, b in zip(old, new, strict=True)) <= 1
    rest = iter(new)
    return all(line in rest or not line.strip() or line.strip() == "{}" for line in old)
