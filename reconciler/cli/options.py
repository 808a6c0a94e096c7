"""The options that commands share; an option means the same in every command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from reconciler import extensions
from reconciler.cli import completion, terminal
from reconciler.errors import ReconcilerError
from reconciler.wiring.common import CommonOptions

__all__ = [
    "CommonOptions",
    "Duration",
    "approval",
    "cluster",
    "common",
    "examples",
    "reporting",
    "selection",
    "writing",
]

_ROOM = "reconciler.output.formats"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def examples(*lines: str) -> str:
    """The text under a command's help: its examples, one per line. A command gives at least two."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _combine(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class _Time(click.ParamType[datetime]):
    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-03-29T02:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone: add Z or an offset", param, ctx)
        return moment.astimezone(UTC)


class _Report(click.ParamType[tuple[str, str]]):
    name = "report"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, _, file = value.partition("=")
        if name not in extensions.names(_ROOM):
            self.fail(f"{name!r} is none of {', '.join(extensions.names(_ROOM))}", param, ctx)
        if not file:
            self.fail(f"{value!r} names no file: write {name}=FILE, or {name}=-", param, ctx)
        return name, file


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Duration(click.ParamType[float]):
    """Seconds: `90`, `90s`, `5m`, `1h30m`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        import re

        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
        if "".join(number + unit for number, unit in parts) == value and parts:
            return sum(float(number) * _UNITS[unit] for number, unit in parts)
        if not re.fullmatch(r"\d+(\.\d+)?", value):
            self.fail(f"{value!r} is not a duration such as 90s, 5m or 1h30m", param, ctx)
        return float(value)


_SHARED = (
    "repo",
    "revision",
    "environments",
    "groups",
    "models",
    "apps",
    "output",
    "ascii_only",
    "show_all",
    "now",
    "embedded",
    "kubeconfig",
    "context",
    "clusters",
    "in_cluster",
    "worktree",
    "reports",
    "link_base",
    "marker",
    "fail_on",
)


def common(
    function: Callable[..., Any], outputs: tuple[str, ...] | None = None
) -> Callable[..., Any]:
    """Adds the shared options to a command; their values are its first argument, `CommonOptions`.

    `outputs` are the choices of --output, the default first; without it they are the formats of
    reports. When the command raises a `ReconcilerError`, the files of --report are written with
    that error, and the error is raised again.
    """
    import functools

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        shared = CommonOptions(**{name: given.pop(name) for name in _SHARED if name in given})
        try:
            return function(shared, **given)
        except ReconcilerError as error:
            # What standard output could not take is in the files already.
            if shared.reports and not isinstance(error, terminal.OutputLost):
                from reconciler.cli import reporting

                command = click.get_current_context().info_name or ""
                reporting.failed(shared, command, error)
            raise

    return _combine(
        click.option(
            "--repo",
            default=".",
            metavar="PATH",
            help="The config repo: a work tree, a bare repo, or an https or ssh URL.  "
            "[default: this folder]",
        ),
        click.option(
            "--revision",
            metavar="REV",
            help="A commit of the repo; of a URL a branch or tag.  [default: the work tree; HEAD "
            "where objects are written; main of a URL]",
        ),
        click.option(
            "--output",
            "-o",
            type=click.Choice(list(outputs or extensions.names(_ROOM))),
            default=outputs[0] if outputs else "text",
            show_default=True,
            help="The format of the output.",
        ),
        click.option("--ascii", "ascii_only", is_flag=True, help="Print ASCII characters only."),
        click.option("--now", type=_Time(), metavar="TIME", help="Use this as the present time."),
    )(wrapped)


selection = _combine(
    click.option(
        "--environment",
        "-e",
        "environments",
        multiple=True,
        metavar="ENV",
        shell_complete=completion.environments,
        help="Only this environment.",
    ),
    click.option(
        "--group",
        "-g",
        "groups",
        multiple=True,
        metavar="GROUP",
        shell_complete=completion.groups,
        help="Only this group, as `hz-a` or `prod/hz-a`.",
    ),
    click.option(
        "--model",
        "-m",
        "models",
        multiple=True,
        metavar="MODEL",
        shell_complete=completion.models,
        help="Only this model.",
    ),
    click.option(
        "--app",
        "apps",
        multiple=True,
        metavar="ENV/GROUP/MODEL",
        shell_complete=completion.apps,
        help="Only this application; several may be named.",
    ),
)

#: For CI: reports in more formats, and which findings make the command fail.
reporting = _combine(
    click.option(
        "--report",
        "reports",
        type=_Report(),
        multiple=True,
        metavar="FORMAT=FILE",
        help="Also write the report in this format into a file; - is standard output.",
    ),
    click.option(
        "--link-base",
        metavar="URL",
        default="",
        help="The URL under which the repo's files are shown at this commit.  [default: from the "
        "variables of GitHub or GitLab CI]",
    ),
    click.option(
        "--marker",
        metavar="NAME",
        default="",
        help="The name of the comment that is updated in place.  [default: command and selection]",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(["warn", "empty"]),
        multiple=True,
        help="Fail on warnings too, or where there is no application or no policy.",
    ),
)

cluster = _combine(
    click.option(
        "--embedded",
        metavar="FILE",
        help="Use the embedded cluster in this file; a missing file is created.",
    ),
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Use the cluster of this kubeconfig. The variable KUBECONFIG is not read.",
    ),
    click.option(
        "--context",
        metavar="NAME",
        default="",
        help="The context of the kubeconfig to use for every cluster.  [default: the context with "
        "the cluster's name; else the only one]",
    ),
    click.option(
        "--clusters",
        metavar="PATH",
        help="How to reach each cluster that Git names: a file with a map, or a folder with one "
        "kubeconfig per name.",
    ),
    click.option(
        "--in-cluster",
        is_flag=True,
        help="Use the cluster that this pod runs in, by its service account.",
    ),
)


def approval(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --all and the options by which a person approves risky changes.

    The command gets the approvals as one argument, `approvals`, and --all as `everything`.
    """
    import functools

    @functools.wraps(function)
    def wrapped(*args: Any, **given: Any) -> Any:
        from reconciler.plan.change import Approvals

        kinds = ("prunes", "rewinds", "upgrades", "conflicts", "windows")
        approvals = Approvals(**{kind: frozenset(given.pop(kind)) for kind in kinds})
        return function(*args, approvals=approvals, **given)

    return _combine(
        click.option("--all", "everything", is_flag=True, help="Show everything: fold no lines."),
        click.option(
            "--approve-prune",
            "prunes",
            multiple=True,
            metavar="HASH",
            help="Delete exactly the objects of the refusal that printed this hash.",
        ),
        click.option(
            "--allow-rewind",
            "rewinds",
            multiple=True,
            metavar="COMMIT",
            help="Go on although the revision does not contain this applied commit.",
        ),
        click.option(
            "--approve-upgrade",
            "upgrades",
            multiple=True,
            metavar="VERSION",
            help="Go on although this version of the program renders the applied commit "
            "differently.",
        ),
        click.option(
            "--approve-conflict",
            "conflicts",
            multiple=True,
            metavar="HASH",
            help="Take over exactly the fields of the held change that printed this hash from the "
            "manager that owns them.",
        ),
        click.option(
            "--approve-window",
            "windows",
            multiple=True,
            metavar="HASH",
            help="Change the environment of the refusal that printed this hash although its change "
            "window is closed.",
        ),
    )(wrapped)


writing = _combine(
    click.option("--worktree", is_flag=True, help="Apply the work tree instead of HEAD."),
    click.option(
        "--timeout", default=600.0, show_default=True, help="Seconds to wait for each wave."
    ),
)
