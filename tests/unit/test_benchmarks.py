"""The benchmarks: what they measure is the same every time, and they run."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from benchmarks import fleet, floor, run
from tests.support import ROOT, MemoryTree, drawn, loaded


def test_the_same_size_gives_the_same_bytes_under_any_hash_seed():
    code = (
        "import hashlib; from benchmarks.fleet import files; "
        "print(hashlib.sha256(repr(files(20)).encode()).hexdigest())"
    )
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = (sys.executable, "-c", code)
        found.add(subprocess.check_output(command, env=environment, cwd=ROOT))
    assert len(found) == 1


@pytest.mark.parametrize("models", [1, 10])
def test_a_small_fleet_loads_without_a_word_and_gives_the_objects_promised(models):
    tree = MemoryTree(fleet.files(models))
    assert loaded(tree).diagnostics == ()
    objects = drawn(tree)
    assert len(objects) == fleet.expected_objects(models)
    per_unit = Counter(unit for unit, _ in objects if not unit.endswith("_group"))
    assert len(per_unit) == models * len(fleet.ENVIRONMENTS)
    assert set(per_unit.values()) == {fleet.OBJECTS_PER_APP}


def test_the_full_fleet_is_what_the_budget_speaks_of():
    assert fleet.expected_objects(1000) == 12_000 + 30 * 4


def test_the_floor_reads_every_generated_file_with_its_places(tmp_path):
    count = fleet.write(tmp_path, 4)
    assert floor.read(tmp_path) == count == len(fleet.files(4))
    children, line, column = floor.build(b"# one\na: {b: [1, x]}\n")
    assert (line, column) == (1, 0)
    assert children["a"][0]["b"][0][1] == ("x", 1, 11)


@pytest.mark.slow
def test_a_quick_run_measures_every_case_and_writes_its_figures(tmp_path, capsys):
    out = tmp_path / "figures.json"
    run.main(["--quick", "--json", str(out)])
    figures = json.loads(out.read_text())
    assert figures["models"] == 10
    names = [row["name"] for row in figures["results"]]
    assert len(names) == len(set(names)) >= 8
    assert all(row["seconds"] > 0 and row["times"] > 0 for row in figures["results"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert " objects unchanged, 0 changes" in shown


def test_a_command_that_fails_is_no_figure():
    case = run.Case(
        "broken", (sys.executable, "-c", "raise SystemExit('no')"), (sys.executable, "-c", "")
    )
    with pytest.raises(SystemExit, match="no"):
        run.compared(case, 1)
