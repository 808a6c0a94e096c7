"""`reconciler reconcile`: one pass or a loop; an app with an error does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from reconciler.cli import options, terminal
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["COMMAND"]

_LEAST_TIMEOUT = 30.0

_OPTIONS = (
    click.option("--once", is_flag=True, help="Make one pass, then exit; for a CronJob."),
    click.option(
        "--interval",
        type=options.Duration(),
        metavar="DURATION",
        help="Follow the revision and make a pass at this interval, also without a new commit: "
        "90s, 5m, 1h30m; a number alone is in seconds.",
    ),
    click.option(
        "--passes", type=click.IntRange(min=1), metavar="N", help="End the loop after N passes."
    ),
    click.option(
        "--deadline",
        type=options.Duration(),
        metavar="DURATION",
        help="Begin no write once a pass has taken so long.",
    ),
    click.option(
        "--drift",
        type=click.Choice(["correct", "report"]),
        default="correct",
        show_default=True,
        help="Correct the changes that others made to objects, or only report them.",
    ),
    click.option(
        "--wait-for-lease",
        "wait",
        type=options.Duration(),
        metavar="DURATION",
        help="Wait at most so long for a group that another run holds.  [default: until that run "
        "proves to be alive, or its lease has run out]",
    ),
    click.option(
        "--fail-if-locked", is_flag=True, help="Exit with 5 where another run holds a group."
    ),
    click.option(
        "--no-lease", is_flag=True, help="Take no leases; only safe where no other run writes."
    ),
    click.option(
        "--log-format",
        type=click.Choice(["json", "text"]),
        help="Log to standard error, one line per event.  [default: text with --interval, else "
        "progress only]",
    ),
    click.option("--metrics-out", metavar="FILE", help="Write Prometheus metrics to this file."),
    click.option(
        "--metrics-listen",
        metavar="ADDRESS:PORT",
        help="Serve /metrics, /healthz and /readyz.",
    ),
    click.option(
        "--webhook",
        metavar="ADDRESS:PORT",
        help="Listen here for pushes of GitHub or GitLab; each starts a pass.",
    ),
    click.option("--webhook-secret", metavar="FILE", help="The secret shared with the Git host."),
    click.option(
        "--notify",
        multiple=True,
        metavar="URL",
        help="Post a CloudEvent when an app's state changes.",
    ),
    click.option("--notify-secret", metavar="FILE", help="Sign notifications (HMAC SHA-256)."),
    click.option("--no-events", is_flag=True, help="Write no Kubernetes events."),
)


def _add_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(
    "reconcile",
    short_help="Make the cluster match Git; an app with an error does not stop the others.",
    epilog=options.examples(
        "reconciler reconcile --once --embedded cluster.db",
        "reconciler reconcile --once --environment prod --revision v1.4.0 --embedded cluster.db",
        "reconciler reconcile --interval 60s --repo https://git.example.org/config.git \\",
        "    --kubeconfig prod.yaml",
    ),
)
@_add_options
@options.writing
@options.approval
@options.reporting
@options.common
@options.selection
@options.cluster
def COMMAND(common: options.CommonOptions, **given: Any) -> ExitCode:  # noqa: N802
    """Make the cluster match Git: create, change and delete objects, move weights, repair drift.

    An app with an error, a denial or a refusal is left as it is, and the others go on. A group that
    another run holds is skipped.
    """
    from reconciler.cli import reporting
    from reconciler.engine import apply_plan
    from reconciler.operate.passes import PassSettings
    from reconciler.wiring import runs
    from reconciler.wiring.common import selection

    once, interval, timeout = given["once"], given["interval"], given["timeout"]
    if once == (interval is not None):
        raise UsageMistake(
            "either --once or --interval DURATION is needed",
            hint="--once in a CronJob, --interval 60s as a loop",
        )
    if interval is not None and interval <= 0:
        raise UsageMistake("--interval must be more than 0")
    loop_only = {"--passes": given["passes"], "--webhook": given["webhook"]}
    if once and any(value is not None for value in loop_only.values()):
        names = ", ".join(name for name, value in loop_only.items() if value is not None)
        raise UsageMistake(f"{names} belongs to --interval")
    common = replace(common, show_all=given["everything"])
    if interval is not None:
        # An app that does not get ready must not delay the others: the next pass looks at it again.
        timeout = min(timeout, max(interval, _LEAST_TIMEOUT))
    settings = PassSettings(
        selection(common),
        given["approvals"],
        apply_plan.ApplySettings(timeout=timeout),
        corrects=given["drift"] == "correct",
    )
    loop_options = runs.LoopOptions(
        deadline=given["deadline"],
        lease=not given["no_lease"],
        wait=given["wait"],
        fail_if_locked=given["fail_if_locked"],
        log_format=given["log_format"],
        metrics_out=given["metrics_out"],
        metrics_listen=given["metrics_listen"],
        webhook=given["webhook"],
        webhook_secret=given["webhook_secret"],
        notify=given["notify"],
        notify_secret=given["notify_secret"],
        events=not given["no_events"],
        passes=given["passes"],
    )
    output = runs.RunOutput(
        lambda report, tree: reporting.show(common, report, tree),
        terminal.note,
        reporting.Progress(),
        terminal.LogStream(),
        terminal.rewrite if terminal.is_looked_at() else None,
    )
    if once:
        return runs.run_once(common, settings, loop_options, output)
    return runs.loop_passes(common, settings, loop_options, output, interval)
