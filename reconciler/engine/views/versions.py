"""The model versions that `versions` shows, and the version records that `versions` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Published", "Versions"]


@dataclass(frozen=True, slots=True)
class Published:
    """One version, from a record in Git or from an object in the cluster.

    `version` is the name of the record, "" where there is no record yet. `source` is the object
    (`Kind/name`) that publishes a version without a record, "" for a recorded version.
    `trained_at` is the time as the source spells it.
    """

    model: str
    version: str
    digest: str
    metrics: Mapping[str, float]
    trained_at: str = ""
    run: str = ""
    candidate: str = ""
    dataset: str = ""
    storage_uri: str = ""
    source: str = ""

    @property
    def trained(self) -> datetime | None:
        """The time of training in UTC; None where `trained_at` is not an ISO 8601 time."""
        try:
            return datetime.fromisoformat(self.trained_at).astimezone(UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Versions:
    """Every version of the selected models. `records` are the paths of the records that were
    written, `written` is the place they were written to; both are empty where none was written."""

    versions: tuple[Published, ...]
    records: tuple[str, ...] = ()
    written: str = ""
