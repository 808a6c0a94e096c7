"""What a plan changes of models as rows of text, which the plan and the comment show alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from reconciler.engine.views.models import (
    ModelAction,
    ModelChange,
    Profile,
    QosChange,
    SettingChange,
    VersionMove,
)
from reconciler.engine.views.words import count
from reconciler.lifecycle.decision import Fires
from reconciler.origin import Origin
from reconciler.secrets import printable

__all__ = ["ModelRow", "TrainingTime", "duration", "former_time", "local", "rows", "training_times"]

#: An element of a list that has names, such as `training.candidates[name=cnn].args[0]`.
_ELEMENT = re.compile(r"training\.(candidate|schedule)s\[name=([^\]]+)\]\.(.+)")
_VARIABLE = re.compile(r"env\[name=([^\]]+)\]\.value")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One row: a label (`version`, `traffic`, `serving`, `training`, …), what changes, and the
    config line that causes it."""

    label: str
    text: str
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class TrainingTime:
    """The next time of a schedule; None for a suspended one. `was` is the next time that it had
    before, in the zone `was_in`, which is "" for a schedule whose time does not change."""

    schedule: str
    zone: str
    at: datetime | None
    was: datetime | None = None
    was_in: str = ""


def rows(change: ModelChange, arrow: str = "→") -> Iterator[ModelRow]:
    """The rows of one app: versions, traffic, then what it is (a new app) or what changes."""
    if change.version is not None:
        yield from _version(change.version, arrow)
    if change.profile is not None:
        yield from _profile(change.profile)
    if change.action is ModelAction.NEW:
        for fires in change.trainings:
            name = fires.schedule.partition("/")[2]
            when = f"{fires.cron} {fires.zone}"
            text = f"{name}: {when}" + ("" if fires.times else ", suspended")
            origins = change.profile.origins if change.profile is not None else {}
            yield ModelRow("schedule", text, origins.get("schedules"))
    yield from _settings(change.settings, arrow)
    yield from _qos(change.qos, arrow)


def _qos(changes: tuple[QosChange, ...], arrow: str) -> Iterator[ModelRow]:
    """One row per workload, which is named where an app has two."""
    for row in changes:
        workload = f"{row.workload} " if len(changes) > 1 else ""
        before = f"{row.before} {arrow} " if row.before is not None else ""
        yield ModelRow("qos", f"{workload}{before}{row.after}", row.origin)


def _version(move: VersionMove, arrow: str) -> Iterator[ModelRow]:
    target = next(iter(move.after)) if len(move.after) == 1 else ""
    old = max((v for v in move.before if v != target), key=lambda v: move.before[v], default="")
    if target:
        text = f"{old} {arrow} {target}{_way(move)}" if old else target
        yield ModelRow("version", text, move.origin)
        if move.now == move.after:
            return
    if move.before == move.now and target:
        return
    before = f"{_split(move.before)} {arrow} " if move.before else ""
    yield ModelRow("traffic", f"{before}{_split(move.now) or 'none'}", move.origin)


def _way(move: VersionMove) -> str:
    if not move.before or len(move.steps) < 2:
        return ""
    weights = ", ".join(map(str, move.steps))
    pauses = f", about {duration(move.seconds)}" if move.seconds else ""
    return f" over {weights} %{pauses}"


