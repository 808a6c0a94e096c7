"""The projects whose controllers the embedded cluster runs, found by their files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from reconciler import extensions
from reconciler.objects.key import GroupKind
from reconciler.simulation.object_bodies import Problems

__all__ = ["all_projects", "defaults", "problems"]

_ROOM = "reconciler.simulation.controllers"


@functools.cache
def all_projects() -> tuple[Any, ...]:
    """Every `controller.Project`, by the name of its file."""
    return tuple(extensions.load(_ROOM, name, "PROJECT") for name in extensions.names(_ROOM))


@functools.cache
def problems() -> Mapping[GroupKind, Callable[[Any], Problems]]:
    """Kind → the rule that finds problems in a spec, as its project's webhooks do."""
    return {kind: rule for project in all_projects() for kind, rule in project.problems.items()}


@functools.cache
def defaults() -> Mapping[GroupKind, Callable[[Any], None]]:
    """Kind → the rule that fills in defaults, as its project does."""
    return {kind: rule for project in all_projects() for kind, rule in project.defaults.items()}
