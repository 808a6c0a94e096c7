"""The program against a real API server, beside `kubectl` on the very same files in the same run.

Requests are counted from the server's audit log; those for Leases and Events are left out. Nobody
runs the Deployments: they are reported ready once all is applied.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import manifests
from benchmarks.measure import (
    PROGRAM,
    PYTHON,
    Result,
    environment,
    measured,
    missed,
    shown,
)

__all__ = ["PREFIX", "STEPS", "results"]

PREFIX = "server"
#: Of one size; a step needs those before it.
STEPS = (
    "first apply",
    "no-op, whole process",
    "no-op, pass in a loop",
    "plan, no change",
    "plan, one change",
    "prune of 10 %",
)
#: The size that the targets of time and memory are set for, and the one that shows the growth.
_JUDGED = 1001
_LARGE = 5001
_OWN, _OTHERS = "by-reconciler", "by-kubectl"
#: Discovery, who the cluster is, the program's own namespace, a LIST a kind.
_CONSTANT = 20
_ROUNDING = 1.1


class Ran(NamedTuple):
    """Seconds and megabytes of a process, and what it asked of the server."""

    seconds: float
    megabytes: float
    entries: list[Any]


@dataclass(frozen=True, slots=True)
class Passes:
    """Medians of a loop's passes: seconds, seconds of their LISTs alone, bytes listed, requests."""

    seconds: float
    lists: float
    size: int
    requests: float


class Bench:
    """One size on one API server, with a config repo and the same files for `kubectl`."""

    def __init__(self, folder: Path, apps: int, plane: Any) -> None:
        from tests.controlplane.audit import Audit

        self.apps = apps
        self.objects = apps * manifests.OBJECTS_PER_APP + 1
        self.repo = manifests.write(folder / "config", apps, _OWN)
        self.namespace = self.repo.namespace_file(_OTHERS)
        self.plane = plane
        self.audit = Audit(plane)
        self.most_megabytes = 0.0

    # -- commands ----------------------------------------------------------------------------------

    def own(self, command: str, *options: str) -> tuple[str, ...]:
        place = ("--repo", str(self.repo.folder), "--kubeconfig", str(self.plane.kubeconfig()))
        return (*PROGRAM, command, *place, *options)

    def kubectl(self, verb: str, apps: Collection[str], *options: str) -> tuple[str, ...]:
        files = [self.repo.objects(app) for app in apps]
        if verb != "delete":
            files.insert(0, self.namespace)
        return (
            str(self.plane.programs.kubectl),
            f"--kubeconfig={self.plane.kubeconfig()}",
            f"--namespace={_OTHERS}",
            verb,
            *options,
            *(f"--filename={path}" for path in files),
        )

    def server_side(self, verb: str) -> tuple[str, ...]:
        return self.kubectl(verb, self.repo.apps, "--server-side", "--field-manager=kubectl")

    def run(self, command: tuple[str, ...], fine: Collection[int] = (0,)) -> Ran:
        from tests.controlplane.audit import counted

        mark = self.audit.mark()
        seconds, megabytes = measured(command, fine)
        if command[0] == PYTHON:
            self.most_megabytes = max(self.most_megabytes, megabytes)
        return Ran(seconds, megabytes, counted(self.audit.since(mark)))

    # -- steps -------------------------------------------------------------------------------------

    def applied(self, *, kubectl: bool, own_first: bool) -> tuple[Ran, Ran | None]:
        """Everything made: by the program, and by kubectl."""
        # Nothing becomes ready here: that is no failure of this measurement.
        own = (self.own("apply", "--timeout", "0"), (0, 6))
        other = (self.server_side("apply"), (0,))
        if not kubectl:
            return self.run(*own), None
        if own_first:
            mine = self.run(*own)
            return mine, self.run(*other)
        theirs = self.run(*other)
        return self.run(*own), theirs

    def settle(self) -> None:
        """What was applied becomes ready, and the program knows."""
        from tests.controlplane import fixtures, health, plane

        client = fixtures.client(self.plane, plane.OWN_USER)
        health.report(client)
        client.close()
        self.run(self.own("reconcile", "--once"))

    def passes(self, count: int) -> Passes:
        command = (PYTHON, "-m", "benchmarks.passes", str(self.repo.folder))
        found = _output((*command, str(self.plane.kubeconfig()), "--passes", str(count)))
        return Passes(
            statistics.median(found["passes"]),
            statistics.median(found["lists"]),
            found["bytes"],
            found["requests"],
        )

    def change(self) -> None:
        """One value of one object, in the work tree."""
        path = self.repo.objects(self.repo.apps[0])
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("owner: team-0", "owner: team-00", 1), encoding="utf-8")

    def restore(self) -> None:
        command = ("git", "checkout", "-q", ".")
        subprocess.run(command, cwd=self.repo.folder, check=True)

    def approvals(self) -> tuple[str, ...]:
        """The options that allow the prune that the repo asks for."""
        plan = self.own("plan", "--output", "json", "--revision", "HEAD")
        refusals = [r for app in _output(plan)["plan"]["apps"] for r in app["refusals"]]
        hashes = sorted({refusal["approval"] for refusal in refusals})
        return tuple(word for found in hashes for word in ("--approve-prune", found))


