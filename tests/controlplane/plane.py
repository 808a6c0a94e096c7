"""Starts a control plane on free loopback ports and stops it, all by process id.

Certificates and the service-account key are those that kube-apiserver makes for itself; people are
known by static tokens. RBAC, the default admission (ValidatingAdmissionPolicy among it), watches and
an audit log are on. Nothing outlives `stop`.
"""

import contextlib
import http.client
import secrets
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import orjson

OWN_USER = "plane"
_PATIENCE_SECONDS = 60.0
_TRIES = 3
#: user → groups. `plane` is this module and the controllers, so that the audit log can tell them
#: from a test's; those without a group may do nothing until a test binds them to something.
_PEOPLE = {
    "admin": "system:masters",
    OWN_USER: "system:masters",
    "viewer": "",
    "planner": "",
    "runner": "",
    "tenant": "",
}
#: What the contract suite needs; each more costs start-up time.
CONTROLLERS = ("namespace-controller", "garbage-collector-controller")
#: What makes built-in workloads move, up to their pods: nothing runs those.
WORKLOAD_CONTROLLERS = (
    *CONTROLLERS,
    "cronjob-controller",
    "deployment-controller",
    "job-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
)
#: A line a request when it is answered. A delete's options say whether it is a dry run.
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Request", "verbs": ["delete", "deletecollection"]},
        {"level": "Metadata"},
    ],
}


class Failed(Exception):
    """A program ended early or never answered; has the end of its log."""


class Plane:
    """A running control plane: `url`, `tokens` by user, `ca` (a file), `controllers` (whether they
    run), `audit_log` (a file), `store` (etcd's URL). `quota` bounds etcd's data in bytes, 0 is etcd's default."""

    def __init__(self, programs, controllers=CONTROLLERS, quota=0):
        self._scratch = tempfile.TemporaryDirectory(prefix="controlplane-")
        self.folder = Path(self._scratch.name)
        self._running = {}
        self._server: tuple[Any, ...] = ()
        self._quota = quota
        self._wanted = controllers
        self.programs = programs
        self.controllers = bool(controllers) and programs.controllers is not None
        self.tokens = {user: secrets.token_hex(16) for user in _PEOPLE}
        self.url = ""
        self.store = ""

    @property
    def ca(self):
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def audit_log(self):
        return self.folder / "audit.log"

    def start(self):
        """Raises Failed; whatever was started is stopped then."""
        for left in reversed(range(_TRIES)):
            try:
                self._start()
                return self
            except Failed:
                # A port that was free may have been taken since.
                self._end_all()
                if not left:
                    self.stop()
                    raise
            except BaseException:
                self.stop()
                raise
        raise AssertionError("unreachable")

    def _start(self):
        etcd, peer, port = _free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        store = self.store = f"http://127.0.0.1:{etcd}"
        self._run(
            self.programs.etcd,
            "--unsafe-no-fsync",
            "--data-dir",
            str(self.folder / f"etcd-{etcd}"),
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--quota-backend-bytes={self._quota}",
            "--log-level=error",
        )
        people = self._private(
            "tokens.csv",
            "".join(
                f"{self.tokens[user]},{user},{user}{f',{groups}' if groups else ''}\n"
                for user, groups in _PEOPLE.items()
            ).encode(),
        )
        own_key = self.ca.with_suffix(".key")
        self._server = (
            self.programs.apiserver,
            f"--etcd-servers={store}",
            f"--cert-dir={self.ca.parent}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--authorization-mode=RBAC",
            f"--token-auth-file={people}",
            # Nobody makes default service accounts here.
            "--disable-admission-plugins=ServiceAccount",
            f"--service-account-issuer={self.url}",
            f"--service-account-key-file={own_key}",
            f"--service-account-signing-key-file={own_key}",
            f"--audit-policy-file={self._private('audit.json', orjson.dumps(_AUDIT))}",
            f"--audit-log-path={self.audit_log}",
            # Not from a buffer, and never in a second file.
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100000",
        )
        self._run(*self._server)
        self._await_ready()
        if self.controllers:
            self._run(
                self.programs.controllers,
                f"--kubeconfig={self.kubeconfig(OWN_USER)}",
                f"--controllers={','.join(self._wanted)}",
                "--leader-elect=false",
                "--secure-port=0",
            )

    # -- faults ------------------------------------------------------------------------------------

    def kill_apiserver(self):
        """As a crash: requests on their way get no answer."""
        process = self._running.pop(self.programs.apiserver.name)
        process.kill()
        process.wait()

    def restart_apiserver(self):
        """On the same port, over the same data. Ends it first where it runs. Raises Failed."""
        if self.programs.apiserver.name in self._running:
            self.kill_apiserver()
        self._run(*self._server)
        self._await_ready()

    def pause_etcd(self):
        """Writes and reads hang until `resume_etcd`."""
        self._running[self.programs.etcd.name].send_signal(signal.SIGSTOP)

    def resume_etcd(self):
        self._running[self.programs.etcd.name].send_signal(signal.SIGCONT)

    def etcd(self, path, body):
        """What etcd's JSON gateway answers to a POST."""
        request = urllib.request.Request(self.store + path, orjson.dumps(body))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return orjson.loads(answer.read())

    # -- access ------------------------------------------------------------------------------------

    def kubeconfig(self, user="admin"):
        """A kubeconfig's path, readable by its owner alone."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        return self._private(f"{user}.kubeconfig", orjson.dumps(body))

    def get(self, path):
        """What the API server answers to the plane's own GET. Raises OSError."""
        headers = {"Authorization": f"Bearer {self.tokens[OWN_USER]}"}
        request = urllib.request.Request(self.url + path, headers=headers)
        context = ssl.create_default_context(cafile=str(self.ca))
        handler = urllib.request.HTTPSHandler(context=context)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(request, timeout=5) as answer:
            return answer.read()

    def _private(self, name, data):
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return path

    def stop(self):
        self._end_all()
        self._scratch.cleanup()

    # -- processes ---------------------------------------------------------------------------------

    def _run(self, program, *arguments):
        log = (self.folder / f"{program.name}.log").open("ab")
        with log:
            self._running[program.name] = subprocess.Popen(
                [str(program), *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def _end_all(self):
        for name in reversed(list(self._running)):
            process = self._running.pop(name)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)  # a paused one would not hear the other
            try:
                # kube-apiserver waits for open watches before it goes.
                process.wait(timeout=5 if name == "etcd" else 2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _await_ready(self):
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise Failed(f"{name} ended with {process.returncode}:\n{self._log(name)}")
            if self._is_ready():
                return
            if time.monotonic() > end:
                raise Failed(f"kube-apiserver is not ready:\n{self._log('kube-apiserver')}")
            time.sleep(0.05)

    def _is_ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            for path in ("/readyz", "/api/v1/namespaces/kube-system", "/api/v1/namespaces/default"):
                self.get(path)
            return True
        return False

    def _log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
