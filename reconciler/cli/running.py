"""What surrounds the passes of `reconcile`: leases, logs, listeners, metrics, and their end."""

from __future__ import annotations

import os
import random
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.adapters import files
from reconciler.cli import reporting, wiring
from reconciler.cli.common import Common
from reconciler.cli.ending import Ending, Interrupted
from reconciler.errors import ExitCode, UsageMistake
from reconciler.unit import UnitId

if TYPE_CHECKING:
    from reconciler.engine.leases import Leases
    from reconciler.engine.metrics import Registry
    from reconciler.engine.passes import Pass, Settings
    from reconciler.engine.statuses import Watched
    from reconciler.ports import Clock, LeaseClient, Reporter, Tree
    from reconciler.secrets import Redactor

__all__ = ["Wishes", "looping", "once"]

#: The main loop counts as dead when nothing was heard of it for so long.
_SILENCE = 300.0
_FLUSH = 5.0
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options of the command said."""

    deadline: float | None = None
    lease: bool = True
    wait: float | None = None
    fail_if_locked: bool = False
    log_format: str | None = None
    metrics_out: str | None = None
    metrics_listen: str | None = None
    webhook: str | None = None
    webhook_secret: str | None = None
    notify: tuple[str, ...] = ()
    notify_secret: str | None = None
    events: bool = True
    passes: int | None = None


@dataclass(slots=True)
class Surroundings:
    """One process's: made by `_surrounded`. `heard` is when the main loop last said anything."""

    ending: Ending
    clock: Clock
    target: wiring.Cluster
    watched: Watched
    registry: Registry
    reporter: Reporter
    observer: Any
    leases: Leases | None
    heard: float
    ready: bool = False
    shown: dict[UnitId, str] = field(default_factory=dict)

    def beat(self) -> None:
        self.heard = self.clock.monotonic()
        if self.leases is not None:
            self.leases.progress()

    def run(self, tree: Tree, settings: Settings) -> Pass:
        from reconciler.engine import passes

        self.beat()
        self.ending.begin()
        targets = self.watched.targets
        done = passes.run(tree, targets, self.target.clock, self.reporter, settings, self.leases)
        self.ready = True
        return done


# -- the two ways to run ---------------------------------------------------------------------------


def once(common: Common, settings: Settings, wishes: Wishes) -> ExitCode:
    """One pass; what a CronJob calls."""
    with _surrounded(common, wishes, looping=False) as around:
        start = around.clock.monotonic()
        try:
            with around.ending.reading():
                tree = wiring.tree(common, writes=True)
            done = around.run(tree, _joined(settings, wishes, around))
        except Interrupted:
            click.echo(f"{around.ending.why()}: nothing was written", err=True)
            return ExitCode.INCOMPLETE
        around.observer.passed(done, around.clock.monotonic() - start)
        return wiring.show(common, done.report, tree)


def looping(common: Common, settings: Settings, wishes: Wishes, interval: float) -> ExitCode:
    """Passes until a signal comes. The exit code is 0: what a pass could not do is in its status,
    its log and its metrics. A loop of so many passes ends with the last one's code."""
    from reconciler.adapters.following import Following
    from reconciler.engine.loop import Loop, Timing
    from reconciler.engine.memo import Memo

    if common.worktree:
        raise UsageMistake("--interval follows commits: leave --worktree out")
    codes: list[ExitCode] = []
    with _surrounded(common, wishes, looping=True) as around:

        def newest() -> tuple[str, str]:
            with around.ending.reading():
                return wiring.newest(common)

        def run(tree: Tree, wanted: Settings) -> Pass:
            done = around.run(tree, wanted)
            codes.append(done.report.exit_code)
            _news(common, around, done, tree)
            return done

        loop = Loop(
            Following(newest),
            run,
            around.clock,
            around.observer,
            settings=replace(_joined(settings, wishes, around), memo=Memo(keeps=True)),
            timing=Timing(interval),
            chance=random.random,
        )
        left = wishes.passes
        try:
            while not around.ending.signalled and left != 0:
                before = len(codes)
                pause = loop.step()
                if len(codes) == before:
                    codes.append(ExitCode.ERROR)  # it failed as a whole; the log says why
                left = left - 1 if left is not None else None
                _write_metrics(wishes, around)
                if left != 0:
                    _rest(around, pause, interval)
        except Interrupted:
            pass
    return codes[-1] if codes and wishes.passes is not None else ExitCode.DONE


def _rest(around: Surroundings, pause: float, interval: float) -> None:
    start = around.clock.monotonic()
    if pause <= 0 and interval > 0:
        around.registry.add("skipped_passes_total")
    around.ending.pause(pause, around.beat)
    if around.target.clock is not around.clock:
        # A simulated cluster lives on by as much as we waited.
        around.target.clock.sleep(around.clock.monotonic() - start)


def _news(common: Common, around: Surroundings, done: Pass, tree: Tree) -> None:
    """A pass is shown where it did something, or where another thing is wrong than before."""
    results = {o.unit: f"{o.state}: {o.text}" for o in done.outcomes if o.state != "noop"}
    if any(o.wrote for o in done.outcomes) or results.keys() != around.shown.keys():
        wiring.show(common, done.report, tree)
    around.shown = results


def _joined(settings: Settings, wishes: Wishes, around: Surroundings) -> Settings:
    def permit(_unit: UnitId) -> str:
        around.beat()
        return ""

    return replace(
        settings,
        apply=replace(settings.apply, permit=permit, workers=around.target.workers),
        wait=wishes.wait,
        fail_if_locked=wishes.fail_if_locked,
        ended=around.ending.why,
        reading=around.ending.reading,
    )


