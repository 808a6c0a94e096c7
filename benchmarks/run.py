"""`make bench`: what the program costs, as ratios against a baseline measured in the same run.

Whole processes, each run in turn with its baseline so that a busy machine slows both, medians, and
the peak memory of a process with its children. Nothing here fails for being slow: a target that is
missed is marked, for people to look at. What needs a real API server is left out, and said to be,
where there is none and no Go to build one.

    python benchmarks/run.py [--quick] [--json FILE] [--only NAME] [--repetitions N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # as a script, this folder's parent is not where Python looks
    sys.path.insert(0, str(ROOT))

from benchmarks import cluster, fleet  # noqa: E402 - after the line above
from benchmarks.measure import (  # noqa: E402
    PROGRAM,
    PYTHON,
    Result,
    environment,
    measured,
    missed,
    shown,
)
from tests.controlplane import programs  # noqa: E402

__all__ = ["main", "run"]

#: A run with the policies of the sample against one without: 1.4 when it was set, 1.6 when each
#: expression was read as a tree.
MOST_TIMES_OF_POLICIES = 1.5
APPLIED_AT = "2026-11-23T12:00:00Z"
LOOKED_AT = "2026-11-23T13:00:00Z"
_HEAVY = (
    "argo_workflows",
    "cel_expr_python",
    "click",
    "deepdiff",
    "git",
    "kubernetes",
    "orjson",
    "platformdirs",
    "pydantic",
    "pydantic_core",
    "ruamel.yaml",
    "yaml",
)
_IMPORTED = (
    "import sys; from reconciler.cli.program import run; code = run(sys.argv[2:]); "
    "print(*(m for m in sys.argv[1].split(',') if m in sys.modules), file=sys.stderr); "
    "sys.exit(code)"
)


@dataclass(frozen=True, slots=True)
class Case:
    """A command and what it is compared with. Targets are None where none is set."""

    name: str
    command: tuple[str, ...]
    baseline: tuple[str, ...]
    most_times: float | None = None
    most_seconds: float | None = None
    most_megabytes: float | None = None
    notes: tuple[str, ...] = ()


def compared(case: Case, repetitions: int) -> Result:
    """A case and its baseline in turn. Of several pairs the first warms the caches and does not
    count."""
    warm = int(repetitions > 1)
    pairs = [(measured(case.baseline), measured(case.command)) for _ in range(repetitions + warm)][
        warm:
    ]
    base = statistics.median(base[0] for base, _ in pairs)
    seconds = statistics.median(own[0] for _, own in pairs)
    megabytes = max(own[1] for _, own in pairs)
    times = statistics.median(own[0] / base[0] for base, own in pairs)
    targets = (
        ("times", times, case.most_times),
        ("seconds", seconds, case.most_seconds),
        ("MB", megabytes, case.most_megabytes),
    )
    return Result(
        case.name,
        shown(case.command),
        shown(case.baseline),
        seconds,
        base,
        times,
        megabytes,
        missed(targets),
        case.notes,
    )


# -- the cases -------------------------------------------------------------------------------------


def cases(folder: Path, models: int) -> Iterator[Case]:
    """Everything that is measured; `folder` holds what the cases need."""
    click = (PYTHON, "-c", "import click")
    check = (*PROGRAM, "check", "--repo", str(ROOT))
    yield Case("start-up", (*PROGRAM, "--version"), click, most_times=1.3)
    yield Case(
        "check of the sample", check, click, most_seconds=0.6, notes=(f"imports {_imports()}",)
    )
    yield _policies(folder)
    yield from _fleet(folder, models)
    database = folder / "cluster.db"
    embedded = ("--embedded", str(database), "--repo", str(ROOT))
    _prepare((*PROGRAM, "apply", "--worktree", "--now", APPLIED_AT, *embedded))
    plan = (*PROGRAM, "plan", "--now", LOOKED_AT, *embedded)
    yield Case("no-op plan, embedded cluster", plan, check, notes=(_requests(plan),))
    explain = ("explain", "serving.replicas", "--app", "prod/hz-a/mnist", "--repo", str(ROOT))
    yield Case("explain", (*PROGRAM, *explain), click)
    layers = _layers(folder / "merge")
    yield Case("merge", (*PROGRAM, "merge", "--layers", str(layers)), click)


def _policies(folder: Path) -> Case:
    """What the sample's policies cost on the sample's objects. The target is what they cost when it
    was set, and a little more."""
    with_policies, without = folder / "judged", folder / "unjudged"
    for place in (with_policies, without):
        for name in ("environments", "models"):
            shutil.copytree(ROOT / name, place / name)
    shutil.copytree(ROOT / "policies", with_policies / "policies")
    judged, unjudged = ((*PROGRAM, "check", "--repo", str(p)) for p in (with_policies, without))
    return Case("policies of the sample", judged, unjudged, most_times=MOST_TIMES_OF_POLICIES)


def _fleet(folder: Path, models: int) -> Iterator[Case]:
    place = folder / "fleet"
    count = fleet.write(place, models)
    notes = (f"{models} models x 3, {fleet.expected_objects(models)} objects, {count} files",)
    floor = (PYTHON, "-m", "benchmarks.floor", str(place))
    desired = (PYTHON, "-m", "benchmarks.desired", str(place))
    one, two = (_prepare((*desired, "--workers", n)) for n in ("1", "2"))
    if one != two or int(one.split()[0]) != fleet.expected_objects(models):
        raise SystemExit(f"the fleet came to {one.strip()} and, in two processes, {two.strip()}")
    yield Case("fleet, files to digests", desired, floor, 3.0, most_megabytes=400, notes=notes)
    yield Case(
        "the same split over two processes",
        (*desired, "--workers", "2"),
        floor,
        notes=("what a pool would give; no command has one",),
    )
    yield Case(
        "check of the fleet",
        (*PROGRAM, "check", "--repo", str(place)),
        floor,
        most_megabytes=400,
    )


def _layers(folder: Path) -> Path:
    """One app's layer files side by side, with an order of their own."""
    folder.mkdir()
    sources = (
        "environments/base.yaml",
        "environments/types/computer-vision.yaml",
        "models/mnist/model.yaml",
        "environments/prod/environment.yaml",
        "environments/prod/hz-a/group.yaml",
        "environments/prod/mnist.yaml",
        "environments/prod/hz-a/mnist.yaml",
    )
    lines = ["layers:"]
    for number, source in enumerate(sources):
        shutil.copy(ROOT / source, folder / f"{number}.yaml")
        lines.append(f"- {{name: l{number}, file: {number}.yaml}}")
    out = folder / "layers.yaml"
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return out


