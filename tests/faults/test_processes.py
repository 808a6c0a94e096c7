"""Whole processes that are asked to end, killed, stopped and continued, or run beside another."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from reconciler import kinds
from reconciler.apply import lease
from reconciler.objects.key import ObjectKey
from reconciler.simulation.cluster import EmbeddedCluster
from tests.cli.conftest import Repo
from tests.support import ROOT, small

WEB = ObjectKey("apps", "Deployment", "ml-one", "web-v1")
INVENTORY = ObjectKey("", "ConfigMap", "ml-reconciler", "prod.one.web.inventory")
KEY = lease.lease_key("prod/one")


class Processes(Repo):
    def start(self, what, number, *args, **options):
        given = [
            *args, "--repo", str(self.folder), "--embedded", str(self.cluster), "--now", self.now,
        ]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "tests.driver", what, str(number), *given],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def finish(self, process, within=60):
        out, err = process.communicate(timeout=within)
        return process.returncode, out, err

    def once(self, what="none", number=0, *args):
        return self.finish(self.start(what, number, "reconcile", "--once", *args))

    def get(self, key):
        seen = EmbeddedCluster(str(self.cluster), kinds=kinds.known())
        try:
            return seen.get(key)
        finally:
            seen.close()

    def holder(self):
        return self.get(KEY).body["spec"]["holderIdentity"]


@pytest.fixture
def repo(tmp_path):
    return Processes(tmp_path, small().files)


def writes(err):
    return re.findall(r"^write (\w+ .*)$", err, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("number", range(1, 11))
def test_a_signal_ahead_of_any_write_ends_the_run_after_that_write(repo, what, number):
    """F73."""
    begun = time.monotonic()
    code, out, err = repo.once(what, number)
    assert time.monotonic() - begun < 30
    assert "Traceback" not in err
    after = err.partition(f"signal {what}")[2]
    if not after:
        pytest.fail(f"only {len(writes(err))} writes")
    assert writes(after) == [], "nothing begins after the signal"
    # The last write of a run is the status: all was done by then.
    assert code in ((130,) if what == "SIGINT" else (0, 6)), (code, out, err)
    assert repo.holder() == "", "the lease is given back"
    code, out, err = repo.once()
    assert code == 0, (out, err)
    assert repo.get(WEB).is_present
    code, out, err = repo.once()
    assert (code, writes(err)) == (0, []), "and the run after that is quiet"


@pytest.mark.slow
def test_a_killed_run_s_lease_is_waited_for_and_its_work_finished(repo):
    """F74 and F135: no goodbye at all."""
    code, _, err = repo.once("SIGKILL", 4)
    assert code == -signal.SIGKILL
    dead = repo.holder()
    assert dead
    code, out, err = repo.once()
    assert code == 0, (out, err)
    assert repo.get(KEY).body["spec"]["leaseTransitions"] == 1
    assert repo.get(WEB).is_present


@pytest.mark.slow
def test_a_stopped_run_sends_nothing_of_what_it_had_queued(repo):
    """F137: stopped ahead of a write, continued when another has done the work."""
    process = repo.start("SIGSTOP", 4, "reconcile", "--once")
    assert _stopped(process)
    code, out, err = repo.once("none", 0, "--wait-for-lease", "30s")
    assert code == 0, (out, err)
    seen = {key: repo.get(key).resource_version for key in (WEB, INVENTORY)}
    process.send_signal(signal.SIGCONT)
    code, out, err = repo.finish(process)
    after = writes(err.partition("signal SIGSTOP")[2])
    assert after == []
    assert code == 6, (out, err)
    assert {key: repo.get(key).resource_version for key in seen} == seen


def _stopped(process):
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    return os.WIFSTOPPED(status)


@pytest.mark.slow
def test_of_two_runs_at_once_one_works_and_the_other_leaves_quietly(repo):
    """F75: two of a CronJob and one loop, at the same time."""
    runs = [repo.start("none", 0, "reconcile", "--once") for _ in range(2)]
    runs.append(repo.start("none", 0, "reconcile", "--interval", "1s", "--passes", "2"))
    ends = [repo.finish(process) for process in runs]
    assert [code for code, *_ in ends] == [0, 0, 0], ends
    wrote = [writes(err) for *_, err in ends]
    creates = [w for each in wrote for w in each if "Deployment" in w]
    assert len(creates) == 1
    assert repo.get(WEB).is_present


@pytest.mark.slow
def test_a_held_lease_is_exit_five_only_when_asked_for(repo):
    process = repo.start("SIGSTOP", 2, "reconcile", "--once")
    assert _stopped(process)
    try:
        code, out, err = repo.once("none", 0, "--wait-for-lease", "0")
        assert (code, writes(err)) == (0, [])
        assert "skipped_locked: prod/one" in out
        code, out, _ = repo.once("none", 0, "--wait-for-lease", "0", "--fail-if-locked")
        assert code == 5
        code, out, _ = repo.once("none", 0, "--wait-for-lease", "0", "--output", "json")
        assert '"skippedLocked"' in out
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_loop_ends_on_a_signal_between_two_passes(repo):
    process = repo.start("none", 0, "reconcile", "--interval", "30s", "--log-format", "json")
    # The status is the last write of a pass that did something.
    for line in process.stderr:
        if "prod.one.status" in line:
            break
    process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    code, _, err = repo.finish(process)
    assert time.monotonic() - begun < 10
    assert (code, "Traceback" in err) == (0, False), err
    assert repo.holder() == ""


@pytest.mark.slow
def test_the_second_signal_ends_the_process_at_once(repo):
    program = (
        "import os, signal, time\n"
        "from reconciler.wiring.shutdown import Shutdown\n"
        "ending = Shutdown(time.monotonic)\n"
        "with ending.catch_signals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print(ending.why(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (143, "ended by SIGTERM\n")
