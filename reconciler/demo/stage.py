"""Where `demo` plays: a copy of the sample repo, an embedded cluster and a simulated clock, with
methods that run the program's commands on them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import click

import reconciler
from reconciler.errors import ExitCode, UsageMistake

__all__ = ["Stage", "sample_folder"]

#: Runs one command of this program; returns its exit code and all that it printed.
Command: TypeAlias = Callable[[list[str]], tuple[ExitCode, str]]

_FOLDERS = ("environments", "models", "policies")


def sample_folder() -> Path:
    """The folder of the sample config: in the installed package, or in the checkout.

    Raises `UsageMistake` when neither has it.
    """
    package = Path(reconciler.__file__).parent
    for folder in (package / "_sample", package.parent):
        if (folder / "environments" / "layers.yaml").is_file():
            return folder
    raise UsageMistake("the sample config is not installed with this program")


class Stage:
    """The repo, the cluster and the clock of one demo, made anew in `folder`.

    `now` is the simulated time, which commands get by --now. `command` runs the program;
    `show` prints a text.
    """

    def __init__(
        self, folder: Path, now: datetime, command: Command, show: Callable[[str], object]
    ) -> None:
        self.repo = folder / "config"
        self.cluster = folder / "cluster.db"
        self.now = now
        self.command = command
        self.show = show
        self.chapter = 0
        self.repo.mkdir(parents=True)
        source = sample_folder()
        for name in _FOLDERS:
            shutil.copytree(source / name, self.repo / name)
        self.git("init", "-q", "-b", "main")
        self.commit("Start from the sample")

    # -- Git ---------------------------------------------------------------------------------------

    def git(self, *args: str) -> None:
        """Runs Git in the config repo, without the settings of the user."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.repo.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "demo",
            "GIT_AUTHOR_EMAIL": "demo@example.org",
            "GIT_COMMITTER_NAME": "demo",
            "GIT_COMMITTER_EMAIL": "demo@example.org",
            "GIT_AUTHOR_DATE": self.now.isoformat(),
            "GIT_COMMITTER_DATE": self.now.isoformat(),
        }
        result = subprocess.run(
            ["git", *args],
            cwd=self.repo,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise UsageMistake(f"git {args[0]} failed: {result.stderr.strip()}")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def edit(self, file: str, before: str, after: str) -> None:
        """Replaces `before` in a config file, as a person would; it must be there exactly once."""
        path = self.repo / file
        text = path.read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise UsageMistake(f"the sample changed: {before!r} is not once in {file}")
        path.write_text(text.replace(before, after), encoding="utf-8")

    # -- text --------------------------------------------------------------------------------------

    def heading(self, title: str, text: str) -> None:
        self.chapter += 1
        self.show(f"\n{click.style(f'{self.chapter}. {title}', bold=True)}\n")
        for line in textwrap.wrap(text, 92):
            self.show(f"   {line}\n")

    def note(self, text: str) -> None:
        self.show(click.style(f"   {text}", dim=True) + "\n")

    # -- running -----------------------------------------------------------------------------------

    def run(
        self, *args: str, cluster: bool = True, keep: Callable[[str], str] | None = None
    ) -> ExitCode:
        """Runs one command and prints it with its output, which `keep` may shorten."""
        shown = shlex.join(args) + (" --embedded cluster.db" if cluster else "")
        self.show(f"\n$ reconciler {shown}\n")
        full = [*args, "--repo", str(self.repo)]
        if cluster:
            full += ["--embedded", str(self.cluster)]
        full += ["--now", self.now.isoformat()]
        code, out = self._do(full)
        self.show(keep(out) if keep is not None else out)
        return code

    def _do(self, args: list[str]) -> tuple[ExitCode, str]:
        """Runs a command. Ctrl-C ends the command and with it the demo."""
        code, out = self.command(args)
        if code is ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        return code, out

    def quietly(self, *args: str) -> tuple[ExitCode, str]:
        """Runs one command on the cluster and prints nothing; returns exit code and output."""
        full = [*args, "--repo", str(self.repo), "--embedded", str(self.cluster)]
        return self._do([*full, "--now", self.now.isoformat()])

    def wait(self, span: timedelta) -> None:
        """Moves the simulated clock; the next command finds what happened in that time."""
        self.now += span
