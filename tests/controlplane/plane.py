"""Starts a control plane on free loopback ports and stops it, all by process id.

Certificates and the service-account key are those that kube-apiserver makes for itself; people are
known by static tokens. Nothing outlives `stop`.
"""

import contextlib
import secrets
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import orjson

_PATIENCE_SECONDS = 60.0
_TRIES = 3
#: user → groups. `viewer` may do nothing until a test binds it to something.
_PEOPLE = {"admin": "system:masters", "viewer": ""}


class Failed(Exception):
    """A program ended early or never answered; has the end of its log."""


class Plane:
    """A running control plane: `url`, `tokens` by user, `ca` (a file), `controllers` (whether they
    run)."""

    def __init__(self, programs):
        self._scratch = tempfile.TemporaryDirectory(prefix="controlplane-")
        self.folder = Path(self._scratch.name)
        self._running = {}
        self.programs = programs
        self.controllers = programs.controllers is not None
        self.tokens = {user: secrets.token_hex(16) for user in _PEOPLE}
        self.url = ""

    @property
    def ca(self):
        return self.folder / "certificates" / "apiserver.crt"

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
        store = f"http://127.0.0.1:{etcd}"
        self._run(
            self.programs.etcd,
            "--unsafe-no-fsync",
            "--data-dir",
            str(self.folder / f"etcd-{etcd}"),
            f"--listen-client-urls={store}",
            f"--advertise-client-urls={store}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--log-level=error",
        )
        people = self.folder / "tokens.csv"
        people.write_text(
            "".join(
                f"{self.tokens[user]},{user},{user}{f',{groups}' if groups else ''}\n"
                for user, groups in _PEOPLE.items()
            )
        )
        people.chmod(0o600)
        own_key = self.ca.with_suffix(".key")
        self._run(
            self.programs.apiserver,
            f"--etcd-servers={store}",
            f"--cert-dir={self.ca.parent}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            f"--token-auth-file={people}",
            # Nobody makes default service accounts here.
            "--disable-admission-plugins=ServiceAccount",
            f"--service-account-issuer={self.url}",
            f"--service-account-key-file={own_key}",
            f"--service-account-signing-key-file={own_key}",
        )
        self._await_ready()
        if self.programs.controllers is not None:
            self._run(
                self.programs.controllers,
                f"--kubeconfig={self.kubeconfig()}",
                "--controllers=namespace-controller,garbage-collector-controller",
                "--leader-elect=false",
                "--secure-port=0",
            )

    def kubeconfig(self, user="admin"):
        """A kubeconfig's path, readable by its owner alone."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path.write_bytes(orjson.dumps(body))
        path.chmod(0o600)
        return path

    def stop(self):
        self._end_all()
        self._scratch.cleanup()

    # -- processes ---------------------------------------------------------------------------------

    def _run(self, program, *arguments):
        log = (self.folder / f"{program.name}.log").open("wb")
        with log:
            self._running[program.name] = subprocess.Popen(
                [str(program), *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )

    def _end_all(self):
        for name in reversed(list(self._running)):
            process = self._running.pop(name)
            process.send_signal(signal.SIGTERM)
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
        with contextlib.suppress(OSError, urllib.error.URLError):
            for path in ("/readyz", "/api/v1/namespaces/kube-system", "/api/v1/namespaces/default"):
                headers = {"Authorization": f"Bearer {self.tokens['admin']}"}
                request = urllib.request.Request(self.url + path, headers=headers)
                context = ssl.create_default_context(cafile=str(self.ca))
                handler = urllib.request.HTTPSHandler(context=context)
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
                opener.open(request, timeout=5).close()
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
