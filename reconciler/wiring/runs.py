"""Runs the passes of `reconcile` with leases, logs, listeners and metrics, and shuts them down."""

from __future__ import annotations

import os
import random
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.adapters import files
from reconciler.errors import ExitCode, SourceError, UsageMistake, most_severe
from reconciler.secrets import strip_userinfo
from reconciler.unit import UnitId
from reconciler.wiring import clusters, redaction, source
from reconciler.wiring.common import CommonOptions
from reconciler.wiring.shutdown import Interrupted, Shutdown

if TYPE_CHECKING:
    from reconciler.engine.views.report import Report
    from reconciler.operate.leases import Leases
    from reconciler.operate.metrics import Registry
    from reconciler.operate.passes import Pass, PassSettings
    from reconciler.ports import Clock, LeaseClient, Reporter, Tree
    from reconciler.secrets import Redactor
    from reconciler.wiring.logs import Stream

__all__ = ["LoopOptions", "RunOutput", "loop_passes", "run_once"]

#: After so many seconds without a sign of life the main loop counts as dead.
_SILENCE = 300.0
_FLUSH = 5.0
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """The options of `reconcile`. Times are in seconds."""

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


@dataclass(frozen=True, slots=True)
class RunOutput:
    """The output of a run. `show` prints the report of a pass and returns its exit code; `note`
    writes one line for people; `reporter` takes progress messages when no log is written. A log is
    written to `stream`. `rewrite` shows a line in place of the one before, on a terminal; None
    elsewhere."""

    show: Callable[[Report, Tree], ExitCode]
    note: Callable[[str], None]
    reporter: Reporter
    stream: Stream = field(default_factory=lambda: sys.stderr)
    rewrite: Callable[[str], object] | None = None


@dataclass(slots=True)
class RunContext:
    """Everything that the passes of one process share; `_run_context` makes it. `heard` is the time
    of the main loop's last sign of life, in monotonic seconds."""

    ending: Shutdown
    clock: Clock
    target: clusters.Cluster
    registry: Registry
    output: RunOutput
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

    def run(self, tree: Tree, settings: PassSettings) -> Pass:
        from reconciler.operate import passes

        self.beat()
        self.ending.begin()
        targets = self.target.targets
        done = passes.run_pass(
            tree, targets, self.target.clock, self.reporter, settings, self.leases
        )
        self.ready = True
        return done


# -- the two ways to run ---------------------------------------------------------------------------


def run_once(
    common: CommonOptions, settings: PassSettings, options: LoopOptions, output: RunOutput
) -> ExitCode:
    """Makes one pass, as in a CronJob; returns its exit code."""
    from reconciler.operate.reports import pass_report

    with _run_context(common, options, output, looping=False) as context:
        start = context.clock.monotonic()
        try:
            with context.ending.reading():
                tree, lost = _tree_or_last_seen(common, output)
            wanted = replace(
                _with_context(settings, options, context),
                stale=lost,
                stands_on=partial(source.standing_on, tree),
            )
            done = context.run(tree, wanted)
        except Interrupted:
            if context.ending.by_keyboard:
                output.note("interrupted: nothing was written")
                return ExitCode.INTERRUPTED
            output.note(f"{context.ending.why()}: nothing was written")
            return ExitCode.INCOMPLETE
        context.observer.passed(done, context.clock.monotonic() - start)
        code = output.show(pass_report(done), tree)
        code = most_severe([code, ExitCode.ERROR]) if lost else code
        return ExitCode.INTERRUPTED if context.ending.by_keyboard else code


def _tree_or_last_seen(common: CommonOptions, output: RunOutput) -> tuple[Tree, bool]:
    """The tree to reconcile, and whether Git did not answer and it is the last commit that was
    fetched. Raises SourceError when there is none."""
    try:
        return source.tree(common, writes=True), False
    except SourceError as error:
        seen = source.last_seen(common) if error.code == SourceError.code else None
        if seen is None:
            raise
        output.note(
            f"error[{error.code}]: {error.message}\n   help: drift is corrected from {seen.label}, "
            "the last commit seen; nothing is deleted and no weight moves"
        )
        return seen, True


