"""Finds the access to the clusters that Git names. Only the operator's options give it, never Git.

`--kubeconfig FILE` maps each name to the context of that name; with a single context (or
`--context`), this context serves every name. `--clusters PATH` is a file with a map, or a folder
with one kubeconfig per name, such as a mounted Secret. `--in-cluster` is the cluster of the pod
that the program runs in.
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
    """A cluster's name in Git, "" for every name, and the access to it."""

    name: str
    access: Access


def places(common: CommonOptions) -> list[Place]:
    """The places that the options name, at least one. Raises UsageMistake."""
    from reconciler.adapters.kubernetes.transport import Access

    if common.in_cluster:
        return [Place("", Access())]
    if common.clusters is not None:
        path = Path(common.clusters)
        _refuse_inside_repo("--clusters", path, common.repo)
        found = _read_folder(path) if path.is_dir() else _read_file(path)
        if not found:
            raise UsageMistake(f"--clusters {path} names no cluster")
        return found
    kubeconfig = common.kubeconfig or ""
    if not kubeconfig:
        raise UsageMistake("--kubeconfig names no file")
    _refuse_inside_repo("--kubeconfig", Path(kubeconfig), common.repo)
    contexts = [] if common.context else _contexts(Path(kubeconfig))
    if len(contexts) < 2:
        return [Place("", Access(kubeconfig, common.context))]
    return [Place(name, Access(kubeconfig, name)) for name in contexts]


def _contexts(path: Path) -> list[str]:
    """The names of a kubeconfig's contexts. The current one comes first, because the program keeps
    leases in the first cluster. Empty for a faulty file: the adapter then explains the mistake."""
    if not path.is_file():
        return []
    document = _load_yaml(path, "--kubeconfig")
    if not isinstance(document, dict):
        return []
    rows = document.get("contexts") or ()
    names = [str(row["name"]) for row in rows if isinstance(row, dict) and "name" in row]
    return sorted(names, key=lambda name: name != document.get("current-context"))


def _refuse_inside_repo(option: str, path: Path, repo: str) -> None:
    """Refuses a kubeconfig inside the config folders: whoever may write the config could then name
    programs to start."""
    root = Path(repo)
    if not root.is_dir() or not path.exists():
        return
    file_path, tree = path.resolve(), root.resolve()
    if any(
        file_path.is_relative_to(tree / folder) for folder in ("environments", "models", "policies")
    ):
        raise UsageMistake(
            f"{option} {path} lies in the config folders of the repo",
            hint="credentials belong to the operator: keep them outside the repo",
        )


def _read_folder(path: Path) -> list[Place]:
    from reconciler.adapters.kubernetes.transport import Access

    out = []
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            name = file.name.removesuffix(".yaml").removesuffix(".kubeconfig")
            out.append(Place(name, Access(str(file))))
    return out


def _read_file(path: Path) -> list[Place]:
    from reconciler.adapters.kubernetes.transport import Access

    document = _load_yaml(path, "--clusters")
    if not isinstance(document, dict) or document.get("apiVersion") != API_VERSION:
        raise UsageMistake(
            f"--clusters {path} is not a map of clusters",
            hint=f"write apiVersion: {API_VERSION} and clusters: {{NAME: {{kubeconfig: FILE}}}}",
        )
    _check_keys(path, document, ("apiVersion", "kind", "clusters"), "")
    clusters = document.get("clusters")
    if not isinstance(clusters, dict):
        raise UsageMistake(f"--clusters {path}: `clusters` is not a map of names")
    out = []
    for name, given in clusters.items():
        if not isinstance(given, dict):
            raise UsageMistake(f"--clusters {path}: clusters.{name} is not a map")
        _check_keys(path, given, _KEYS, f"clusters.{name}.")
        file = given.get("kubeconfig")
        if bool(file) == (given.get("inCluster") is True):
            raise UsageMistake(
                f"--clusters {path}: clusters.{name} needs either `kubeconfig` or `inCluster: true`"
            )
        kubeconfig = str(path.parent / str(file)) if file else ""
        out.append(Place(str(name), Access(kubeconfig, str(given.get("context") or ""))))
    return out


def _check_keys(path: Path, given: dict[Any, Any], keys: tuple[str, ...], prefix: str) -> None:
    for key in given:
        if key not in keys:
            raise UsageMistake(
                f"--clusters {path}: {prefix}{key} is not known",
                hint=did_you_mean(str(key), keys) or f"known: {', '.join(keys)}",
            )


def _load_yaml(path: Path, option: str) -> Any:
    import yaml

    try:
        return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as cause:
        why = (cause.strerror or str(cause)).lower()
        raise UsageMistake(f"{option} {path}: {why}") from None
    except (yaml.YAMLError, RecursionError):
        # The parser's message would quote the line, which may hold a token.
        raise UsageMistake(f"{option} {path} is not YAML") from None