# -- what surrounds them ---------------------------------------------------------------------------


@contextmanager
def _surrounded(common: Common, wishes: Wishes, *, looping: bool) -> Iterator[Surroundings]:
    """Begins in this order and ends in the reverse: the leases go last, after all that writes."""
    from reconciler.adapters.clock import SystemClock
    from reconciler.cli.logs import Logs
    from reconciler.engine.metrics import Registry
    from reconciler.engine.observe import Observers, Sinks
    from reconciler.engine.statuses import Watched

    clock, registry, redactor = SystemClock(), Registry(), reporting.redactor()
    redactor.learn(os.environ.get("RECONCILER_GIT_TOKEN", ""))
    ending = Ending(clock.monotonic, wishes.deadline)
    run = f"{socket.gethostname()}_{uuid.uuid4()}"
    with ExitStack() as stack:
        stack.enter_context(ending.installed())
        found = stack.enter_context(wiring.cluster(common, allows="writes", sleep=ending.sleep))
        target = wiring.needed(found)
        beside = stack.enter_context(wiring.lease_client(common))
        leases = _leases(beside, clock, run) if wishes.lease else None
        around = Surroundings(
            ending, clock, target, Watched(target.targets), registry, wiring.Progress(), None,
            leases, clock.monotonic(),
        )  # fmt: skip
        form = wishes.log_format or ("text" if looping else None)
        logs: Any = _NoLogs()
        if form is not None:
            logs = Logs(sys.stderr, form, clock.now, run, redactor.redact, around.beat)
            around.reporter = logs
        sinks = Sinks(
            logs,
            registry,
            beside if wishes.events and common.embedded is None else None,
            _notifier(wishes, redactor, registry, stack),
            redactor.redact,
            ending.why,
        )
        around.observer = Observers(around.watched[0], target.clock, run, sinks, leases)
        if leases is not None:
            from reconciler.adapters.background import Threads

            stack.callback(leases.release)
            leases.keep(Threads())
        _listen(wishes, around, redactor, stack)
        try:
            yield around
        finally:
            _write_metrics(wishes, around)


class _NoLogs:
    def event(self, level: str, message: str, **fields: str) -> None:
        """`--once` shows its report; a log is written where one was asked for."""


def _leases(client: LeaseClient, clock: Clock, run: str) -> Leases:
    from reconciler.engine.leases import Leases

    return Leases(lambda _group: client, clock, run, chance=random.random)


def _secret(path: str | None, option: str) -> bytes:
    """A secret file's content without the line break at its end."""
    if path is None:
        return b""
    try:
        data = Path(path).read_bytes().rstrip(b"\r\n")
    except OSError as cause:
        raise UsageMistake(f"{option} {path}: {cause.strerror}") from None
    if len(data) < _SHORTEST_SECRET:
        raise UsageMistake(f"{option} {path} holds fewer than {_SHORTEST_SECRET} bytes")
    return data


def _notifier(
    wishes: Wishes, redactor: Redactor, registry: Registry, stack: ExitStack
) -> Callable[[Any], None] | None:
    if not wishes.notify:
        return None
    from reconciler.adapters.notify import Notifier, Target

    secret = _secret(wishes.notify_secret, "--notify-secret")
    redactor.learn(secret.decode("utf-8", "replace"))

    def counted(result: str) -> None:
        registry.add("notifications_total", result=result)

    made = Notifier(tuple(map(Target, wishes.notify)), secret, counted)
    stack.callback(made.close, _FLUSH)
    return made


def _listen(wishes: Wishes, around: Surroundings, redactor: Redactor, stack: ExitStack) -> None:
    if wishes.metrics_listen is None and wishes.webhook is None:
        return
    from reconciler.adapters import listener

    routes: dict[str, dict[tuple[str, str], listener.Handler]] = {}
    if wishes.metrics_listen is not None:
        routes[wishes.metrics_listen] = listener.health_routes(
            lambda: _silent(around), lambda: "" if around.ready else "no pass yet",
            around.registry.text,
        )  # fmt: skip
    if wishes.webhook is not None:
        if wishes.webhook_secret is None:
            raise UsageMistake("--webhook needs --webhook-secret FILE")
        secret = _secret(wishes.webhook_secret, "--webhook-secret")
        redactor.learn(secret.decode("utf-8", "replace"))

        def counted(result: str) -> None:
            around.registry.add("webhook_requests_total", result=result)

        hook = listener.Webhook(secret, around.ending.wake, counted)
        routes.setdefault(wishes.webhook, {})["POST", "/"] = hook
        routes[wishes.webhook]["POST", "/webhook"] = hook
    for address, table in routes.items():
        stack.callback(listener.serve(address, table).close)


def _silent(around: Surroundings) -> str:
    silent = around.clock.monotonic() - around.heard
    return f"nothing was heard of the loop for {silent:.0f} s" if silent > _SILENCE else ""


def _write_metrics(wishes: Wishes, around: Surroundings) -> None:
    """The metrics as a file, whole or not at all; a node exporter's textfile collector reads it.
    Best effort: a full disk fails no run."""
    if wishes.metrics_out is None:
        return
    try:
        files.replace(wishes.metrics_out, around.registry.text().encode())
    except OSError as cause:
        click.echo(f"warning: --metrics-out {wishes.metrics_out}: {cause.strerror}", err=True)
