"""The fleet as a table for people: what the cluster has, and marked, what the tree would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from reconciler.engine.views.status import (
    AppStatus,
    FleetStatus,
    Health,
    RolloutProgress,
    StepKind,
)
from reconciler.engine.views.words import count
from reconciler.output.table import Table
from reconciler.output.text import Style

__all__ = ["describe_rollout", "table_of"]

_COLUMNS = ("APP", "HEALTH", "TRAFFIC", "REVISION", "LAST PASS", "LAST TRAINING", "NEXT")
_GOOD = (Health.READY, Health.IDLE)
_BAD = (Health.FAILED, Health.MISSING, Health.HELD, Health.BLOCKED, Health.UNKNOWN)


def table_of(section: FleetStatus) -> Table:
    """One row per app and a line that counts them. A column without any entry is left out."""
    rows = [_row(app) for app in section.apps]
    kept = [i for i in range(len(_COLUMNS)) if i in _ALWAYS or any(r[i] != "-" for r in rows)]
    return Table(
        tuple(_COLUMNS[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in rows),
        closing=_summary(section),
        fits=True,
        paints={1: _paint},
    )


_ALWAYS = (0, 1, 2, 6)


def _row(row: AppStatus) -> tuple[str, ...]:
    revision = row.revision if row.revision.startswith("worktree") else row.revision[:7]
    last, trained = row.last_run, row.last_training
    return (
        str(row.app),
        row.health or "-",
        _traffic(row),
        revision or "-",
        f"{last.result} {last.at:%m-%d %H:%MZ}" if last is not None else "-",
        f"{_running(trained.running)}{trained.at:%m-%d %H:%MZ}" if trained is not None else "-",
        "; ".join(_next(row)),
    )


def _running(running: bool) -> str:
    return "running since " if running else ""


def _traffic(row: AppStatus) -> str:
    if row.rollout is not None:
        return describe_rollout(row.rollout)
    shares = "  ".join(f"{version} {weight}" for version, weight in row.serving.items())
    return shares or ("?" if row.unrouted else "-")


def describe_rollout(found: RolloutProgress) -> str:
    """`v1→v2 10/90 step 1/3, until 17:09 UTC`: the new version's share comes first, as the arrow
    points at it."""
    text = f"{found.stable}→{found.wanted} {found.weight}/{100 - found.weight}"
    text += f" step {found.step}/{found.steps}" if found.step else " before step 1"
    if found.until is not None:
        return f"{text}, until {found.until:%H:%M} UTC"
    return f"{text}, waits" if found.waits else text


def _next(row: AppStatus) -> Iterator[str]:
    """What keeps the app from going on, then what comes next, then what the tree would change."""
    if row.hold is not None:
        yield f"held {row.hold}"
        if row.hold.way_out:
            yield f"way out: {row.hold.way_out}"
    if row.blocked:
        yield f"blocked: {', '.join(row.blocked)}"
    if row.unrouted:
        yield f"the route: {row.unrouted}"
    if row.rollout is not None and row.rollout.waits:
        yield row.rollout.waits
    for step in row.next:
        if step.kind is StepKind.ROLLOUT:
            if row.rollout is None:
                yield step.text
            continue
        yield _mark(f"{step.text}{_at(step.at)}", pending=step.pending)


def _at(at: datetime | None) -> str:
    return f" {at:%m-%d %H:%M} UTC" if at is not None else ""


def _mark(text: str, *, pending: bool) -> str:
    return f"(pending: {text})" if pending else text


def _summary(section: FleetStatus) -> str:
    """`12 apps: 9 ready, 3 idle; 1 blocked, 2 not in Git.`"""
    found = Counter(row.health for row in section.apps if row.health is not None)
    parts = [f"{found[health]} {health}" for health in Health if found[health]]
    blocked = sum(1 for row in section.apps if row.blocked and row.health is not Health.BLOCKED)
    notes = [f"{blocked} blocked by mistakes"] if blocked else []
    gone = sum(1 for row in section.apps if not row.in_git)
    notes += [f"{gone} not in Git"] if gone else []
    rolling = sum(1 for row in section.apps if row.rollout is not None)
    notes += [f"{count(rolling, 'rollout')} under way"] if rolling else []
    pending = sum(1 for row in section.apps if row.in_git and any(s.pending for s in row.next))
    notes += [f"{pending} with pending changes"] if pending else []
    text = count(len(section.apps), "app")
    text += f": {', '.join(parts)}" if parts else ""
    return f"{text}{'; ' + ', '.join(notes) if notes else ''}."


def _paint(style: Style, cell: str) -> str:
    word = cell.strip()
    if word in _GOOD:
        return style.green(cell)
    if word in _BAD:
        return style.red(cell)
    return style.yellow(cell) if word in list(Health) else cell