def _split(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{version} {weight} %" for version, weight in weights.items())


def duration(seconds: float) -> str:
    """`90 s`, `20 min`, `1 h 30 min`, `2 d 4 h`: the two largest units."""
    left = int(seconds)
    if left < 120:
        return f"{left} s"
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


# -- new apps --------------------------------------------------------------------------------------


def _profile(profile: Profile) -> Iterator[ModelRow]:
    origin = profile.origins.get
    if profile.backend:
        text = f"{count(profile.replicas, 'replica')}, {profile.backend}"
        gpus = f", {_gpus(profile.gpus, 'replica')}" if profile.gpus else ""
        yield ModelRow("serving", text + gpus, origin("replicas"))
    if profile.server:
        yield ModelRow("image", _image(profile.server), origin("server"))
    if profile.hostnames:
        label = "host" if len(profile.hostnames) == 1 else "hosts"
        yield ModelRow(label, _few(profile.hostnames), origin("hostnames"))
    if profile.framework:
        text = f"{count(profile.workers, 'worker')}, {profile.framework}"
        gpus = f", {_gpus(profile.worker_gpus, 'worker')}" if profile.worker_gpus else ""
        yield ModelRow("training", text + gpus, origin("workers"))
        yield ModelRow("image", _image(profile.trainer), origin("trainer"))
    if profile.candidates:
        yield ModelRow("candidates", _few(profile.candidates), origin("candidates"))


def _gpus(number: int, of: str) -> str:
    return f"{number} GPU{'' if number == 1 else 's'} a {of}"


def _image(image: str) -> str:
    """An image whose digest has twelve digits."""
    name, at, digest = image.partition("@sha256:")
    return f"{name}@sha256:{digest[:12]}…" if at else name


def _few(names: Iterable[str], most: int = 4) -> str:
    listed = tuple(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


# -- settings --------------------------------------------------------------------------------------


def _settings(settings: tuple[SettingChange, ...], arrow: str) -> Iterator[ModelRow]:
    """The values in the order of the config: serving, training, its candidates and schedules."""
    elements: dict[tuple[str, str], list[tuple[str, SettingChange]]] = {}
    for row in sorted(settings, key=lambda row: not row.path.startswith("serving.")):
        found = _ELEMENT.fullmatch(row.path)
        if found is None:
            label, _, name = row.path.partition(".")
            name = _VARIABLE.sub(r"env \1", name)
            yield ModelRow(label, f"{name or label} {_values(row, arrow)}", row.origin)
        else:
            kind, name, rest = found.groups()
            elements.setdefault((kind, name), []).append((rest, row))
    for (kind, name), parts in sorted(elements.items(), key=lambda item: item[0][0]):
        yield from _element(kind, name, parts, arrow)


def _element(
    kind: str, name: str, parts: list[tuple[str, SettingChange]], arrow: str
) -> Iterator[ModelRow]:
    """A candidate or a schedule: one row where it comes or goes, else one row per value."""
    named = next((row for rest, row in parts if rest == "name"), None)
    if named is not None and named.is_known and (named.before is None or named.after is None):
        gone = named.after is None
        values = [row.before if gone else row.after for rest, row in parts if rest != "name"]
        shown = _short(" ".join(value for value in values if value is not None))
        word = "removed" if gone else "added"
        yield ModelRow(kind, f"{name} {word}" + (f": {shown}" if shown else ""), named.origin)
        return
    for rest, row in parts:
        if rest == "name" and row.is_known:
            yield ModelRow(kind, _values(row, arrow), row.origin)
            continue
        yield ModelRow(kind, f"{name}: {rest} {_values(row, arrow)}", row.origin)


def _values(row: SettingChange, arrow: str) -> str:
    before = _short(row.before) if row.before is not None else ""
    after = _short(row.after) if row.after is not None else ""
    if row.after is None:
        return f"{before} removed" if before else "removed"
    if not row.is_known:
        return f"{arrow} {after}"
    if row.before is None:
        return f"{after} added"
    if "@sha256:" in row.before and "@sha256:" in row.after:
        before, after = _image(row.before), _image(row.after)
    return f"{before or '(empty)'} {arrow} {after or '(empty)'}"


def _short(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


# -- trainings -------------------------------------------------------------------------------------


def training_times(changes: Iterable[ModelChange]) -> list[TrainingTime]:
    """The next time of each schedule whose training changes, sorted by time; suspended ones
    last."""
    changes = tuple(changes)
    fires: dict[tuple[str, str], Fires] = {
        (item.schedule, str(change.app)): item for change in changes for item in change.trainings
    }
    former = {(f.schedule, str(change.app)): f for change in changes for f in change.former}
    out = []
    for key, new in fires.items():
        old = former.get(key)
        was = old.times[0] if old is not None and old.times else None
        at = new.times[0] if new.times else None
        out.append(TrainingTime(new.schedule, new.zone, at, was, old.zone if old else ""))
    return sorted(out, key=lambda t: (t.at is None, t.at.timestamp() if t.at else 0.0, t.schedule))


def former_time(time: TrainingTime) -> str:
    """The time before, without its zone where that stays; "" for one that does not change."""
    if not time.was_in:
        return ""
    if time.was is None:
        return "suspended"
    text = local(time.was, time.was_in)
    return text.removesuffix(f" {time.zone}") if time.at is not None else text


def local(moment: datetime, zone: str) -> str:
    """A time in a zone: `2026-11-25 02:00 Asia/Shanghai`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}"
