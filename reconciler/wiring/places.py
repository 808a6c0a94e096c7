"""Where the clusters are that Git names: the operator's word, never Git's.

`--kubeconfig FILE` maps names to its contexts; with one context (or `--context`) that one stands
for every name. `--clusters PATH` is a file with a map, or a folder with one kubeconfig a name, as a
Secret is mounted. `--in-cluster` is the cluster whose pod this is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import API_VERSION
from reconciler.errors import UsageMistake
from reconciler.suggest import did_you_mean

if TYPE_CHECKING:
    from reconciler.adapters.kubernetes.transport import Access
    from reconciler.wiring.common import CommonOptions

__all__ = ["Place", "places"]

_KEYS = ("kubeconfig", "context", "inCluster")


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster's name in Git, "" for all of them, and the way there."""

    name: str
    access: Access


def places(common: CommonOptions) -> list[Place]:
    """At least one. Raises UsageMistake."""
    from reconciler.adapters.kubernetes.transport import Access

    if common.in_cluster:
        return [Place("", Access())]
    if common.clusters is not None:
        path = Path(common.clusters)
        _outside_git("--clusters", path, common.repo)
        found = _folder(path) if path.is_dir() else _file(path)
        if not found:
            raise UsageMistake(f"--clusters {path} names no cluster")
        return found
    kubeconfig = common.kubeconfig or ""
    if not kubeconfig:
        raise UsageMistake("--kubeconfig names no file")
    _outside_git("--kubeconfig", Path(kubeconfig), common.repo)
    contexts = [] if common.context else _contexts(Path(kubeconfig))
    if len(contexts) < 2:
        return [Place("", Access(kubeconfig, common.context))]
    return [Place(name, Access(kubeconfig, name)) for name in contexts]


def _contexts(path: Path) -> list[str]:
    """The names of a kubeconfig's contexts, its current one first: there the program keeps leases.
    None where the adapter shall say what is wrong."""
    if not path.is_file():
        return []
    document = _yaml(path, "--kubeconfig")
    if not isinstance(document, dict):
        return []
    rows = document.get("contexts") or ()
    names = [str(row["name"]) for row in rows if isinstance(row, dict) and "name" in row]
    return sorted(names, key=lambda name: name != document.get("current-context"))


def _outside_git(option: str, path: Path, repo: str) -> None:
    """A kubeconfig beside the config could be anyone's who may write there, and one may start
    programs."""
    root = Path(repo)
    if not root.is_dir() or not path.exists():
        return
    here, tree = path.resolve(), root.resolve()
    if any(here.is_relative_to(tree / folder) for folder in ("environments", "models", "policies")):
        raise UsageMistake(
            f"{option} {path} lies in the config that it is to apply",
            hint="credentials are the operator's; keep them outside the repo",
        )


def _folder(path: Path) -> list[Place]:
    from reconciler.adapters.kubernetes.transport import Access

    out = []
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            name = file.name.removesuffix(".yaml").removesuffix(".kubeconfig")
            out.append(Place(name, Access(str(file))))
    return out


def _file(path: Path) -> list[Place]:
    from reconciler.adapters.kubernetes.transport import Access

    document = _yaml(path, "--clusters")
    if not isinstance(document, dict) or document.get("apiVersion") != API_VERSION:
        raise UsageMistake(
            f"--clusters {path} is no map of clusters",
            hint=f"apiVersion: {API_VERSION}, and clusters: {{NAME: {{kubeconfig: FILE}}}}",
        )
    _known(path, document, ("apiVersion", "kind", "clusters"), "")
    clusters = document.get("clusters")
    if not isinstance(clusters, dict):
        raise UsageMistake(f"--clusters {path}: `clusters` is not a map of names")
    out = []
    for name, given in clusters.items():
        if not isinstance(given, dict):
            raise UsageMistake(f"--clusters {path}: clusters.{name} is not a map")
        _known(path, given, _KEYS, f"clusters.{name}.")
        file = given.get("kubeconfig")
        if bool(file) == (given.get("inCluster") is True):
            raise UsageMistake(
                f"--clusters {path}: clusters.{name} needs either `kubeconfig` or `inCluster: true`"
            )
        where = str(path.parent / str(file)) if file else ""
        out.append(Place(str(name), Access(where, str(given.get("context") or ""))))
    return out


def _known(path: Path, given: dict[Any, Any], keys: tuple[str, ...], prefix: str) -> None:
    for key in given:
        if key not in keys:
            raise UsageMistake(
                f"--clusters {path}: {prefix}{key} is not known",
                hint=did_you_mean(str(key), keys) or f"known: {', '.join(keys)}",
            )


def _yaml(path: Path, option: str) -> Any:
    import yaml

    try:
        return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as cause:
        why = (cause.strerror or str(cause)).lower()
        raise UsageMistake(f"{option} {path}: {why}") from None
    except (yaml.YAMLError, RecursionError):
        # The message would quote the line, and with it perhaps a token.
        raise UsageMistake(f"{option} {path} is not YAML") from None
