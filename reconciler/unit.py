"""The identity of a unit: environment, group, model."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FOUNDATION", "UnitId"]

#: The pseudo-model of a group's foundation, which owns the namespace, quota and service account.
FOUNDATION = "_group"


class UnitId(NamedTuple):
    """Names an app (`prod/hz-a/mnist`) or a group's foundation (`prod/hz-a/_group`).

    `str()` writes the text form and `parse` reads it. Sorted by environment, group and model."""

    environment: str
    group: str
    model: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)

    @classmethod
    def parse(cls, text: str) -> UnitId:
        """The id whose text form is `text`. Raises ValueError unless `text` has three non-empty
        parts."""
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"{text!r} is not <environment>/<group>/<model>")
        return cls(*parts)

    @classmethod
    def unknown(cls, name: str) -> UnitId:
        """A stand-in for a record in the cluster whose name is not a unit's. Prints as `name`."""
        return cls("", "", name)

    @classmethod
    def foundation(cls, environment: str, group: str) -> UnitId:
        """The foundation of a group."""
        return cls(environment, group, FOUNDATION)

    @property
    def group_id(self) -> str:
        """The group as text: `prod/hz-a`."""
        return f"{self.environment}/{self.group}"

    @property
    def is_foundation(self) -> bool:
        return self.model == FOUNDATION

    @property
    def foundation_id(self) -> UnitId:
        """The foundation of this unit's group."""
        return UnitId(self.environment, self.group, FOUNDATION)
