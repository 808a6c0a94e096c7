"""What simulated training yields: the same for the same run and candidate, or as a table says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

__all__ = ["Outcomes", "Trained"]

_ERRORS = ("error", "loss", "mae", "mse", "rmse", "perplexity", "latency")


@dataclass(frozen=True, slots=True)
class Trained:
    """One candidate's training: how long it runs, whether it succeeds, what it measures."""

    succeeded: bool
    duration: timedelta
    metrics: Mapping[str, float]
    digest: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Where outcomes come from.

    `table` maps `run/candidate` patterns (shell wildcards, first match wins) to metrics that
    replace the invented ones; `failing` are patterns of trainings that fail, `failing_steps` of
    workflow steps (`run/step`). Durations are between `shortest` and `longest`.
    """

    table: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    failing_steps: tuple[str, ...] = ()
    shortest: timedelta = timedelta(minutes=20)
    longest: timedelta = timedelta(minutes=40)

    def of(self, run: str, candidate: str, metric: str = "accuracy") -> Trained:
        """The outcome of one candidate in one run; `metric` is the one that is asked for."""
        name = f"{run}/{candidate}"
        share = _share(name, "duration")
        duration = self.shortest + (self.longest - self.shortest) * share
        given = next((row for glob, row in self.table.items() if fnmatchcase(name, glob)), None)
        metrics = dict(given) if given is not None else {metric: _invented(name, metric)}
        digest = f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
        failed = any(fnmatchcase(name, glob) for glob in self.failing)
        whole = timedelta(seconds=round(duration.total_seconds()))
        return Trained(not failed, whole, metrics, digest)

    def step_fails(self, run: str, step: str) -> bool:
        return any(fnmatchcase(f"{run}/{step}", glob) for glob in self.failing_steps)


def _share(*words: str) -> float:
    """A number from 0 to 1 that depends on nothing but the words."""
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _invented(name: str, metric: str) -> float:
    """A plausible value: scores near 1, errors near 0."""
    share = _share(name, metric)
    if any(word in metric for word in _ERRORS):
        return round(0.05 + 0.1 * share, 4)
    return round(0.965 + 0.03 * share, 4)
