"""Warns of path patterns of layers.yaml that no field has: a strategy for them orders nothing, and
an `allow` for them allows nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.apps import shape as shapes
from reconciler.diagnostics import Diagnostic, warning
from reconciler.layers.stack import Stack
from reconciler.spec.application import Application
from reconciler.suggest import did_you_mean

__all__ = ["check"]


def check(
    order: Stack, capabilities: Mapping[str, Mapping[str, type | None]]
) -> Iterator[Diagnostic]:
    """A warning for each strategy and each `allow` prefix of a path that no field has."""
    patterns = [(path, site, "lists") for path, site in order.places.items()]
    patterns += [
        (tuple(map(str, path)), layer.site, "allow")
        for layer in order.layers
        for path in layer.allow
    ]
    for path, site, where in patterns:
        unknown = shapes.find_unknown(Application, capabilities, path)
        if unknown is None:
            continue
        step, known = unknown
        yield warning(
            "W_NO_EFFECT",
            f"no field has the path {'.'.join(path)}: {step!r} is none",
            site,
            path=where,
            help=did_you_mean(step, known)
            or (f"known: {', '.join(sorted(known))}" if known else "a value stands there"),
        )
