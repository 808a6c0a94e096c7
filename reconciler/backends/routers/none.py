"""Draws no route: the Service of the serving object takes all traffic, so no split is possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.apps.app import App
from reconciler.backends.contract import Endpoint, LiveRoute, Lookup, Router
from reconciler.diagnostics import Diagnostic
from reconciler.lifecycle.decision import Weights
from reconciler.objects.draft import Draft

__all__ = ["ROUTER"]


def _draw(
    _app: App, _weights: Weights, _endpoints: Mapping[str, Endpoint], _lookup: Lookup
) -> tuple[Draft, ...]:
    return ()


def _read(_app: App, _lookup: Lookup) -> LiveRoute:
    return LiveRoute(None)


def _check(_app: App) -> Iterable[Diagnostic]:
    return ()


ROUTER = Router("none", False, (), _draw, _read, _check)
