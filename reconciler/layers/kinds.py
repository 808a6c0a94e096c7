"""The kinds of values, and which kinds may replace each other (merge rule M3.6)."""

from __future__ import annotations

from typing import Any

from reconciler.origin import Branch, Items, Node, Origin, SecretRef

__all__ = ["kind_at", "kind_of", "meets"]


def kind_of(node: Any) -> str:
    """The kind of a node: map, list, bool, number, string, secret or null."""
    if isinstance(node, Branch):
        return "map"
    if isinstance(node, Items):
        return "list"
    return kind_of_datum(node.value)


def kind_of_datum(datum: Any) -> str:
    if isinstance(datum, bool):
        return "bool"
    if isinstance(datum, int | float):
        return "number"
    if isinstance(datum, str):
        return "string"
    return "secret" if isinstance(datum, SecretRef) else "null"


def kind_at(low: Node, origin: Origin) -> str:
    """The kind of the value that `origin`, a link in the chain of `low`, has written."""
    if origin is low.origin:
        return kind_of(low)
    return kind_of_datum(origin.value)


def meets(low: str, high: str) -> bool:
    """Whether a value of kind `high` may replace one of kind `low` (M3.6): the kinds are equal, one
    is null, or a secret replaces a string."""
    return low == high or "null" in (low, high) or (low, high) == ("string", "secret")
