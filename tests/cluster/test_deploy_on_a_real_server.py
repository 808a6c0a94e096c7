"""Every manifest under deploy/ as a real API server reads it, and the container's own command."""

import base64
import json
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
import yaml

from reconciler.objects.key import key_of
from reconciler.objects.outcome import Done
from tests.cluster.staging import Stage, refused
from tests.controlplane.audit import writes
from tests.controlplane.fixtures import client
from tests.deploy import helm
from tests.deploy.test_manifests import CHART, CRON, OVERLAYS, body_of, pod_of
from tests.support import ROOT

_MIB = 1 << 20
_NOBODY = 54321


@pytest.fixture(scope="module")
def admin(control_plane):
    made = client(control_plane)
    yield made
    made.close()


def kustomized(programs, overlay):
    if programs.kubectl is None:
        pytest.skip("this control plane has no kubectl")
    done = subprocess.run(
        [str(programs.kubectl), "kustomize", str(OVERLAYS / overlay)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def charted(mode):
    found = helm.found()
    if found is None:
        pytest.skip("there is no helm here: RECONCILER_CLUSTER=required builds it")
    code, out, said = helm.rendered(found, CHART, "--set", f"mode={mode}")
    assert code == 0, said
    return [body for body in yaml.safe_load_all(out) if body]


@pytest.mark.parametrize("made_by", ["kustomize", "helm"])
@pytest.mark.parametrize("mode", ["cronjob", "loop"])
def test_the_server_takes_each_manifest_strictly_without_a_warning(
    admin, control_plane, mode, made_by
):
    bodies = kustomized(control_plane.programs, mode) if made_by == "kustomize" else charted(mode)
    spaces = {b["metadata"].get("namespace", "ml-reconciler") for b in bodies}
    spaces |= {b["metadata"]["name"] for b in bodies if b["kind"] == "Namespace"}
    for name in sorted(spaces):
        # For real: the others can only be asked about in a namespace.
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert isinstance(admin.apply(body), Done)
    kinds = {body["kind"] for body in bodies}
    assert {"NetworkPolicy", "CronJob" if mode == "cronjob" else "Deployment"} <= kinds
    for body in bodies:
        outcome = admin.dry_run(body)
        assert isinstance(outcome, Done), (key_of(body), outcome)
        assert outcome.warnings == (), (key_of(body), outcome.warnings)


def test_a_slip_in_a_manifest_is_refused(admin):
    body = body_of(CRON)
    pod_of(body)["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml-reconciler"}}
    admin.apply(namespace)
    assert not isinstance(admin.dry_run(body), Done)


# -- the container's command as a process ----------------------------------------------------------


class Container:
    """The CronJob's container, but for its image: arguments, environment, and a root to which
    nothing can be written."""

    def __init__(self, stage, folder):
        self.stage = stage
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.root = folder / "root"
        self.root.mkdir(mode=0o555)
        (self.container,) = pod_of(body_of(CRON))["containers"]

    def arguments(self):
        """Only where things are differs: no pod has its service account here."""
        given = {
            "--repo": str(self.stage.repo.folder),
            "--revision": "HEAD",
            "--environment": self.stage.env,
        }
        for argument in self.container["args"]:
            name, _, _ = argument.partition("=")
            if name == "--in-cluster":
                yield f"--kubeconfig={self.stage.plane.kubeconfig('runner')}"
            else:
                yield f"{name}={given[name]}" if name in given else argument
        yield from ("--timeout=0", "--wait-for-lease=0")

    def environment(self):
        """As in the manifest, without the key of a remote that is not asked here."""
        return {
            entry["name"]: entry["value"].replace("/scratch", str(self.scratch))
            for entry in self.container["env"]
            if not entry["name"].startswith("RECONCILER_GIT_")
        }

    def run(self, environment=None, limits=(), user=None, python=sys.executable, path=()):
        """(exit code, output, peak memory in MiB)."""

        def limited():
            for what, most in limits:
                resource.setrlimit(what, (most, most))

        process = subprocess.Popen(
            [python, "-m", "reconciler", *self.arguments()],
            env={
                **(self.environment() if environment is None else environment),
                "PYTHONPATH": os.pathsep.join([str(ROOT), *path]),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=limited,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
        )
        out = process.stdout.read().decode()
        process.stdout.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, out, used.ru_maxrss / 1024


@pytest.fixture
def container(tmp_path, control_plane, admin, audit):
    stage = Stage(tmp_path, control_plane, admin, audit)
    stage.grant(stage.documents("reconcile", "runner"), "runner")
    yield Container(stage, tmp_path)
    stage.withdraw()


def of_ours(container, mark):
    return [e for e in container.stage.audit.since(mark) if e.user == "runner"]


def test_the_container_brings_an_app_up_and_is_quiet_then(container):
    mark = container.stage.audit.mark()
    code, out, memory = container.run()
    assert code == 6, out  # nobody makes the Deployment ready
    assert "created" in out
    container.stage.ready()
    code, out, _ = container.run()
    assert code == 0, out
    assert refused(of_ours(container, mark)) == []
    assert memory < 128
    mark = container.stage.audit.mark()
    code, out, _ = container.run()
    assert (code, [e for e in writes(of_ours(container, mark)) if not e.is_aside]) == (0, []), out
    assert list(container.root.iterdir()) == []


#: Name → (environment in place of the manifest's, limits). Each works.
HOSTILE = {
    "no home": ({}, ()),
    "a home that is not there, in C": ({"HOME": "/nonexistent", "LANG": "C", "LC_ALL": "C"}, ()),
    "half a GiB to address": (None, ((resource.RLIMIT_AS, 512 * _MIB),)),
    "nowhere to write": ({"HOME": "/proc", "TMPDIR": "/proc"}, ()),
    "few files open": (None, ((resource.RLIMIT_NOFILE, 48),)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_runtime_does_no_harm(container, case):
    environment, limits = HOSTILE[case]
    code, out, _ = container.run(environment, limits)
    assert code == 6, out
    assert "created" in out
    assert "Traceback" not in out


def _for_anybody(python):
    """Whether a uid that nobody has can run it with the packages of this one."""
    try:
        done = subprocess.run(
            [python, "-c", "import click, kubernetes, orjson"],
            env={"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])},
            user=_NOBODY, group=_NOBODY, extra_groups=[], cwd="/", capture_output=True,
        )  # fmt: skip
    except OSError:
        return False
    return done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_uid_that_nobody_has_works(container):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    tried = [sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    python = next(filter(_for_anybody, tried), None)
    if python is None:
        pytest.skip("no Python here that another uid may run")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        shutil.copytree(container.stage.repo.folder, folder / "config")
        kubeconfig = folder / "kubeconfig"
        body = json.loads(container.stage.plane.kubeconfig("runner").read_text())
        authority = Path(body["clusters"][0]["cluster"].pop("certificate-authority"))
        data = base64.b64encode(authority.read_bytes()).decode()
        body["clusters"][0]["cluster"]["certificate-authority-data"] = data
        kubeconfig.write_text(json.dumps(body))
        given = [
            f"--kubeconfig={kubeconfig}" if a.startswith("--kubeconfig") else a
            for a in container.arguments()
        ]
        given = [f"--repo={folder / 'config'}" if a.startswith("--repo") else a for a in given]
        container.arguments = lambda: given
        container.root = container.scratch = Path("/")
        packages = [sysconfig.get_path("purelib")]
        code, out, _ = container.run({}, user=_NOBODY, python=python, path=packages)
    assert code == 6, out
    assert "created" in out


def test_a_full_disk_is_named_before_the_first_write(container):
    mark = container.stage.audit.mark()
    code, out, _ = container.run(limits=((resource.RLIMIT_FSIZE, 0),))
    assert (code, "File too large" in out, "defect" in out) == (1, True, False), out
    assert writes(of_ours(container, mark)) == []


def test_too_little_memory_fails_before_the_first_write(container):
    mark = container.stage.audit.mark()
    code, out, _ = container.run(limits=((resource.RLIMIT_AS, 40 * _MIB),))
    assert code != 0, out
    assert "E_MEMORY" in out, out
    assert writes(of_ours(container, mark)) == []


def test_a_key_that_is_not_mounted_is_named_before_anything_is_asked(container):
    mark = container.stage.audit.mark()
    more = {"RECONCILER_GIT_SSH_KEY": "/nonexistent/identity"}
    (repo,) = [a for a in container.container["args"] if a.startswith("--repo")]
    container.arguments = lambda: ["reconcile", "--once", repo, "--embedded=x.db"]
    code, out, _ = container.run({**container.environment(), **more})
    assert code == 1
    assert "RECONCILER_GIT_SSH_KEY" in out
    assert of_ours(container, mark) == []
