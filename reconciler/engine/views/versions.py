"""The model versions that `versions` shows, and the records that it wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Published", "Versions"]


@dataclass(frozen=True, slots=True)
class Published:
    """One version: of a record in Git, of an object in the cluster, or of both.

    `version` is the record's name, "" where there is none yet; `source` is the object
    (`Kind/name`) that publishes a version without a record, "" for a version of Git. `trained_at`
    is the time as its source spells it.
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
        """The time of training in UTC; None where there is none, or none that can be read."""
        try:
            return datetime.fromisoformat(self.trained_at).astimezone(UTC)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Versions:
    """Every version of the selected models. `records` are the paths of the records that were
    written, and `written` says where to; both are empty where nothing was."""

    versions: tuple[Published, ...]
    records: tuple[str, ...] = ()
    written: str = ""
