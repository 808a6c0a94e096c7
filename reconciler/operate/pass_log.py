"""What a loop logs: its start, each new commit, each pass that did something, and a standing
mistake once. When nothing happens, it says once what happens next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from reconciler.operate.passes import Pass, UnitState
from reconciler.unit import UnitId

__all__ = ["Log", "PassLog"]

_GOOD = (UnitState.SUCCESS, UnitState.NOOP)
#: States that say nothing new of a unit: what is known of it stays.
_NO_NEWS = (UnitState.SKIPPED_LOCKED, UnitState.BACKING_OFF, UnitState.STOPPED)


class Log(Protocol):
    """Writes one event per line; leaves out `fields` that are ""."""

    def event(self, level: str, message: str, **fields: str) -> None: ...


class PassLog:
    """Writes to a log what changes from pass to pass. `redact` masks secrets. `shows` takes a line
    that says what the loop waits for, each time that it begins to wait; None where nobody looks on,
    and then the log says it once."""

    def __init__(
        self,
        log: Log,
        redact: Callable[[str], str] = str,
        shows: Callable[[str], object] | None = None,
    ) -> None:
        self._log = log
        self._redact = redact
        self._shows = shows
        self._commit = ""
        self._units: dict[UnitId, str] = {}
        self._locked: dict[str, str] = {}
        self._error = ""
        self._did = False
        self._quiet_since: datetime | None = None

    # -- the loop ----------------------------------------------------------------------------------

    def starts(self, interval: float, source: str) -> None:
        """The loop begins; `interval` is in seconds, `source` names what it follows."""
        text = f"the loop starts: a pass every {interval:g} s, following {source}"
        self._log.event("info", text, phase="loop")

    def begins(self, revision: str) -> None:
        """A pass over a revision begins."""
        if revision == self._commit:
            return
        was = f", after {self._commit[:7]}" if self._commit else ""
        short = revision if revision.startswith("worktree") else revision[:7]
        self._log.event("info", f"new commit {short}{was}", revision=revision, phase="loop")
        self._commit = revision

    def waits(self, now: datetime, seconds: float) -> None:
        """The loop waits so many seconds for the next pass."""
        at = f"{now + timedelta(seconds=seconds):%H:%M:%S} UTC"
        if self._did:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = now
            if self._shows is None:
                text = f"nothing to do; passes go on, the next one at {at}"
                self._log.event("info", text, phase="loop")
        if self._shows is not None:
            since = self._quiet_since
            done = f"nothing to do since {since:%H:%M} UTC; " if since is not None else ""
            self._shows(f"{done}next pass at {at}")
        elif self._did:
            self._log.event("info", f"next pass at {at}", phase="loop")
        self._did = False

    # -- passes ------------------------------------------------------------------------------------

    def failed(self, text: str, key: str = "", **fields: str) -> None:
        """A pass failed as a whole, or Git did not answer. The same error is said once; `key` is
        what makes it the same."""
        key = key or text
        if key != self._error:
            self._did = True
            self._error = key
            self._log.event("error", self._redact(text), **fields)

    def answers(self, text: str, **fields: str) -> None:
        """What failed works again."""
        self._error = ""
        self._log.event("info", text, **fields)

    def results(self, done: Pass) -> None:
        """The writes of a pass, and the results that differ from those of the pass before."""
        revision = done.commit or done.label
        for group, why in sorted(done.locked.items()):
            if self._locked.get(group) != why:
                self._log.event(
                    "info", self._redact(why), environment=group, result="skipped_locked"
                )
        self._locked = dict(done.locked)
        for outcome in done.outcomes:
            if outcome.state is UnitState.SKIPPED_LOCKED:
                continue
            unit = str(outcome.unit)
            for key, verb in outcome.done:
                self._did = True
                self._log.event(
                    "info", "wrote", app=unit, object=key, action=verb, revision=revision
                )
            if outcome.state is UnitState.NOOP:
                self._recovers(outcome.unit, unit, revision)
                continue
            if outcome.state is UnitState.BACKING_OFF and outcome.unit in self._units:
                continue  # the log has told why
            said = f"{outcome.state.value}: {outcome.text}"
            if outcome.wrote or self._units.get(outcome.unit) != said:
                self._did = True
                level = "info" if outcome.state in _GOOD else "warning"
                self._log.event(
                    level,
                    self._redact(outcome.text) or outcome.state.value,
                    app=unit,
                    result=outcome.state.value,
                    revision=revision,
                )
            if outcome.state not in _NO_NEWS:
                self._units[outcome.unit] = said

    def _recovers(self, unit: UnitId, name: str, revision: str) -> None:
        """Says that a mistake is gone, of which the log has told."""
        said = self._units.pop(unit, "")
        if said and not said.startswith(UnitState.SUCCESS.value):
            self._did = True
            self._log.event("info", "in order again", app=name, result="noop", revision=revision)