# -- what is measured ------------------------------------------------------------------------------


def results(folder: Path, sizes: tuple[int, ...], repetitions: int, only: str) -> Iterator[Result]:
    """Every step of every size whose name holds `only`; each size on servers of its own. What the
    largest size takes is compared with the judged one, of the same run."""
    wanted = [name for size in sizes for name in _names(size) if only in name]
    if not wanted:
        return
    from tests.controlplane import programs

    found = programs.ensured()
    if found.kubectl is None:
        raise SystemExit(f"{found.folder} has no kubectl, which is the baseline")
    judged: Passes | None = None
    for size in sizes:
        place = folder / f"cluster-{size}"
        if size == _LARGE:
            names = _names(size)
            if judged is not None and any(name in wanted for name in names):
                yield from _large(place, found, size, judged)
            continue
        baseline = size == _JUDGED and _LARGE in sizes
        if not any(name in wanted for name in (*_names(size), *(_names(_LARGE) * baseline))):
            continue
        steps = _Size(place, found, size, repetitions)
        for result in steps.results():
            if only in result.name:
                yield result
        judged = steps.looped


def _names(size: int) -> list[str]:
    steps = ("first apply", "no-op, pass in a loop") if size == _LARGE else STEPS
    return [f"{PREFIX} {size}: {step}" for step in steps]


