"""The `reconciler` program: finds commands by their files and maps errors to exit codes.

This is the one place that catches everything: a user never sees a traceback. Set
RECONCILER_DEBUG=1 to have one.
"""

from __future__ import annotations

import io
import os
import sys
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
    """Lists commands by reading the folder; imports one only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(extensions.names(_ROOM))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in extensions.names(_ROOM):
            return None
        command: click.Command = extensions.load(_ROOM, cmd_name, "COMMAND")
        return command

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


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        terminal.write(f"reconciler {reconciler.__version__}\n")
        ctx.exit()


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done or no difference; 1 error; 2 differences (with --exit-code); "
    "3 denied by policy; 4 refused by a guard; 5 lease held by another (with --fail-if-locked); "
    "6 applied, but incomplete or not healthy in time.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """GitOps for machine learning: from layered config in Git to applied objects."""


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the program and exits with a code of `errors.ExitCode`."""
    memory.calm_collector()
    sys.exit(int(run(args)))


def run(args: list[str] | None = None) -> ExitCode:
    """Runs the program; the exit code is returned. For tests, and for `main`."""
    debug = bool(os.environ.get("RECONCILER_DEBUG"))
    # One redactor for the whole run: what is learnt anywhere is gone from every output, crashes
    # included.
    with run_redactor(Redactor(os.urandom(16))):
        return _guarded(args, debug=debug)


def _guarded(args: list[str] | None, *, debug: bool) -> ExitCode:
    """Runs the command and turns what it raises into a message and an exit code."""
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
    except click.exceptions.Abort:
        terminal.note("interrupted")
        return ExitCode.ERROR
    except click.ClickException as mistake:
        said = io.StringIO()
        mistake.show(file=said)
        terminal.note(said.getvalue(), end="")
        return ExitCode.ERROR
    except ReconcilerError as error:
        if debug:
            _trace()
        else:
            _show(error)
        return error.exit_code
    except BrokenPipeError:
        # `reconciler plan | head`: what the reader did not want is not an error.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
        return ExitCode.DONE
    except MemoryError:
        return _out_of_memory()
    except ImportError as error:
        # A library that cannot be mapped is how too little memory shows at an import.
        short = "failed to map segment" in str(error) or "allocate memory" in str(error)
        return _out_of_memory() if short else _defect(error, debug=debug)
    except Exception as error:  # noqa: BLE001 - the one place that catches everything
        return _defect(error, debug=debug)
    return result if isinstance(result, ExitCode) else ExitCode.DONE


def _out_of_memory() -> ExitCode:
    terminal.note(
        "error[E_MEMORY]: there is not enough memory for this\n"
        "   help: give it more, or fewer apps at once (--environment, --group)"
    )
    return ExitCode.ERROR


def _defect(error: Exception, *, debug: bool) -> ExitCode:
    """An exception that nobody foresaw: one line for users, the traceback for developers."""
    if debug:
        _trace()
        return ExitCode.ERROR
    terminal.note(
        f"error[E_INTERNAL]: this is a defect of the program: {type(error).__name__}: {error}\n"
        "   help: run again with RECONCILER_DEBUG=1 and report what it prints"
    )
    return ExitCode.ERROR


def _show(error: ReconcilerError) -> None:
    from reconciler.output import text

    terminal.note(text.render_error(error), end="")


def _trace() -> None:
    """The traceback of what is being handled; without local variables, which could hold secrets."""
    import traceback

    terminal.note(traceback.format_exc(), end="")


def run_captured(args: list[str]) -> tuple[ExitCode, str]:
    """Runs the program within this process; its exit code and all that it printed."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(args)
    return code, out.getvalue()