def loop_passes(
    common: CommonOptions,
    settings: PassSettings,
    options: LoopOptions,
    output: RunOutput,
    interval: float,
) -> ExitCode:
    """Makes passes until a signal comes, and returns exit code 0: the status, the log and the
    metrics show what a pass could not do. With `options.passes`, ends after so many passes and
    returns the exit code of the last one. `interval` is in seconds."""
    from reconciler.adapters.commit_follower import CommitFollower
    from reconciler.engine.memo import Memo
    from reconciler.operate.loop import Loop, Timing

    if common.worktree:
        raise UsageMistake("--interval follows commits: leave --worktree out")
    codes: list[ExitCode] = []
    with _run_context(common, options, output, looping=True) as context:

        def newest() -> tuple[str, str]:
            with context.ending.reading():
                return source.newest(common)

        def run(tree: Tree, wanted: PassSettings) -> Pass:
            context.observer.log.begins(tree.commit or tree.label)
            done = context.run(tree, wanted)
            codes.append(done.exit_code)
            _show_news(context, done, tree)
            return done

        loop = Loop(
            CommitFollower(newest),
            run,
            context.clock,
            context.observer,
            settings=replace(_with_context(settings, options, context), memo=Memo(keeps=True)),
            timing=Timing(interval),
            chance=random.random,
        )
        context.observer.log.starts(interval, _followed(common))
        remaining = options.passes
        try:
            while not context.ending.signalled and remaining != 0:
                before = len(codes)
                pause = loop.step()
                if len(codes) == before:
                    codes.append(ExitCode.ERROR)  # the pass failed as a whole; the log says why
                remaining = remaining - 1 if remaining is not None else None
                _write_metrics(options, context)
                if remaining != 0:
                    context.observer.log.waits(context.clock.now(), pause)
                    _pause(context, pause)
        except Interrupted:
            pass
        if context.ending.by_keyboard:
            output.note("interrupted")
            return ExitCode.INTERRUPTED
    return codes[-1] if codes and options.passes is not None else ExitCode.DONE


def _followed(common: CommonOptions) -> str:
    """The repo and the revision that a loop follows, without credentials of the URL."""
    revision = common.revision or ("main" if "://" in common.repo else "HEAD")
    return f"{revision} of {strip_userinfo(common.repo)}"


def _pause(context: RunContext, pause: float) -> None:
    start = context.clock.monotonic()
    context.ending.pause(pause, context.beat)
    if context.target.clock is not context.clock:
        # The simulated time of an embedded cluster advances by the time waited.
        context.target.clock.sleep(context.clock.monotonic() - start)


def _show_news(context: RunContext, done: Pass, tree: Tree) -> None:
    """Shows the report of a pass that wrote something, or in which other units fail than before."""
    results = {o.unit: f"{o.state}: {o.text}" for o in done.outcomes if o.state != "noop"}
    if any(o.wrote for o in done.outcomes) or results.keys() != context.shown.keys():
        from reconciler.operate.reports import pass_report

        context.output.show(pass_report(done), tree)
    context.shown = results


def _with_context(
    settings: PassSettings, options: LoopOptions, context: RunContext
) -> PassSettings:
    def permit(_unit: UnitId) -> str:
        context.beat()
        return ""

    return replace(
        settings,
        apply=replace(settings.apply, permit=permit, workers=context.target.workers),
        wait=options.wait,
        fail_if_locked=options.fail_if_locked,
        ended=context.ending.why,
        left=context.ending.left,
        reading=context.ending.reading,
    )


# -- the context of a run --------------------------------------------------------------------------


