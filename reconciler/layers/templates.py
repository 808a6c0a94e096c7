"""Splits a text into literal parts and references `${{ path ?? default }}` (merge rule M7)."""

from __future__ import annotations

import functools
import json
import re
from typing import Any, NamedTuple, TypeAlias

from reconciler.layers import paths, scalars
from reconciler.layers.paths import Path, PathInvalid
from reconciler.origin import Branch, Items, Node, Origin

__all__ = ["OPEN", "Malformed", "Part", "Ref", "has_reference", "is_whole", "known_below", "parts"]

OPEN = "${{"
_ESCAPED = "$${{"
_TOKEN = re.compile(r"\$\$\{\{|\$\{\{")
#: The text up to the closing braces. A quoted name may hold braces.
_BODY = re.compile(r'((?:[^"}]|"(?:[^"\\]|\\.)*"|\}(?!\}))*)\}\}')


class Ref(NamedTuple):
    """A reference. `text` is its path as written."""

    path: Path
    text: str
    default: Any = None
    has_default: bool = False


class Malformed(NamedTuple):
    """A `${{` that is no reference. `why` completes a message."""

    why: str


Part: TypeAlias = "str | Ref | Malformed"


@functools.lru_cache(maxsize=16384)
def parts(text: str) -> tuple[Part, ...]:
    """The literal parts and references of a text, in order. An escaped `$${{` becomes `${{`."""
    out: list[Part] = []
    at = 0
    literal = ""
    while True:
        found = _TOKEN.search(text, at)
        if found is None:
            literal += text[at:]
            break
        literal += text[at : found.start()]
        if found.group() == _ESCAPED:
            literal += OPEN
            at = found.end()
            continue
        body = _BODY.match(text, found.end())
        if literal:
            out.append(literal)
            literal = ""
        if body is None:
            out.append(Malformed("`${{` is never closed by `}}`"))
            return tuple(out)
        out.append(_reference(body[1]))
        at = body.end()
    if literal or not out:
        out.append(literal)
    return tuple(out)


def _reference(body: str) -> Ref | Malformed:
    text, marker, rest = _split_default(body)
    try:
        path = paths.parse(text)
    except PathInvalid as invalid:
        return Malformed(str(invalid))
    if not marker:
        return Ref(path, text.strip())
    try:
        return Ref(path, text.strip(), _default(rest.strip()), True)
    except ValueError as invalid:
        return Malformed(str(invalid))


def _split_default(body: str) -> tuple[str, bool, str]:
    """Splits at the first `??` outside quotes: the path, whether there is a default, the
    default."""
    quoted = False
    for index, char in enumerate(body):
        if char == '"' and (index == 0 or body[index - 1] != "\\"):
            quoted = not quoted
        elif not quoted and body.startswith("??", index):
            return body[:index], True, body[index + 2 :]
    return body, False, ""


def _default(text: str) -> Any:
    """The datum of a default: a scalar as YAML's core types read it, or JSON. Raises ValueError."""
    if not text:
        raise ValueError('the default after `??` is empty; write "" for an empty text')
    if text[0] in '"[{':
        try:
            return json.loads(text, parse_int=_number, parse_float=_number)
        except ValueError as cause:
            raise ValueError(f"the default {text} is not JSON") from cause
    if text[0] == "'":
        if len(text) < 2 or text[-1] != "'" or "'" in text[1:-1].replace("''", ""):
            raise ValueError(f"the default {text} is not a quoted text")
        return text[1:-1].replace("''", "'")
    found = scalars.resolve(text)
    if found.problem.startswith("E"):
        reason = "cannot be carried exactly" if found.problem == "E_NUMBER" else "is ambiguous"
        raise ValueError(f'the default {text} {reason}; quote it: "{text}"')
    return found.value


def _number(text: str) -> Any:
    found = scalars.resolve(text)
    if found.problem.startswith("E"):
        raise ValueError(f"{text} cannot be carried exactly as a number")
    return found.value


def is_whole(datum: Any) -> bool:
    """Whether a scalar is one reference and nothing else."""
    if type(datum) is not str or not datum.startswith(OPEN):
        return False
    found = parts(datum)
    return len(found) == 1 and isinstance(found[0], Ref)


def has_reference(node: Node) -> bool:
    """Whether a tree holds a reference, also in a part of a text."""
    if isinstance(node, Branch):
        return any(has_reference(child) for child in node.children.values())
    if isinstance(node, Items):
        return any(has_reference(child) for child in node.children)
    datum = node.value
    return (
        type(datum) is str
        and OPEN in datum
        and any(not isinstance(part, str) for part in parts(datum))
    )


def known_below(origin: Origin) -> Origin | None:
    """The nearest scalar below a value that is one reference, whose kind is known before references
    are resolved. None when there is none."""
    link = origin.under
    while link is not None and link.op != "delete":
        if not link.is_scalar:
            return None
        if not is_whole(link.value):
            return link
        link = link.under
    return None
