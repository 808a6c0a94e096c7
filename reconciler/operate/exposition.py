"""The loop's values in Prometheus's exposition format.

A module of its own: the library brings a web server with it, and most single passes show nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from reconciler.operate.metrics import BUCKETS, FAMILIES, Durations, Registry

__all__ = ["text"]

_PREFIX = "reconciler_"


def text(registry: Registry) -> str:
    """Version 0.0.4; sorted by name and labels, so that equal values give equal bytes."""
    return generate_latest(_Values(registry)).decode()


class _Values(Collector):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        made = [_series(name, series) for name, series in self._registry.values().items()]
        made += [_histogram(name, item) for name, item in self._registry.durations().items()]
        yield from sorted(made, key=lambda metric: metric.name)


def _histogram(name: str, durations: Durations) -> Metric:
    bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
    buckets = list(zip(bounds, accumulate(durations.counts), strict=True))
    return HistogramMetricFamily(
        _PREFIX + name, FAMILIES[name].text, buckets=buckets, sum_value=durations.total
    )


def _series(name: str, values: Mapping[tuple[str, ...], float]) -> Metric:
    family = FAMILIES[name]
    made = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = made(_PREFIX + name, family.text, labels=sorted(family.labels))
    order = sorted(range(len(family.labels)), key=lambda place: family.labels[place])
    rows = {tuple(key[place] for place in order): value for key, value in values.items()}
    for key in sorted(rows):
        metric.add_metric(key, rows[key])
    return metric
