"""The stage of `demo`: a copy of the sample repo, an embedded cluster, and the program's own
commands run on both at chosen moments of simulated time."""

from __future__ import annotations

import os
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

#: Runs one command of this program; its exit code, and all that it printed.
Command: TypeAlias = Callable[[list[str]], tuple[ExitCode, str]]

_FOLDERS = ("environments", "models", "policies")


def sample_folder() -> Path:
    """Where the sample config lies: in the installed package, or in the checkout."""
    package = Path(reconciler.__file__).parent
    for folder in (package / "_sample", package.parent):
        if (folder / "environments" / "layers.yaml").is_file():
            return folder
    raise UsageMistake("the sample config is not installed with this program")


class Stage:
    """One showing. `command` runs the program. `now` is simulated; commands see it by --now."""

    def __init__(self, folder: Path, now: datetime, command: Command) -> None:
        self.repo = folder / "config"
        self.cluster = folder / "cluster.db"
        self.now = now
        self.command = command
        self.chapter = 0
        self.repo.mkdir(parents=True)
        source = sample_folder()
        for name in _FOLDERS:
            shutil.copytree(source / name, self.repo / name)
        self.git("init", "-q", "-b", "main")
        self.commit("Start from the sample")

    # -- Git ---------------------------------------------------------------------------------------

    def git(self, *args: str) -> None:
        """Git as a person would use it, without that person's own settings."""
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
        done = subprocess.run(
            ["git", *args],
            cwd=self.repo,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise UsageMistake(f"git {args[0]} failed: {done.stderr.strip()}")

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def edit(self, file: str, before: str, after: str) -> None:
        """One line of a config file, changed as a person would."""
        path = self.repo / file
        text = path.read_text(encoding="utf-8")
        if text.count(before) != 1:
            raise UsageMistake(f"the sample changed: {before!r} is not once in {file}")
        path.write_text(text.replace(before, after), encoding="utf-8")

    # -- telling -----------------------------------------------------------------------------------

    def heading(self, title: str, text: str) -> None:
        self.chapter += 1
        click.echo(f"\n{click.style(f'{self.chapter}. {title}', bold=True)}")
        for line in textwrap.wrap(text, 92):
            click.echo(f"   {line}")

    def note(self, text: str) -> None:
        click.echo(click.style(f"   {text}", dim=True))

    # -- running -----------------------------------------------------------------------------------

    def run(
        self, *args: str, cluster: bool = True, keep: Callable[[str], str] | None = None
    ) -> ExitCode:
        """One command of this program, its own output shown; `keep` cuts what is too long."""
        shown = " ".join(args) + (" --embedded cluster.db" if cluster else "")
        click.echo(f"\n$ reconciler {shown}")
        full = [*args, "--repo", str(self.repo)]
        if cluster:
            full += ["--embedded", str(self.cluster)]
        full += ["--now", self.now.isoformat()]
        code, out = self.command(full)
        click.echo(keep(out) if keep is not None else out, nl=False)
        return code

    def quietly(self, *args: str) -> tuple[ExitCode, str]:
        """The same without showing it."""
        full = [*args, "--repo", str(self.repo), "--embedded", str(self.cluster)]
        return self.command([*full, "--now", self.now.isoformat()])

    def wait(self, span: timedelta) -> None:
        """Simulated time goes by; the next command finds what happened meanwhile."""
        self.now += span