class _Size:
    """All steps of one size."""

    def __init__(self, folder: Path, programs: Any, size: int, repetitions: int) -> None:
        self._folder = folder
        self._programs = programs
        self._size = size
        self._apps = size // manifests.OBJECTS_PER_APP
        self._repetitions = repetitions
        self._judges = size >= _JUDGED
        self.looped: Passes | None = None

    def results(self) -> Iterator[Result]:
        from tests.controlplane import plane

        rounds = []
        for number in range(self._repetitions):
            # Each on an empty cluster of its own; the last one stays for the other steps.
            running = plane.Plane(self._programs, controllers=()).start()
            try:
                bench = Bench(self._folder / str(number), self._apps, running)
                own, other = bench.applied(kubectl=True, own_first=bool(number % 2))
                assert other is not None
                rounds.append((own, other))
                if number == self._repetitions - 1:
                    yield self._first(bench, rounds)
                    bench.settle()
                    yield from self._rest(bench)
            finally:
                running.stop()

    def _first(self, bench: Bench, rounds: list[tuple[Ran, Ran]]) -> Result:
        entries = rounds[-1][0].entries
        writes = sum(entry.mutates for entry in entries)
        dry = sum(entry.dry for entry in entries)
        return self._result(
            STEPS[0],
            (bench.own("apply"), bench.server_side("apply")),
            rounds,
            most_times=0.7,
            targets=(
                ("writes", writes, bench.objects + 2 * (self._apps + 1) + _CONSTANT),
                ("dry-runs", dry, bench.objects),
            ),
            notes=(f"{writes} writes, {dry} dry-runs, {len(entries) - writes - dry} reads",),
        )

    def _rest(self, bench: Bench) -> Iterator[Result]:
        noop = (bench.own("reconcile", "--once"), bench.server_side("apply"))
        rounds = self._rounds(bench, noop)
        yield self._result(STEPS[1], noop, rounds, most_times=1 / 7, most_requests=12)
        yield self._looped(bench, statistics.median(other.seconds for _, other in rounds))
        diff = (bench.own("plan"), bench.server_side("diff"))
        rounds = self._rounds(bench, diff)
        yield self._result(STEPS[3], diff, rounds, most_times=1 / 15, most_requests=12)
        bench.change()
        diff = (bench.own("plan", "--exit-code"), diff[1])
        rounds = self._rounds(bench, diff, own_code=2, other_code=1)
        yield self._result(STEPS[4], diff, rounds, most_times=1 / 15, most_requests=14)
        bench.restore()
        yield self._pruned(bench)

    def _rounds(
        self,
        bench: Bench,
        pair: tuple[tuple[str, ...], tuple[str, ...]],
        own_code: int = 0,
        other_code: int = 0,
    ) -> list[tuple[Ran, Ran]]:
        own, other = pair
        return [
            (bench.run(own, (own_code,)), bench.run(other, (other_code,)))
            for _ in range(self._repetitions)
        ]

    def _looped(self, bench: Bench, kubectl: float) -> Result:
        found = self.looped = bench.passes(5)
        return Result(
            f"{PREFIX} {self._size}: {STEPS[2]}",
            "a pass that finds nothing to do",
            "kubectl apply --server-side",
            found.seconds,
            kubectl,
            found.seconds / kubectl,
            bench.most_megabytes,
            missed(
                (
                    ("times", found.seconds / kubectl, 1 / 30 if self._judges else None),
                    ("requests", found.requests, 12),
                    (
                        "times the raw LISTs",
                        found.seconds / found.lists,
                        3.0 if self._judges else None,
                    ),
                )
            ),
            (
                f"{found.requests:g} requests, {found.size / 1e6:.2f} MB listed; "
                f"{found.seconds / found.lists:.2f} times the raw LISTs ({found.lists:.3f} s)",
            ),
        )

    def _pruned(self, bench: Bench) -> Result:
        gone = bench.repo.apps[: max(1, self._apps // 10)]
        for app in gone:
            bench.repo.drop(app)
        bench.repo.commit()
        pair = (
            bench.own("reconcile", "--once", *bench.approvals()),
            bench.kubectl("delete", gone, "--wait=false"),
        )
        rounds = [(bench.run(pair[0]), bench.run(pair[1]))]
        entries = rounds[0][0].entries
        count = len(gone) * manifests.OBJECTS_PER_APP
        deletes = [e for e in entries if e.verb == "delete" and not e.dry]
        objects = [e for e in deletes if e.namespace == _OWN]
        if len({(e.resource, e.name) for e in objects}) != count:
            raise SystemExit(f"{len(objects)} deletes of {count} objects")
        return self._result(
            STEPS[5],
            pair,
            rounds,
            most_requests=count + 2 * len(gone) + _CONSTANT,
            notes=(
                f"{count} objects of {len(gone)} apps: {len(deletes)} deletes, "
                f"{sum(e.mutates for e in entries) - len(deletes)} other writes, "
                f"{sum(e.dry for e in entries)} dry-runs",
            ),
        )

    def _result(
        self,
        step: str,
        pair: tuple[tuple[str, ...], tuple[str, ...]],
        rounds: list[tuple[Ran, Ran]],
        *,
        most_times: float | None = None,
        most_requests: int | None = None,
        targets: tuple[tuple[str, float, float | None], ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Result:
        """Medians. Times and memory are judged at the size that they are set for."""
        seconds = statistics.median(own.seconds for own, _ in rounds)
        other = statistics.median(other.seconds for _, other in rounds)
        times = statistics.median(own.seconds / other.seconds for own, other in rounds)
        megabytes = max(own.megabytes for own, _ in rounds)
        requests = len(rounds[-1][0].entries)
        judged = (
            ("times", times, most_times if self._judges else None),
            ("requests", requests, most_requests),
            ("MB", megabytes, 120 if self._judges else None),
        )
        counts = f"{requests} requests, kubectl {len(rounds[-1][1].entries)}"
        return Result(
            f"{PREFIX} {self._size}: {step}",
            shown(pair[0]),
            shown(pair[1]),
            seconds,
            other,
            times,
            megabytes,
            missed((*judged, *targets)),
            (counts, *notes),
        )


def _large(folder: Path, programs: Any, size: int, judged: Passes) -> Iterator[Result]:
    """Whether the work of a pass grows faster than what is listed."""
    from tests.controlplane import plane

    running = plane.Plane(programs, controllers=()).start()
    try:
        bench = Bench(folder, size // manifests.OBJECTS_PER_APP, running)
        first, _ = bench.applied(kubectl=False, own_first=True)
        yield Result(
            _names(size)[0],
            shown(bench.own("apply")),
            "",
            first.seconds,
            None,
            None,
            first.megabytes,
            (),
            (f"{len(first.entries)} requests",),
        )
        bench.settle()
        noop = bench.run(bench.own("reconcile", "--once"))
        found = bench.passes(3)
    finally:
        running.stop()
    grown, listed = found.seconds / judged.seconds, found.size / judged.size
    yield Result(
        _names(size)[1],
        "a pass that finds nothing to do",
        f"the same at {_JUDGED}",
        found.seconds,
        judged.seconds,
        grown,
        noop.megabytes,
        missed((("times", grown, listed * _ROUNDING),)),
        (
            f"{listed:.2f} times the bytes listed; {found.seconds / found.lists:.2f} times the raw "
            f"LISTs; {found.requests:g} requests",
            f"as a whole process {noop.seconds:.2f} s, {len(noop.entries)} requests",
        ),
    )


def _output(command: tuple[str, ...]) -> dict[str, Any]:
    """What a command prints as JSON, whatever it ends with."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"{shown(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}") from None
    return found
