"""The projects whose behaviour the embedded cluster has, found by their files."""

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
    """Per kind what its project refuses."""
    return {kind: rule for project in all_projects() for kind, rule in project.problems.items()}


@functools.cache
def defaults() -> Mapping[GroupKind, Callable[[Any], None]]:
    """Per kind what its project fills in."""
    return {kind: rule for project in all_projects() for kind, rule in project.defaults.items()}
