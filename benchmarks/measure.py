"""Whole processes measured, and what a measurement comes to."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROGRAM", "PYTHON", "ROOT", "Result", "environment", "measured", "missed", "shown"]

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
PROGRAM = (PYTHON, "-m", "reconciler")


@dataclass(frozen=True, slots=True)
class Result:
    """Medians: seconds, times the baseline (None where there is none), and the peak resident set in
    megabytes."""

    name: str
    command: str
    baseline: str
    seconds: float
    baseline_seconds: float | None
    times: float | None
    megabytes: float
    missed: tuple[str, ...]
    notes: tuple[str, ...]


def measured(command: tuple[str, ...], fine: Collection[int] = (0,)) -> tuple[float, float]:
    """Seconds and peak megabytes of a whole process and its children. Raises SystemExit when it
    ends with a code that is not fine: a figure of a failure would mislead."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in fine:
            said.seek(0)
            text = said.read().decode()
            raise SystemExit(f"{shown(command)}\nended with {process.returncode}\n{text}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss / unit


def missed(targets: Iterable[tuple[str, float, float | None]]) -> tuple[str, ...]:
    """What lies above its target, of (what, found, at most)."""
    return tuple(
        f"{what} {found:.3g}, at most {most:.3g}"
        for what, found, most in targets
        if most is not None and found > most
    )


def environment() -> dict[str, str]:
    """This copy of the program, whatever is installed; byte code is kept as on any machine."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE",)}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def shown(command: tuple[str, ...]) -> str:
    """A command as a person reads it: the first words of a long one."""
    words = ["python" if part == PYTHON else part for part in command]
    return " ".join(words[:12]) + (" …" if len(words) > 12 else "")
