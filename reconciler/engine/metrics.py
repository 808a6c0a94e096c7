"""Counters, gauges and histograms, and their text as Prometheus reads it.

Own, because it is a hundred lines: prometheus-client would come with a process-wide registry that
tests and several loops in one process share, and with an import that every quiet run pays. Labels
are environments, states, phases and kinds: never names that a tenant chooses freely.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["FAMILIES", "Family", "Registry"]

_PREFIX = "reconciler"
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
#: More series than this in one family and the rest is counted under `other`.
_MOST_SERIES = 2000


@dataclass(frozen=True, slots=True)
class Family:
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
            "When all apps of the environment were last in order.",
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
            "Objects that were put right.",
        ),
        Family("kube_requests_total", "counter", (), "Requests to the cluster."),
        Family("git_fetch_total", "counter", ("result",), "Looks at the Git remote."),
        Family("git_source_age_seconds", "gauge", (), "How long ago Git last answered."),
        Family("lease_held", "gauge", ("group",), "1 while the lease of a group is held."),
        Family("lease_transitions", "gauge", ("group",), "The epoch of a lease that is held."),
        Family(
            "skipped_passes_total", "counter", (), "Passes that were due while one was running."
        ),
        Family(
            "notifications_total", "counter", ("result",), "Notifications by what came of them."
        ),
        Family("events_total", "counter", ("result",), "Kubernetes events by what came of them."),
        Family("webhook_requests_total", "counter", ("result",), "Calls of the webhook receiver."),
    )
}


class Registry:
    """Values by family and labels; safe for threads. A family or label that is not in FAMILIES is a
    KeyError: the set is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[tuple[str, ...], float]] = {}
        self._buckets: dict[tuple[str, tuple[str, ...]], list[int]] = {}

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        with self._lock:
            series, key = self._series(name, labels)
            series[key] = series.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            series, key = self._series(name, labels)
            series[key] = value

    def clear(self, name: str) -> None:
        """Forgets a gauge's series: what is not set again is gone."""
        with self._lock:
            self._values.pop(FAMILIES[name].name, None)

    def observe(self, name: str, value: float, **labels: str) -> None:
        with self._lock:
            series, key = self._series(name, labels)
            series[key] = series.get(key, 0.0) + value
            counts = self._buckets.setdefault((name, key), [0] * (len(_BUCKETS) + 1))
            for number, bound in enumerate(_BUCKETS):
                counts[number] += value <= bound
            counts[-1] += 1

    def _series(
        self, name: str, labels: Mapping[str, str]
    ) -> tuple[dict[tuple[str, ...], float], tuple[str, ...]]:
        family = FAMILIES[name]
        if labels.keys() != set(family.labels):
            raise KeyError(f"{name}: {sorted(labels)}")
        key = tuple(str(labels[label]) for label in family.labels)
        series = self._values.setdefault(name, {})
        if key not in series and len(series) >= _MOST_SERIES:
            key = tuple("other" for _ in key)
        return series, key

    def text(self) -> str:
        """The exposition format, version 0.0.4; sorted, so that equal values give equal bytes."""
        with self._lock:
            return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, family in sorted(FAMILIES.items()):
            series = self._values.get(name)
            if not series:
                continue
            full = f"{_PREFIX}_{name}"
            yield f"# HELP {full} {family.text}"
            yield f"# TYPE {full} {family.kind}"
            for key, value in sorted(series.items()):
                pairs = list(zip(family.labels, key, strict=True))
                if family.kind != "histogram":
                    yield f"{full}{_labels(pairs)} {_number(value)}"
                    continue
                counts = self._buckets[name, key]
                bounds = [*(_number(b) for b in _BUCKETS), "+Inf"]
                for bound, count in zip(bounds, counts, strict=True):
                    yield f"{full}_bucket{_labels([*pairs, ('le', bound)])} {count}"
                yield f"{full}_sum{_labels(pairs)} {_number(value)}"
                yield f"{full}_count{_labels(pairs)} {counts[-1]}"


def _labels(pairs: list[tuple[str, str]]) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
