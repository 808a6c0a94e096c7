"""What a plan changes of models, in a comment: the part that a reviewer decides on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.engine.views.models import ModelAction, ModelChange
from reconciler.origin import Origin, Site
from reconciler.output import model_rows
from reconciler.output.markdown import cell, link
from reconciler.output.model_rows import ModelRow, TrainingTime

__all__ = ["model_lines", "training_lines"]

_FEW = 4
_FIRST = ("version", "traffic")


def model_lines(
    changes: Iterable[ModelChange], base: str, prose: Callable[[str], str]
) -> list[list[str]]:
    """The rows of a table as cells: what changes, in which apps, from which config line.

    Equal changes of several apps are one row. New and removed apps have one row each."""
    alike: dict[tuple[str, str, Site | None], list[str]] = {}
    removed: list[list[str]] = []
    out: list[list[str]] = []
    for change in changes:
        rows = list(model_rows.rows(change))
        if change.action is ModelAction.CHANGED:
            for row in rows:
                key = (row.label, row.text, _site(row.origin))
                alike.setdefault(key, []).append(str(change.app))
        elif change.action is ModelAction.REMOVED:
            removed.append([cell(str(change.app)), "**removed**", ""])
        else:
            out.append([f"**new** {cell(str(change.app))}", _new(rows, prose), _from(rows, base)])
    changed = [
        [_names(apps), f"{label} **{prose(text)}**", link(site, base, in_table=True)]
        for (label, text, site), apps in sorted(alike.items(), key=lambda item: _rank(item[0][0]))
    ]
    return [*removed, *changed, *out]


def _rank(label: str) -> int:
    """Versions and traffic come before other changes."""
    return _FIRST.index(label) if label in _FIRST else len(_FIRST)


def _new(rows: list[ModelRow], prose: Callable[[str], str]) -> str:
    return "<br>".join(f"{row.label} {prose(row.text)}" for row in rows)


def _from(rows: list[ModelRow], base: str) -> str:
    site = next((s for row in rows if (s := _site(row.origin)) is not None), None)
    return link(site, base, in_table=True)


def _site(origin: Origin | None) -> Site | None:
    return origin.site if origin is not None and origin.site.line > 0 else None


def _names(apps: list[str]) -> str:
    more = f" and {len(apps) - _FEW} more" if len(apps) > _FEW else ""
    return ", ".join(cell(app) for app in apps[:_FEW]) + more


def _change_of(time: TrainingTime) -> str:
    former = model_rows.former_time(time)
    now = model_rows.local(time.at, time.zone) if time.at is not None else "suspended"
    return f"{former} → {now}" if former else now


def training_lines(times: Iterable[TrainingTime], prose: Callable[[str], str]) -> list[list[str]]:
    """The rows of the table of next trainings as cells."""
    return [
        [
            cell(time.schedule),
            prose(_change_of(time)),
            f"{time.at:%Y-%m-%d %H:%M}" if time.at is not None else "",
        ]
        for time in times
    ]
