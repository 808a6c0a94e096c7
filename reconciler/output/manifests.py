"""Desired objects as YAML for people and for `kubectl`."""

from __future__ import annotations

from reconciler.engine.views.objects import RenderedObject
from reconciler.layers.emit import emit

__all__ = ["document"]


def document(item: RenderedObject) -> str:
    """One YAML document, with the unit's id in a comment."""
    return f"---\n# {item.app}\n{emit(item.manifest.body)}"
