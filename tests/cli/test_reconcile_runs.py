"""`reconcile` as an operator runs it: once, as a loop, with what can be watched of it."""

import http.client
import json
import re
import subprocess
import sys

import pytest

from reconciler import kinds
from reconciler.cli.options import Duration
from reconciler.objects.key import ObjectKey
from reconciler.simulation.cluster import EmbeddedCluster
from tests.ports import free_port
from tests.support import ROOT

WEB = ObjectKey("apps", "Deployment", "ml-one", "web-v1")


def loop(repo, *args, passes="1"):
    return repo.live("reconcile", "--interval", "20ms", "--passes", passes, *args)


def drifted(repo, count=7):
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    cluster.edit(WEB, lambda body: body["spec"].update(replicas=count))
    cluster.close()


def replicas(repo):
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    try:
        return cluster.get(WEB).body["spec"]["replicas"]
    finally:
        cluster.close()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "either --once or --interval"),
        (("--once", "--interval", "5s"), "either --once or --interval"),
        (("--interval", "0"), "more than 0"),
        (("--interval", "soon"), "'soon' is not a duration"),
        (("--interval", "5 s"), "is not a duration"),
        (("--once", "--passes", "2"), "--passes belongs to --interval"),
        (("--once", "--webhook", "127.0.0.1:0"), "--webhook belongs to --interval"),
        (("--interval", "5s", "--worktree"), "leave --worktree out"),
        (("--interval", "5s", "--webhook", "127.0.0.1:0"), "--webhook needs --webhook-secret"),
        (("--once", "--notify", "ftp://x"), "is not a URL to post to"),
        (("--once", "--metrics-listen", "nowhere"), "ADDRESS:PORT"),
    ],
)
def test_options_that_cannot_be_meant_are_mistakes(repo, args, said):
    code, out = repo.live("reconcile", *args)
    assert code == 1
    assert said in out
    assert "Traceback" not in out


def test_a_secret_that_is_too_short_is_refused_and_not_shown(repo, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("short-one\n")
    code, out = loop(repo, "--webhook", "127.0.0.1:0", "--webhook-secret", str(secret))
    assert (code, "fewer than 16 bytes" in out, "short-one" in out) == (1, True, False)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("0.5h", 1800)],
)
def test_durations_are_written_as_people_write_them(text, seconds):
    assert Duration().convert(text, None, None) == pytest.approx(seconds)


def test_a_loop_follows_commits_and_puts_drift_right(repo):
    code, out = loop(repo, passes="2")
    assert (code, replicas(repo)) == (0, 1), out
    drifted(repo)
    code, out = loop(repo)
    assert (code, replicas(repo)) == (0, 1), out
    repo.write("environments/prod/web.yaml", 'serving: {version: "v1", replicas: 3}\n')
    repo.commit()
    code, out = loop(repo, passes="2")
    assert (code, replicas(repo)) == (0, 3), out
    code, out = loop(repo, passes="2")
    assert "applied" not in out


def test_a_loop_whose_last_pass_failed_says_so(repo):
    code, out = loop(repo, "--revision", "gone")
    assert (code, "SourceUnavailable" in out) == (1, True)


def test_drift_is_reported_and_left_where_that_is_asked_for(repo):
    assert repo.live("reconcile", "--once")[0] == 0
    drifted(repo)
    code, out = repo.live("reconcile", "--once", "--drift", "report")
    assert (code, replicas(repo)) == (0, 7)
    assert "drifted, and only reported: prod/one/web" in out
    assert "spec.replicas" in out
    code, out = repo.live("reconcile", "--once", "--drift", "report", "--output", "json")
    assert json.loads(out)["results"]["prod/one/web"] == "drifted"


def test_a_deadline_that_is_over_lets_no_write_begin(repo):
    code, out = repo.live("reconcile", "--once", "--deadline", "0s")
    assert code == 6
    assert "the deadline of 0 s has passed" in out
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    assert not cluster.get(WEB).is_present
    cluster.close()
    assert repo.live("reconcile", "--once", "--deadline", "240s")[0] == 0


def test_no_lease_takes_none(repo):
    assert repo.live("reconcile", "--once", "--no-lease")[0] == 0
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())
    key = ObjectKey("coordination.k8s.io", "Lease", "ml-reconciler", "prod.one")
    assert not cluster.get(key).is_present
    cluster.close()


def test_metrics_are_written_whole_and_a_full_disk_fails_nothing(repo, tmp_path):
    target = tmp_path / "reconciler.prom"
    assert repo.live("reconcile", "--once", "--metrics-out", str(target))[0] == 0
    text = target.read_text()
    assert 'reconciler_reconcile_total{environment="prod",result="success"}' in text
    assert re.search(r"reconciler_kube_requests_total \d+\.0\n", text)
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []
    code, out = repo.live("reconcile", "--once", "--metrics-out", str(tmp_path / "no" / "where"))
    assert (code, "warning: --metrics-out" in out) == (0, True)


def test_the_log_is_json_on_standard_error(repo):
    done = subprocess.run(
        [
            sys.executable, "-m", "reconciler", "reconcile", "--once", "--log-format", "json",
            "--repo", str(repo.folder), "--embedded", str(repo.cluster), "--now", repo.now,
        ],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"wrote"} <= {row["msg"] for row in rows}
    assert all({"ts", "level", "msg", "runID"} <= row.keys() for row in rows)
    assert "applied" in done.stdout


def test_status_shows_the_last_run(repo):
    repo.live("reconcile", "--once")
    code, out = repo.live("status")
    assert code == 0
    assert re.search(r"success 11-23 10:\d\d", out)


def _get(port, path):
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        made.request("GET", path)
        answer = made.getresponse()
        return answer.status, answer.read().decode()
    finally:
        made.close()


@pytest.mark.slow
def test_a_push_triggers_a_pass_of_a_loop_that_waits(repo, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a secret of the git host\n")
    port = free_port()
    address = f"127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "reconciler", "reconcile", "--interval", "1h", "--passes", "2",
            "--webhook", address, "--webhook-secret", str(secret), "--metrics-listen", address,
            "--log-format", "json", "--repo", str(repo.folder), "--embedded", str(repo.cluster),
        ],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:
        if '"result": "success"' in line and "prod/one/web" in line:
            break
    assert _get(port, "/healthz") == (200, "ok\n")
    made = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    made.request("POST", "/webhook", b"{}", {"X-Gitlab-Token": "a secret of the git host"})
    assert made.getresponse().status == 202
    made.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (0, False), err
    assert "a secret of" not in err


@pytest.mark.slow
def test_a_hostile_machine_changes_nothing_or_stops_before_the_first_write(repo, tmp_path):
    """F129: no home, no locale, an unknown user's empty environment, little memory."""
    program = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "from reconciler.cli.program import main\n"
        "main(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [
            sys.executable, "-c", program, "reconcile", "--once", "--repo", str(repo.folder),
            "--embedded", str(repo.cluster), "--now", repo.now,
        ],
        cwd=ROOT, capture_output=True, check=False,
        env={"LANG": "C", "LC_ALL": "C", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert replicas(repo) == 1