def _prepare(command: tuple[str, ...]) -> str:
    """Runs something once, unmeasured; what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def _requests(plan: tuple[str, ...]) -> str:
    found: dict[str, Any] = json.loads(_prepare((*plan, "--output", "json")))["plan"]
    kept = sum(app["unchanged"] for app in found["apps"])
    changes = sum(found["counts"].values())
    return f"{found['requests']} requests, {kept} objects unchanged, {changes} changes"


def _imports() -> str:
    """The packages that `check` imports, of those whose import costs something."""
    command = (PYTHON, "-c", _IMPORTED, ",".join(_HEAVY), "check", "--repo", str(ROOT))
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    )
    return ", ".join(done.stderr.split()) or "none of the heavy packages"


# -- the table -------------------------------------------------------------------------------------


def table(results: list[Result]) -> str:
    """One line a case; notes and missed targets below it."""
    lines = [f"{'':36}{'seconds':>9}{'baseline':>10}{'times':>8}{'MB':>7}"]
    for row in results:
        against = (
            f"{'-':>10}{'-':>8}"
            if row.baseline_seconds is None or row.times is None
            else f"{row.baseline_seconds:10.3f}{row.times:8.2f}"
        )
        lines.append(f"{row.name:36}{row.seconds:9.3f}{against}{row.megabytes:7.0f}")
        lines += [f"    {note}" for note in row.notes]
        lines += [f"    MISSED: {miss}" for miss in row.missed]
    return "\n".join(lines)


def run(*, models: int, repetitions: int, sizes: tuple[int, ...], only: str = "") -> list[Result]:
    """Every case whose name holds `only`, one line of progress each; `sizes` are those of what is
    measured on a real cluster."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
        for case in cases(Path(folder), models):
            if only in case.name:
                print(f"{case.name} ...", file=sys.stderr)
                results.append(compared(case, repetitions))
        try:
            for result in cluster.results(Path(folder), sizes, min(repetitions, 3), only):
                print(f"{result.name} done", file=sys.stderr)
                results.append(result)
        except programs.Missing as missing:
            print(f"left out, what needs a real API server: {missing}", file=sys.stderr)
    return results


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmarks, as ratios against a baseline.")
    parser.add_argument(
        "--quick", action="store_true", help="a fleet of 10 models, 101 objects, once"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--only", default="", metavar="NAME", help="cases whose name holds this")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--models", type=int, default=1000)
    given = parser.parse_args(arguments)
    models, repetitions = (10, 1) if given.quick else (given.models, given.repetitions)
    sizes = (101,) if given.quick else (101, 1001, 5001)
    results = run(models=models, repetitions=repetitions, sizes=sizes, only=given.only)
    print(table(results))
    if given.json is not None:
        document = {
            "schemaVersion": 1,
            "models": models,
            "repetitions": repetitions,
            "python": sys.version.split()[0],
            "results": [asdict(result) for result in results],
        }
        given.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
