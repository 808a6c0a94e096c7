"""Checks training schedules and change windows, and predicts when schedules start runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reconciler.apps.app import App, Foundation
from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.lifecycle import cron
from reconciler.lifecycle.decision import Fires
from reconciler.lifecycle.windows import find_closed
from reconciler.origin import Branch, Value
from reconciler.spec.constraint import seconds
from reconciler.spec.training import Schedule

__all__ = ["check", "check_windows", "foresee", "resolve_cron"]

_HORIZON = timedelta(days=366)
#: From when on the windows of an environment must open once within a year. Any time would do: the
#: same config must always give the same mistakes.
_ANY_TIME = datetime(2027, 1, 1, tzinfo=UTC)


def resolve_cron(app: App, entry: Schedule, text: str) -> str:
    """The expression with every `H` resolved. The seed is the id of the app and the name of the
    schedule: every run resolves the same time, and only a rename changes it."""
    return cron.resolve_hash(text, f"{app.id}/{entry.name.value}")


def check(app: App) -> Iterator[Diagnostic]:
    """The mistakes in an app's schedules: wrong syntax or zone, an expression that never fires, or
    a time that a clock change skips or doubles."""
    training = app.spec.training
    yield from _check_starts(app)
    for entry in training.schedules if training is not None else ():
        path = f"training.schedules[name={entry.name.value}]"
        text = entry.cron.value
        if text.lstrip().startswith("@every"):
            yield error(
                "E_CRON",
                "@every has no fixed times: they move with every restart of the controller",
                entry.cron.site,
                path=f"{path}.cron",
                related=list_overridden(entry.cron.origin),
                help="give the times, e.g. 0 */6 * * *",
            )
            continue
        if text.lstrip().upper().startswith(("CRON_TZ=", "TZ=")):
            yield error(
                "E_CRON",
                "the time zone stands in the field `timeZone`, not in the expression",
                entry.cron.site,
                path=f"{path}.cron",
                related=list_overridden(entry.cron.origin),
                help="use timeZone",
            )
            continue
        try:
            parsed = cron.parse(resolve_cron(app, entry, text), entry.time_zone.value)
        except cron.CronInvalid as invalid:
            zone = invalid.code == "E_TIME_ZONE"
            at = entry.time_zone if zone else entry.cron
            yield error(
                invalid.code,
                invalid.message,
                at.site,
                path=f"{path}.{'timeZone' if zone else 'cron'}",
                related=list_overridden(at.origin),
                help=invalid.hint,
            )
            continue
        if cron.never_fires(parsed):
            yield error(
                "E_CRON",
                f"{text!r} never fires: Argo's controller would loop over it for ever",
                entry.cron.site,
                path=f"{path}.cron",
                related=list_overridden(entry.cron.origin),
                help="check day and month",
            )
        elif cron.in_transition(parsed, 2027):
            yield warning(
                "W_CRON_TRANSITION",
                f"{text!r} falls into an hour that {entry.time_zone.value} skips or doubles "
                "when the clocks change: that run is lost or comes twice",
                entry.cron.site,
                path=f"{path}.cron",
                help="choose another hour, or timeZone: UTC",
            )


def _check_starts(app: App) -> Iterator[Diagnostic]:
    """A warning for a training that nothing starts. An empty list says that people start it."""
    training, node = app.spec.training, app.find("training")
    if training is None or not app.trains or training.schedules or not isinstance(node, Branch):
        return
    if node.get("schedules") is None:
        yield warning(
            "W_NO_SCHEDULE",
            "nothing starts this training: it has no schedule",
            training.image.site,
            path="training.schedules",
            help="add a schedule, or write `schedules: []` when people start it",
        )


def check_windows(unit: Foundation) -> Iterator[Diagnostic]:
    """The mistakes in the change windows of a group's environment: wrong syntax or zone, a window
    that never opens, or windows that leave no time for changes."""
    wrong = False
    windows = unit.environment_spec.windows
    for index, window in enumerate(windows):
        path = f"environment.windows[{index}]"
        at: Value[str] = window.cron
        message, code, hint = "", "E_CRON", "check day and month"
        try:
            if cron.never_fires(cron.parse(window.cron.value, window.time_zone.value)):
                message = f"{window.cron.value!r} never comes: the window would never open"
        except cron.CronInvalid as invalid:
            message, code, hint = invalid.message, invalid.code, invalid.hint
            if code == "E_TIME_ZONE":
                at = window.time_zone
        if not message and not seconds(window.duration.value):
            at, code = window.duration, "E_VALUE"
            message, hint = "a window of no length never opens", "give it a length, e.g. 8h"
        if message:
            wrong = True
            slots = {id(window.time_zone): "timeZone", id(window.duration): "duration"}
            slot = slots.get(id(at), "cron")
            related = list_overridden(at.origin)
            yield error(code, message, at.site, path=f"{path}.{slot}", related=related, help=hint)
    if not wrong and (closed := find_closed(windows, _ANY_TIME)) and closed.until is None:
        yield error(
            "E_WINDOW",
            "the windows leave no time for changes: they are closed for a year without a gap",
            closed.window.kind.site,
            path="environment.windows",
            help="shorten a deny window, or add an allow window; `suspend: true` stops single apps",
        )


def foresee(app: App, now: datetime, count: int = 2) -> Iterator[Fires]:
    """The next `count` times of every schedule, in UTC, within 366 days. A suspended schedule has
    no times. Nothing for an app that does not train."""
    training = app.spec.training
    if training is None or not app.trains:
        return
    for entry in training.schedules:
        text = resolve_cron(app, entry, entry.cron.value)
        zone = entry.time_zone.value
        times: tuple[datetime, ...] = ()
        if not entry.suspend.value:
            times = tuple(cron.parse(text, zone).fires(now, now + _HORIZON, count))
        yield Fires(f"{app.model}/{entry.name.value}", text, zone, times)
