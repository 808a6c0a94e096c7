"""Finds the control plane's programs, or builds them from their Go modules.

Looked for in the folder that KUBEBUILDER_ASSETS names (what `setup-envtest` fills), then in the
user's cache, where `build` puts them: of exactly the modules of go.mod and go.sum.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import platformdirs

_MODULE = Path(__file__).with_name("go.mod")
_MAINS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
#: Of a cold build on two cores.
_MINUTES = {
    "etcd": "(about a minute)",
    "kube-apiserver": "(about six minutes)",
    "kube-controller-manager": "(about two minutes)",
    "kubectl": "(about a minute)",
}
_NEEDED = ("etcd", "kube-apiserver")


class Missing(Exception):
    """There is no control plane here; says what would bring one."""


class Programs(NamedTuple):
    """Folders hold etcd and kube-apiserver; the others may be absent."""

    folder: Path

    @property
    def etcd(self):
        return self.folder / "etcd"

    @property
    def apiserver(self):
        return self.folder / "kube-apiserver"

    @property
    def controllers(self):
        """kube-controller-manager, or None: `setup-envtest` brings none."""
        path = self.folder / "kube-controller-manager"
        return path if path.is_file() else None

    @property
    def kubectl(self):
        path = self.folder / "kubectl"
        return path if path.is_file() else None


def version():
    """The Kubernetes version of go.mod, "1.36.3"."""
    return re.search(r"k8s\.io/kubernetes v(\S+)", _MODULE.read_text())[1]


def user_cache():
    """The folder that all checkouts of this user share."""
    folder = os.environ.get("RECONCILER_CACHE_DIR") or platformdirs.user_cache_dir("ml-reconciler")
    return Path(folder)


def cache():
    return user_cache() / "controlplane" / version()


@contextlib.contextmanager
def alone(folder, say):
    """Waits until no other process fills the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process fills {folder}: waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def found():
    """The programs that are here. Raises Missing; builds nothing."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    for folder in [Path(named)] if named else [cache()]:
        if all((folder / name).is_file() for name in _NEEDED):
            return Programs(folder)
    if named:
        raise Missing(f"KUBEBUILDER_ASSETS={named} has no {' and '.join(_NEEDED)}")
    raise Missing(
        f"no kube-apiserver {version()} in {cache()}: `make test` builds it once "
        "(Go 1.26, some ten minutes); KUBEBUILDER_ASSETS may name another folder"
    )


def ensured(say=print):
    """The programs, built where they are not found. Raises Missing where there is no Go."""
    try:
        return found()
    except Missing as missing:
        if os.environ.get("KUBEBUILDER_ASSETS"):
            raise
        if shutil.which("go") is None:
            raise Missing(f"{missing}; there is no Go here") from None
    with alone(cache(), say):
        with contextlib.suppress(Missing):
            return found()  # another process was faster
        say(f"building kube-apiserver {version()} and its companions into {cache()}, once:")
        build(cache(), say=say)
    return found()


def build(target, names=tuple(_MAINS), say=print):
    """Builds programs into a folder; each is put there whole or not at all."""
    number = version()
    major, minor, _ = number.split(".")
    stamp = {"gitVersion": f"v{number}", "gitMajor": major, "gitMinor": minor}
    flags = ["-s", "-w"]
    for name, text in stamp.items():
        flags += ["-X", f"k8s.io/component-base/version.{name}={text}"]
    with tempfile.TemporaryDirectory() as scratch:
        for path in (_MODULE, _MODULE.with_suffix(".sum")):
            shutil.copy(path, scratch)
        for name in names:
            say(f"  {name} {_MINUTES[name]} ...")
            start = time.monotonic()
            made = Path(scratch) / name
            options = ("-mod=readonly", "-trimpath", "-ldflags", " ".join(flags))
            _go(scratch, "build", *options, "-o", str(made), _MAINS[name])
            part = target / f".{name}.{os.getpid()}"
            shutil.move(made, part)
            part.replace(target / name)
            say(f"  {name} done after {time.monotonic() - start:.0f} s")


def _go(folder, *arguments):
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    environment["GOFLAGS"] = f"{environment.get('GOFLAGS', '')} -p=2".strip()
    done = subprocess.run(
        ["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise Missing(f"go {arguments[0]} failed:\n{done.stderr[-2000:]}")
