"""Standard output and standard error that are closed, full, or that nobody reads."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "reconciler"]
#: Each command that prints a document, with arguments under which it ends well.
COMMANDS = {
    "check": ["check"],
    "render": ["render", "--app", "dev/main/mnist"],
    "plan": ["plan"],
    "explain": ["explain", "serving.replicas", "--app", "prod/hz-a/mnist"],
    "layers": ["layers"],
    "merge": ["merge", "--layers", "MERGED"],
    "rbac": ["rbac", "--environment", "prod"],
    "schema": ["schema", "layer"],
    "--help": ["--help"],
    "--version": ["--version"],
}


def run(args, **streams):
    return subprocess.run(
        [*PROGRAM, *args], stderr=subprocess.PIPE, text=True, timeout=60, **streams
    )


def run_in_shell(args, redirection):
    line = " ".join(f"'{a}'" for a in [*PROGRAM, *args]) + f" {redirection}"
    return subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False
    )


def errors(done):
    return [line for line in done.stderr.splitlines() if not line.startswith("note: ")]


@pytest.fixture(params=COMMANDS.values(), ids=list(COMMANDS))
def command(request, tmp_path):
    (tmp_path / "layers.yaml").write_text("layers: [{name: base, file: base.yaml}]\n")
    (tmp_path / "base.yaml").write_text("a: 1\n")
    merged = str(tmp_path / "layers.yaml")
    return [merged if arg == "MERGED" else arg for arg in request.param]


def test_a_command_ends_well_when_its_output_is_closed(command):
    done = run_in_shell(command, ">&-")
    assert (done.returncode, errors(done)) == (0, [])


def test_a_command_ends_well_when_both_streams_are_closed(command):
    assert run_in_shell(command, ">&- 2>&-").returncode == 0


def test_a_command_ends_well_when_its_reader_goes_away(command):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = run(command, stdout=pipe)
    assert (done.returncode, errors(done)) == (0, [])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_command_says_that_its_output_is_full(command):
    with open("/dev/full", "w") as full:
        done = run(command, stdout=full)
    assert done.returncode == 1
    assert errors(done)[0] == (
        "error[E_OUTPUT]: standard output cannot be written to: no space left on device"
    )


def test_an_error_keeps_its_code_when_nobody_reads(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "layers.yaml").write_text("layers: 1\n")
    with os.fdopen(writer, "w") as pipe:
        assert run(["check", "--repo", str(tmp_path)], stdout=pipe).returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_reconcile_does_its_work_when_its_output_is_full(tmp_path):
    cluster = str(tmp_path / "cluster.db")
    report = tmp_path / "report.json"
    args = ["reconcile", "--once", "--embedded", cluster, "--worktree", "--app", "dev/main/_group"]
    with open("/dev/full", "w") as full:
        done = run([*args, "--report", f"json={report}"], stdout=full)
    assert (done.returncode, "E_OUTPUT" in done.stderr) == (1, True)
    assert '"exitCode": 0' in report.read_text()
    again = run(args, stdout=subprocess.PIPE)
    assert "created" not in again.stdout


@pytest.mark.parametrize(
    "args",
    [["demo"], ["reconcile", "--interval", "60s", "--embedded", "DB", "--log-format", "json"]],
    ids=["demo", "reconcile"],
)
def test_ctrl_c_ends_with_130_and_one_line(args, tmp_path):
    args = [str(tmp_path / "c.db") if a == "DB" else a for a in args]
    with (tmp_path / "log").open("w") as log:
        command = [*PROGRAM, *args]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
        with process.stdout:
            process.stdout.readline()
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            process.stdout.read()
        assert process.wait(30) == 130
    lines = (tmp_path / "log").read_text().split("\n")
    said = [line for line in lines if line and line[0] != "{"]
    assert said == ["interrupted"]
