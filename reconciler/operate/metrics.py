"""The Prometheus counters, gauges and histograms of one loop.

Each `Registry` has its own values, so that tests and several loops in one process share nothing.
Labels are environments, groups, states and kinds, never names that tenants choose freely.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass, field

__all__ = ["BUCKETS", "FAMILIES", "Durations", "Family", "Registry"]

#: Upper bounds in seconds of the durations' buckets; one without a bound follows.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
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


@dataclass(slots=True)
class Durations:
    """A histogram: how many values fell into each bucket of BUCKETS and the one after, and their
    sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0


class Registry:
    """Values by family and labels; safe for threads. Every method raises KeyError for a family or a
    label that is not in FAMILIES. A family without a value is absent, because an alert on an age
    would fire on a zero."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._durations: dict[str, Durations] = {}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        with self._lock:
            series, key = self._series(name, "counter", labels)
            series[key] = series.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            series, key = self._series(name, "gauge", labels)
            series[key] = value

    def clear(self, name: str) -> None:
        """Removes all series of a family."""
        with self._lock:
            self._values.pop(FAMILIES[name].name, None)

    def observe(self, name: str, value: float) -> None:
        with self._lock:
            _check(FAMILIES[name], "histogram", {})
            durations = self._durations.setdefault(name, Durations())
            durations.counts[bisect_left(BUCKETS, value)] += 1
            durations.total += value

    def _series(
        self, name: str, kind: str, labels: dict[str, str]
    ) -> tuple[dict[tuple[str, ...], float], tuple[str, ...]]:
        family = FAMILIES[name]
        _check(family, kind, labels)
        series = self._values.setdefault(name, {})
        key = tuple(str(labels[label]) for label in family.labels)
        if key not in series and len(series) >= _MOST_SERIES:
            key = tuple("other" for _ in key)
        return series, key

    def values(self) -> dict[str, dict[tuple[str, ...], float]]:
        """Counters and gauges by family and by the labels' values in the family's order."""
        with self._lock:
            return {name: dict(series) for name, series in self._values.items()}

    def durations(self) -> dict[str, Durations]:
        with self._lock:
            return {name: Durations(list(d.counts), d.total) for name, d in self._durations.items()}


def _check(family: Family, kind: str, labels: dict[str, str]) -> None:
    if family.kind != kind or labels.keys() != set(family.labels):
        raise KeyError(f"{family.name}: {kind} {sorted(labels)}")
