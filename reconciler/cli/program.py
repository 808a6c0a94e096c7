"""The `reconciler` program: finds commands by their files and maps errors to exit codes.

Only this module catches every exception, so that users see no traceback. RECONCILER_DEBUG=1
prints it.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, NoReturn

import click

import reconciler
from reconciler import extensions
from reconciler.cli import memory, terminal
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.secrets import Redactor
from reconciler.suggest import did_you_mean
from reconciler.wiring.redaction import run_redactor

__all__ = ["cli", "main", "run", "run_captured"]

_ROOM = "reconciler.cli.commands"


class _Commands(click.Group):
    """Lists commands by the files of their folder; imports only the command that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(extensions.names(_ROOM))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in extensions.names(_ROOM):
            return None
        command: click.Command = extensions.load(_ROOM, cmd_name, "COMMAND")
        option = command.get_help_option(ctx)
        if option is not None:
            option.callback = _print_help
        return command

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _print_help
        return option

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            if hint:
                message = f"{error.message} {hint[0].upper()}{hint[1:]}"
                raise click.UsageError(message, ctx) from error
            raise


def _print_help(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        terminal.write(ctx.get_help() + "\n")
        ctx.exit()


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        terminal.write(f"reconciler {reconciler.__version__}\n")
        ctx.exit()


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done or no difference; 1 error; 2 differences (with --exit-code); "
    "3 denied by policy; 4 refused by a guard; 5 lease held by another (with --fail-if-locked); "
    "6 applied, but incomplete, not healthy in time, or held since then; "
    "130 interrupted with Ctrl-C."
    "\n\n"
    f"Documentation: {reconciler.DOCUMENTATION} (docs/ in the repo). What a code means: reconciler "
    "explain CODE. Completion of commands, apps, models and versions: "
    'eval "$(_RECONCILER_COMPLETE=bash_source reconciler)" in ~/.bashrc; zsh_source and '
    "fish_source for other shells.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """GitOps for machine learning: from layered config in Git to applied objects."""


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the program and exits with a code of `errors.ExitCode`."""
    terminal.open_missing_streams()
    setattr(warnings, "showwarning", terminal.LibraryWarnings().show)  # noqa: B010 - typed as a function
    memory.calm_collector()
    memory.shrink_stacks()
    sys.exit(int(run(args)))


def run(args: list[str] | None = None) -> ExitCode:
    """Runs the program with `args` (default: those of the process) and returns the exit code."""
    debug = bool(os.environ.get("RECONCILER_DEBUG"))
    # One redactor for the whole run: a secret that any part of it finds is masked in every output,
    # also in the message of a crash.
    with run_redactor(Redactor(os.urandom(16))):
        return _run_guarded(args, debug=debug)


def _run_guarded(args: list[str] | None, *, debug: bool) -> ExitCode:
    """Runs the command; turns an exception into a message and an exit code."""
    try:
        colour = False if os.environ.get("NO_COLOR") else None
        result: Any = cli.main(
            args=args,
            prog_name="reconciler",
            standalone_mode=False,
            color=colour,
        )
    except click.exceptions.Exit as stop:
        return ExitCode(stop.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        terminal.note("interrupted")
        return ExitCode.INTERRUPTED
    except click.ClickException as mistake:
        message = io.StringIO()
        mistake.show(file=message)
        terminal.note(message.getvalue(), end="")
        return ExitCode.ERROR
    except ReconcilerError as error:
        if debug:
            _print_traceback()
        else:
            _print_error(error)
        return error.exit_code
    except MemoryError:
        return _report_memory()
    except ImportError as error:
        # With too little memory an import fails because its library cannot be mapped.
        short = "failed to map segment" in str(error) or "allocate memory" in str(error)
        return _report_memory() if short else _report_defect(error, debug=debug)
    except RuntimeError as error:
        short = "can't start new thread" in str(error)
        return _report_memory() if short else _report_defect(error, debug=debug)
    except Exception as error:  # noqa: BLE001 - the one place that catches everything
        return _report_defect(error, debug=debug)
    return result if isinstance(result, ExitCode) else ExitCode.DONE


def _report_memory() -> ExitCode:
    terminal.note(
        "error[E_MEMORY]: there is not enough memory for this\n"
        "   help: give it more, or fewer apps at once (--environment, --group)"
    )
    return ExitCode.ERROR


def _report_defect(error: Exception, *, debug: bool) -> ExitCode:
    """Prints one line for an unexpected exception; the traceback only with `debug`."""
    if debug:
        _print_traceback()
        return ExitCode.ERROR
    terminal.note(
        f"error[E_INTERNAL]: this is a defect of the program: {type(error).__name__}: {error}\n"
        "   help: run again with RECONCILER_DEBUG=1 and report what it prints"
    )
    return ExitCode.ERROR


def _print_error(error: ReconcilerError) -> None:
    from reconciler.output import text

    terminal.note(text.render_error(error), end="")


def _print_traceback() -> None:
    """Prints the traceback of the current exception, without local variables (secrets)."""
    import traceback

    terminal.note(traceback.format_exc(), end="")


def run_captured(args: list[str]) -> tuple[ExitCode, str]:
    """Runs the program within this process; returns its exit code and all that it printed."""
    import contextlib

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(args)
    return code, out.getvalue()
