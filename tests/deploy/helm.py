"""Helm, where it is; built once from its own module where Go may be used for that."""

import os
import shutil
import subprocess

from tests.controlplane import programs

_MODULE = "helm.sh/helm/v3/cmd/helm@v3.19.0"


def found():
    """The program's path, or None. RECONCILER_CLUSTER=required builds it: some two minutes."""
    kept = programs.user_cache() / "helm" / _MODULE.rpartition("@v")[2] / "helm"
    if shutil.which("helm"):
        return shutil.which("helm")
    if kept.is_file():
        return str(kept)
    if os.environ.get("RECONCILER_CLUSTER") != "required" or shutil.which("go") is None:
        return None
    with programs.alone(kept.parent, print):
        if not kept.is_file():
            environment = {**os.environ, "GOBIN": str(kept.parent), "GOFLAGS": "-mod=mod"}
            subprocess.run(["go", "install", _MODULE], env=environment, check=True)
    return str(kept)


def rendered(helm, chart, *more):
    """(exit code, standard output, standard error) of `helm template`."""
    done = subprocess.run(
        [helm, "template", "reconciler", str(chart), "--kube-version", "1.36.0", *more],
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr
