"""Gives back the references to None that the CEL engine drops.

The engine (cel-expr-python 0.1.3) drops one for each null that it converts. Without this a loop of
some hours ends with a fatal error of the interpreter, when the count of None reaches 0.
"""

from __future__ import annotations

from typing import Any

__all__ = ["give_back"]


def give_back(value: Any) -> None:
    """Adds a reference for each None in a converted list or map. Cost: one pass over the value."""
    count = _count(value)
    if count:
        from ctypes import py_object, pythonapi

        for _ in range(count):
            pythonapi.Py_IncRef(py_object(None))


def _count(value: Any) -> int:
    count, stack = 0, [value]
    while stack:
        node = stack.pop()
        if node is None:
            count += 1
        elif type(node) is dict:
            stack += [*node, *node.values()]
        elif type(node) is list:
            stack += node
    return count
