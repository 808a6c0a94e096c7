"""Argo's `depends`: the condition on other tasks' results under which a task runs.

For example `a.Succeeded && (b.Failed || c.Skipped)`. A task's name alone means that the task
succeeded or was skipped, or is a running daemon.
Source: argo-workflows workflow/common/ancestry.go and workflow/controller/dag.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["DependsInvalid", "TaskState", "evaluate", "expression_of", "list_tasks"]

_TOKEN = re.compile(r"\s*(&&|\|\||!|\(|\)|[A-Za-z0-9_-]+(?:\.[A-Za-z]+)?)")


class DependsInvalid(ValueError):
    """An expression that Argo would refuse."""


class TaskState(NamedTuple):
    """A task's phase; for a fan-out also whether any child succeeded and whether all failed."""

    phase: str
    any_succeeded: bool = False
    all_failed: bool = False

    def matches(self, result: str) -> bool:
        """Whether the task has this result, for example `Failed`; "" for the task's name alone.
        Raises DependsInvalid for an unknown result."""
        match result:
            case "":
                return self.phase in ("Succeeded", "Skipped")
            case "AnySucceeded":
                return self.any_succeeded
            case "AllFailed":
                return self.all_failed
            case "Errored":
                return self.phase == "Error"
            case "Succeeded" | "Failed" | "Skipped" | "Omitted":
                return self.phase == result
            case "Daemoned":
                return False
            case _:
                raise DependsInvalid(f"invalid task result {result!r}")


def expression_of(task: Mapping[str, object]) -> str:
    """A DAG task's condition: `depends`, or its `dependencies` joined."""
    names = task.get("dependencies")
    if isinstance(names, list | tuple):
        return " && ".join(str(name) for name in names)
    return str(task.get("depends") or "")


def list_tasks(expression: str) -> frozenset[str]:
    """The tasks that an expression names."""
    return frozenset(t.partition(".")[0] for t in _tokens(expression) if t[0] not in "&|!()")


def evaluate(expression: str, states: Mapping[str, TaskState]) -> bool:
    """Whether the condition holds for finished tasks. Raises DependsInvalid."""
    if not expression.strip():
        return True
    parser = _Parser(_tokens(expression), states)
    result = parser.either()
    if parser.rest:
        raise DependsInvalid(f"cannot read {expression!r}")
    return result


def _tokens(expression: str) -> list[str]:
    out, at = [], 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise DependsInvalid(f"cannot read {expression!r}")
        out.append(match[1])
        at = match.end()
    return out


class _Parser:
    def __init__(self, tokens: list[str], states: Mapping[str, TaskState]) -> None:
        self.rest = tokens
        self.states = states

    def either(self) -> bool:
        result = self.both()
        while self._take("||"):
            right = self.both()
            result = result or right
        return result

    def both(self) -> bool:
        result = self.one()
        while self._take("&&"):
            right = self.one()
            result = result and right
        return result

    def one(self) -> bool:
        if self._take("!"):
            return not self.one()
        if self._take("("):
            result = self.either()
            if not self._take(")"):
                raise DependsInvalid("a parenthesis is not closed")
            return result
        if not self.rest:
            raise DependsInvalid("the expression ends too early")
        name, _, wanted = self.rest.pop(0).partition(".")
        if name not in self.states:
            raise DependsInvalid(f"there is no task {name!r}")
        return self.states[name].matches(wanted)

    def _take(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False
