"""The Prometheus counters, gauges and histograms of one loop.

Each `Registry` has its own collector registry, so that tests and several loops in one process share
nothing. Labels are environments, groups, states and kinds, never names that tenants choose freely.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

__all__ = ["FAMILIES", "Family", "Registry"]

_PREFIX = "reconciler"
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
#: The most series of one family; values of further label sets are counted under `other`.
_MOST_SERIES = 2000


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family; `name` is without the prefix, `text` is its help."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


FAMILIES = {
    family.name: family
    for family in (
        Family("reconcile_total", "counter", ("environment", "result"), "Apps by result."),
        Family("passes_total", "counter", ("result",), "Passes by result."),
        Family("pass_duration_seconds", "histogram", (), "Duration of a whole pass."),
        Family(
            "environment_info",
            "gauge",
            ("environment", "revision", "ready"),
            "1 for the revision and state that an environment is in.",
        ),
        Family(
            "last_success_timestamp_seconds",
            "gauge",
            ("environment",),
            "When all apps of the environment last succeeded.",
        ),
        Family(
            "last_pass_timestamp_seconds", "gauge", (), "When the last pass ended without error."
        ),
        Family("objects", "gauge", ("environment", "state"), "Objects: desired, drifted."),
        Family("apps", "gauge", ("environment", "result"), "Apps by the result of the last pass."),
        Family(
            "drift_corrections_total",
            "counter",
            ("environment", "kind"),
            "Objects whose drift was corrected.",
        ),
        Family("kube_requests_total", "counter", (), "Requests to the cluster."),
        Family("git_fetch_total", "counter", ("result",), "Requests to the Git source by result."),
        Family("git_source_age_seconds", "gauge", (), "Seconds since Git last answered."),
        Family("lease_held", "gauge", ("group",), "1 while the lease of a group is held."),
        Family("lease_transitions", "gauge", ("group",), "The epoch of a lease that is held."),
        Family(
            "skipped_passes_total", "counter", (), "Passes that were due while one was running."
        ),
        Family("notifications_total", "counter", ("result",), "Notifications by result."),
        Family("events_total", "counter", ("result",), "Kubernetes events by result."),
        Family(
            "webhook_requests_total", "counter", ("result",), "Requests to the webhook by result."
        ),
    )
}


class Registry:
    """Values by family and labels; safe for threads. Every method raises KeyError for a family or a
    label that is not in FAMILIES."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._series: dict[str, set[tuple[str, ...]]] = {}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        with self._lock:
            metric = self._metric(name, labels)
            assert isinstance(metric, Counter)
            metric.inc(amount)

    def set(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            metric = self._metric(name, labels)
            assert isinstance(metric, Gauge)
            metric.set(value)

    def clear(self, name: str) -> None:
        """Removes all series of a family."""
        with self._lock:
            metric = self._metrics.pop(FAMILIES[name].name, None)
            self._series.pop(name, None)
            if metric is not None:
                self._own.unregister(metric)

    def observe(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            metric = self._metric(name, labels)
            assert isinstance(metric, Histogram)
            metric.observe(value)

    def _metric(self, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        """The metric of one series. A family is registered with its first value: before that it
        must be absent, because an alert on an age would fire on a zero."""
        family = FAMILIES[name]
        if labels.keys() != set(family.labels):
            raise KeyError(f"{name}: {sorted(labels)}")
        metric = self._metrics.get(name)
        if metric is None:
            metric = self._metrics[name] = _register(family, self._own)
        if not family.labels:
            return metric
        key = tuple(str(labels[label]) for label in family.labels)
        series = self._series.setdefault(name, set())
        if key not in series and len(series) >= _MOST_SERIES:
            key = tuple("other" for _ in key)
        series.add(key)
        return metric.labels(*key)

    def text(self) -> str:
        """The exposition format, version 0.0.4; sorted, so that equal values give equal bytes."""
        with self._lock:
            return prometheus_client.generate_latest(_Sorted(self._own)).decode()


def _register(family: Family, own: CollectorRegistry) -> Counter | Gauge | Histogram:
    given = (family.name, family.text, family.labels, _PREFIX)
    match family.kind:
        case "counter":
            return Counter(*given, registry=own)
        case "gauge":
            return Gauge(*given, registry=own)
        case _:
            return Histogram(*given, registry=own, buckets=_BUCKETS)


class _Sorted(Collector):
    """A registry's metrics, sorted by name and labels, without the creation times of series."""

    def __init__(self, own: CollectorRegistry) -> None:
        self._own = own

    def collect(self) -> Iterator[Metric]:
        for metric in sorted(self._own.collect(), key=lambda metric: metric.name):
            samples = [s for s in metric.samples if not s.name.endswith("_created")]
            metric.samples = sorted(samples, key=_labels)
            yield metric


def _labels(sample: Sample) -> list[tuple[str, str]]:
    # Without `le`: the sort is stable, and so keeps a histogram's buckets in their order.
    return sorted(pair for pair in sample.labels.items() if pair[0] != "le")