@contextmanager
def _run_context(
    common: CommonOptions, options: LoopOptions, output: RunOutput, *, looping: bool
) -> Iterator[RunContext]:
    """Starts everything around the passes, and ends it in the reverse order: leases are released
    after everything that writes."""
    from reconciler.adapters.clock import SystemClock
    from reconciler.operate.metrics import Registry
    from reconciler.operate.observers import Observers, Sinks
    from reconciler.wiring.logs import Logs

    clock, registry, redactor = SystemClock(), Registry(), redaction.redactor()
    redactor.learn(os.environ.get("RECONCILER_GIT_TOKEN", ""))
    ending = Shutdown(clock.monotonic, options.deadline)
    run = f"{socket.gethostname()}_{uuid.uuid4()}"
    with ExitStack() as stack:
        stack.enter_context(ending.catch_signals())
        found = stack.enter_context(
            clusters.cluster(common, allows="writes", sleep=ending.sleep, left=ending.left)
        )
        target = clusters.require_cluster(found)
        second = stack.enter_context(
            clusters.lease_client(common, sleep=ending.sleep, left=ending.left)
        )
        leases = _make_leases(second, clock, run) if options.lease else None
        context = RunContext(
            ending, clock, target, registry, output,
            output.reporter, None,
            leases, clock.monotonic(),
        )  # fmt: skip
        form = options.log_format or ("text" if looping else None)
        logs: Any = _NoLogs()
        if form is not None:
            logs = Logs(output.stream, form, clock.now, run, redactor.redact, context.beat)
            context.reporter = logs
        sinks = Sinks(
            logs,
            registry,
            second if options.events and common.embedded is None else None,
            _make_notifier(options, redactor, registry, stack),
            redactor.redact,
            ending.why,
            output.rewrite if looping and form == "text" else None,
        )
        context.observer = Observers(
            target.client, target.clock, run, sinks, leases, target.requests
        )
        if leases is not None:
            from reconciler.adapters.background import Threads

            stack.callback(leases.release)
            leases.keep(Threads())
        _listen(options, context, redactor, stack)
        try:
            yield context
        finally:
            _write_metrics(options, context)


class _NoLogs:
    def event(self, level: str, message: str, **fields: str) -> None:
        """Drops the event: `--once` prints a report, and a log only with --log-format."""


def _make_leases(client: LeaseClient, clock: Clock, run: str) -> Leases:
    from reconciler.operate.leases import Leases

    return Leases(lambda _group: client, clock, run, chance=random.random)


def _read_secret(path: str | None, option: str) -> bytes:
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


def _make_notifier(
    options: LoopOptions, redactor: Redactor, registry: Registry, stack: ExitStack
) -> Callable[[Any], None] | None:
    if not options.notify:
        return None
    from reconciler.adapters.notify import Notifier, Target

    secret = _read_secret(options.notify_secret, "--notify-secret")
    redactor.learn(secret.decode("utf-8", "replace"))

    def count(result: str) -> None:
        registry.add("notifications_total", result=result)

    notifier = Notifier(tuple(map(Target, options.notify)), secret, count)
    stack.callback(notifier.close, _FLUSH)
    return notifier


def _listen(
    options: LoopOptions, context: RunContext, redactor: Redactor, stack: ExitStack
) -> None:
    if options.metrics_listen is None and options.webhook is None:
        return
    from reconciler.adapters import listener
    from reconciler.operate import exposition

    routes: dict[str, dict[tuple[str, str], listener.Handler]] = {}
    if options.metrics_listen is not None:
        routes[options.metrics_listen] = listener.health_routes(
            lambda: _explain_silence(context), lambda: "" if context.ready else "no pass yet",
            partial(exposition.text, context.registry),
        )  # fmt: skip
    if options.webhook is not None:
        if options.webhook_secret is None:
            raise UsageMistake("--webhook needs --webhook-secret FILE")
        secret = _read_secret(options.webhook_secret, "--webhook-secret")
        redactor.learn(secret.decode("utf-8", "replace"))

        def count(result: str) -> None:
            context.registry.add("webhook_requests_total", result=result)

        hook = listener.Webhook(secret, context.ending.wake, count)
        routes.setdefault(options.webhook, {})["POST", "/"] = hook
        routes[options.webhook]["POST", "/webhook"] = hook
    for address, table in routes.items():
        stack.callback(listener.serve(address, table).close)


def _explain_silence(context: RunContext) -> str:
    silent = context.clock.monotonic() - context.heard
    return f"no sign of life from the loop for {silent:.0f} s" if silent > _SILENCE else ""


def _write_metrics(options: LoopOptions, context: RunContext) -> None:
    """Writes the metrics to a file atomically, for a node exporter's textfile collector. Best
    effort: a full disk does not fail the run."""
    if options.metrics_out is None:
        return
    from reconciler.operate import exposition

    try:
        files.replace(options.metrics_out, exposition.text(context.registry).encode())
    except OSError as cause:
        context.output.note(f"warning: --metrics-out {options.metrics_out}: {cause.strerror}")
