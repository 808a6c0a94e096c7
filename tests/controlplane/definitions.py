"""The CRDs of the systems that configs are drawn for, and where they come from.

Either from the folder that RECONCILER_CRDS names, or from the Go modules of their projects: the Go
tool fetches and verifies those, and the CRD files alone are kept in the user's cache, as JSON. A
project whose module cannot be had is missing, and so are its kinds: what needs them says so.
"""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import orjson
import yaml

from reconciler import kinds
from reconciler.objects.key import GroupKind
from tests.controlplane import programs

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Other copies of the same kinds lie beside the full ones.
_LEFT_OUT = frozenset({"minimal", "helm-chart"})
_DEFINITION = "CustomResourceDefinition"


class System(NamedTuple):
    """A project at the version that the backends are written for. `folder` is below its module."""

    module: str
    version: str
    folder: str
    groups: tuple[str, ...]

    @property
    def place(self):
        return f"{self.module}@{self.version}"


SYSTEMS = (
    System(
        "github.com/argoproj/argo-workflows/v4",
        "v4.1.2",
        "manifests/base/crds/full",
        ("argoproj.io",),
    ),
    System("github.com/kserve/kserve", "v0.20.0", "config/crd/full", ("serving.kserve.io",)),
    System(
        "github.com/alibaba/kubedl",
        "v0.5.0",
        "config/crd/bases",
        ("training.kubedl.io", "serving.kubedl.io", "model.kubedl.io", "apps.kubedl.io"),
    ),
    System("github.com/kubeflow/trainer", "v1.9.4", "manifests/base/crds", ("kubeflow.org",)),
    System(
        "sigs.k8s.io/gateway-api",
        "v1.6.1",
        "config/crd/standard",
        ("gateway.networking.k8s.io",),
    ),
)


class Found(NamedTuple):
    """CRDs by kind; `absent` has the wanted kinds without one, each with the reason."""

    definitions: dict[GroupKind, dict]
    absent: dict[GroupKind, str]


def found(kinds):
    """The CRDs of these kinds that are here: nothing is fetched."""
    named = os.environ.get("RECONCILER_CRDS")
    wanted = frozenset(kinds)
    made, absent = {}, {}
    if named:
        made = {kind: d for kind, d in _of_folder(named).items() if kind in wanted}
        why = f"RECONCILER_CRDS={named} has no CRD of it"
        return Found(made, dict.fromkeys(sorted(wanted - made.keys()), why))
    for kind in sorted(wanted):
        system = next((s for s in SYSTEMS if kind.group in s.groups), None)
        if system is None:
            absent[kind] = "no module is known to have its CRD"
            continue
        path = _cached(system) / f"{kind.kind}.{kind.group}.json"
        if path.is_file():
            made[kind] = orjson.loads(path.read_bytes())
        else:
            absent[kind] = f"its CRD, of {system.place}, is not in the cache"
    return Found(made, absent)


def fetch(say=print):
    """Fills the cache with the CRDs of all systems; why those that are missing are so."""
    if os.environ.get("RECONCILER_CRDS"):
        return []
    return [why for why in (_fetched(system, say) for system in SYSTEMS) if why]


def open_stand_in(kind):
    """For a kind whose CRD cannot be had: takes anything, so that the rest can be judged."""
    plural = f"{kind.kind.lower()}s"
    version = kinds.find(kind).version or "v1"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": _DEFINITION,
        "metadata": {"name": f"{plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": plural,
                "singular": kind.kind.lower(),
            },
            "scope": "Namespaced",
            "versions": [{**served, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def _cached(system):
    name = f"{system.module.replace('/', '_')}@{system.version}"
    return programs.user_cache() / "definitions" / name


def _fetched(system, say):
    """Fills the cache with a module's CRDs; why that could not be, or nothing."""
    target = _cached(system)
    done = target / ".complete"
    if done.is_file():
        return ""
    if shutil.which("go") is None:
        return f"there is no Go here to fetch {system.place} with"
    with programs.alone(target, say):
        if done.is_file():
            return ""
        say(f"fetching the CRDs of {system.place} ...")
        with tempfile.TemporaryDirectory() as scratch:
            # A module cache of its own: some of these modules are large, and a few files are kept.
            environment = {**os.environ, "GOMODCACHE": f"{scratch}/mod", "GOWORK": "off"}
            environment["GOFLAGS"] = f"{environment.get('GOFLAGS', '')} -modcacherw".strip()
            answer = subprocess.run(
                ["go", "mod", "download", "-json", system.place],
                cwd=scratch,
                env=environment,
                capture_output=True,
            )
            try:
                told = orjson.loads(answer.stdout)
            except orjson.JSONDecodeError:
                told = {"Error": answer.stderr.decode(errors="replace")}
            if "Dir" not in told:
                last = (told.get("Error") or "go says nothing").strip().splitlines()[-1].strip()
                return f"{system.place} cannot be had: {last}"
            for kind, definition in _of_folder(f"{told['Dir']}/{system.folder}").items():
                path = target / f"{kind.kind}.{kind.group}.json"
                path.write_bytes(orjson.dumps(definition))
        done.touch()
    return ""


@functools.cache
def _of_folder(folder):
    """Every CRD of a folder's YAML files."""
    made = {}
    for path in sorted(Path(folder).rglob("*.yaml")):
        if _LEFT_OUT & set(path.parts):
            continue
        data = path.read_bytes()
        if b"kind: CustomResourceDefinition" not in data:
            continue
        for document in yaml.load_all(data, Loader=_LOADER):
            if document and document.get("kind") == _DEFINITION:
                spec = document["spec"]
                if "group" in spec:  # a patch of kustomize's has none
                    made[GroupKind(spec["group"], spec["names"]["kind"])] = document
    return made
