"""The options that commands share; each means the same wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from reconciler import extensions
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
    """A command's epilog: two examples or more."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _together(*options: Decorator) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class _Moment(click.ParamType[datetime]):
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
    """Collects the shared options of a command into its first argument, a `CommonOptions`.
    `outputs` are its formats, the default first, where they are not those of reports."""
    import functools

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:
        said = CommonOptions(**{name: given.pop(name) for name in _SHARED if name in given})
        try:
            return function(said, **given)
        except ReconcilerError as error:
            if said.reports:
                from reconciler.cli import reporting

                command = click.get_current_context().info_name or ""
                reporting.failed(said, command, error)
            raise

    return _together(
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
            help="For people or for programs.",
        ),
        click.option("--ascii", "ascii_only", is_flag=True, help="No glyphs beyond ASCII."),
        click.option(
            "--now", type=_Moment(), metavar="TIME", help="Take this for the present time."
        ),
    )(wrapped)


selection = _together(
    click.option(
        "--environment", "-e", "environments", multiple=True, metavar="ENV", help="Only this one."
    ),
    click.option(
        "--group",
        "-g",
        "groups",
        multiple=True,
        metavar="GROUP",
        help="Only this group, as `hz-a` or `prod/hz-a`.",
    ),
    click.option("--model", "-m", "models", multiple=True, metavar="MODEL", help="Only this one."),
    click.option(
        "--app",
        "apps",
        multiple=True,
        metavar="ENV/GROUP/MODEL",
        help="Only this application; several may be named.",
    ),
)

#: For CI: the same evaluation in other formats, and what counts as a failure.
reporting = _together(
    click.option(
        "--report",
        "reports",
        type=_Report(),
        multiple=True,
        metavar="FORMAT=FILE",
        help="Write the same in another format into a file, too; - is standard output.",
    ),
    click.option(
        "--link-base",
        metavar="URL",
        default="",
        help="Where files are to be seen at this commit.  [default: as GitHub or GitLab CI say]",
    ),
    click.option(
        "--marker",
        metavar="NAME",
        default="",
        help="Names the comment that is updated in place.  [default: command and selection]",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(["warn", "empty"]),
        multiple=True,
        help="Fail on warnings too, or where there is no application or no policy.",
    ),
)

cluster = _together(
    click.option(
        "--embedded",
        metavar="FILE",
        help="Use the embedded cluster kept in this file (made when it is not there).",
    ),
    click.option(
        "--kubeconfig",
        metavar="FILE",
        help="Use the cluster that this kubeconfig leads to. The environment's KUBECONFIG is not "
        "read.",
    ),
    click.option(
        "--context",
        metavar="NAME",
        default="",
        help="A context of the kubeconfig, for every cluster name.  [default: the context of each "
        "cluster's name; the only one]",
    ),
    click.option(
        "--clusters",
        metavar="PATH",
        help="Where each cluster that Git names is: a file with a map, or a folder with a "
        "kubeconfig for each name.",
    ),
    click.option(
        "--in-cluster", is_flag=True, help="Use the cluster whose pod this is, by its account."
    ),
)


def approval(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a person allows a run, as one `approvals`; and how much of it is shown."""
    import functools

    @functools.wraps(function)
    def wrapped(*args: Any, **given: Any) -> Any:
        from reconciler.plan.change import Approvals

        kinds = ("prunes", "rewinds", "upgrades", "conflicts")
        found = Approvals(**{kind: frozenset(given.pop(kind)) for kind in kinds})
        return function(*args, approvals=found, **given)

    return _together(
        click.option("--all", "everything", is_flag=True, help="Fold nothing."),
        click.option(
            "--approve-prune",
            "prunes",
            multiple=True,
            metavar="HASH",
            help="Go on with exactly the deletes that a refusal printed this hash for.",
        ),
        click.option(
            "--allow-rewind",
            "rewinds",
            multiple=True,
            metavar="COMMIT",
            help="Leave this applied commit behind although the revision does not follow it.",
        ),
        click.option(
            "--approve-upgrade",
            "upgrades",
            multiple=True,
            metavar="VERSION",
            help="Go on although this version of the program draws the applied commit differently.",
        ),
        click.option(
            "--approve-conflict",
            "conflicts",
            multiple=True,
            metavar="HASH",
            help="Take exactly the fields that a held change printed this hash for from the "
            "manager that owns them.",
        ),
    )(wrapped)


writing = _together(
    click.option("--worktree", is_flag=True, help="Apply the work tree instead of HEAD."),
    click.option(
        "--timeout", default=600.0, show_default=True, help="Seconds to wait for each wave."
    ),
)
