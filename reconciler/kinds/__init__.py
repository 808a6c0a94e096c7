"""The kinds of objects that the program knows, one file per project. Each file offers `KINDS`.

The first call of `known` or `find` imports all files of this folder, once per process. The files
are small and import `objects` only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from reconciler import extensions
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.kind import Kind, PruneClass, Readiness, ReadinessState
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.status import UNREADABLE, Unreadable, kstatus, progressing

__all__ = ["find", "is_active_run", "known", "readiness"]

_ROOM = "reconciler.kinds"


@functools.cache
def known() -> Mapping[GroupKind, Kind]:
    """Every kind that a file of this folder describes."""
    out: dict[GroupKind, Kind] = {}
    for project in extensions.names(_ROOM):
        for kind in extensions.load(_ROOM, project, "KINDS"):
            out[kind.group_kind] = kind
    return out


def find(group_kind: GroupKind) -> Kind:
    """The kind `group_kind`. A kind that no file describes is a workload, ready by the rules of
    kstatus; discovery gives its plural, and the usual keys match its lists."""
    found = known().get(group_kind)
    return found if found is not None else Kind(group_kind, "", "", kstatus, list_keys=None)


def is_active_run(live: Observed) -> bool:
    """Whether a live object is a job that runs once and has not finished: a delete would lose its
    work. A suspended job has no pods, so it is not active."""
    kind = find(live.key.group_kind)
    if kind.prune is not PruneClass.RUN or kind.job is None or not live.is_present:
        return False
    try:
        state = kind.job.state(live.body or {})
    except UNREADABLE:
        return True  # nobody can tell, so nothing may be done to it
    return not state.is_finished and not state.suspended


def readiness(live: Observed, lookup: Callable[[ObjectKey], Observed] | None = None) -> Readiness:
    """Whether an object does its work, by the rule of its kind. UNKNOWN for an unread object.

    `lookup` finds the child of a kind that works through one; it is called only when the object
    itself says that it is ready. Without it the object's own word counts."""
    if live.presence is Presence.UNREAD:
        return Readiness(ReadinessState.UNKNOWN, live.why)
    if live.presence is Presence.ABSENT:
        return Readiness(ReadinessState.ABSENT, "does not exist")
    if live.is_terminating:
        return Readiness(ReadinessState.TERMINATING, "is being deleted")
    try:
        return _judge(live, lookup)
    except Unreadable as why:
        return Readiness(ReadinessState.UNKNOWN, f"its status cannot be read: {why}")
    except UNREADABLE:
        text = "its status cannot be read: it has a shape that this program does not know"
        return Readiness(ReadinessState.UNKNOWN, text)


def _judge(live: Observed, lookup: Callable[[ObjectKey], Observed] | None) -> Readiness:
    kind, body = find(live.key.group_kind), live.body or {}
    own = kind.ready(body)
    if not own.is_ready or kind.child is None or lookup is None:
        return own
    child = lookup(kind.child(body))
    if child.presence is Presence.UNREAD:
        return Readiness(ReadinessState.UNKNOWN, child.why)
    if not child.is_present:
        return progressing(f"{child.key} does not exist yet")
    why = kind.lags(body, child.body or {}) if kind.lags is not None else ""
    return progressing(why) if why else readiness(child)
