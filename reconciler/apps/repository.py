"""Reads the layout of a config repo from its paths: which environments, groups, models and apps
exist. No file is opened here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.objects.key import is_dns_label
from reconciler.origin import Site
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["LAYERS_FILE", "AppFiles", "Files", "Layout", "StoredFile", "odd_names", "read_layout"]

LAYERS_FILE = "environments/layers.yaml"
_ENVIRONMENT_FILE = "environment.yaml"
_GROUP_FILE = "group.yaml"
_TYPES = "types"
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
)
_LONGEST = {"environment": 20, "group": 20, "model": 30}


class StoredFile(Protocol):
    @property
    def blob_id(self) -> str: ...
    @property
    def size(self) -> int: ...


class Files(Protocol):
    """The files of one revision; `ports.Tree` fulfils this protocol."""

    def blobs(self) -> Mapping[str, StoredFile]: ...
    def faults(self) -> tuple[Diagnostic, ...]: ...
    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class AppFiles:
    """An app, known by its file `environments/<environment>/<group>/<model>.yaml`."""

    environment: str
    group: str
    model: str
    file: str

    @property
    def id(self) -> UnitId:
        return UnitId(self.environment, self.group, self.model)


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a config repo that its paths name. All mappings are sorted."""

    environments: Mapping[str, str]
    """environment → its environment.yaml"""
    groups: Mapping[tuple[str, str], str]
    """(environment, group) → its group.yaml"""
    models: Mapping[str, str]
    """model → its model.yaml"""
    apps: tuple[AppFiles, ...]
    records: Mapping[str, tuple[str, ...]]
    """model → the files of its version records"""
    diagnostics: tuple[Diagnostic, ...]
    homes: Mapping[str, frozenset[str]]
    """model → the groups (`env/group`) that have an app of the model"""
    hidden: frozenset[str] = frozenset()
    """Paths whose content is unknown, because their entries in the tree cannot be used."""


def read_layout(paths: Iterable[str]) -> Layout:
    """The layout that a tree's paths make. A wrong name or place is a diagnostic."""
    environments: dict[str, str] = {}
    groups: dict[tuple[str, str], str] = {}
    models: dict[str, str] = {}
    in_environment: dict[tuple[str, str], str] = {}
    apps: list[AppFiles] = []
    records: dict[str, list[str]] = {}
    misspelt: list[str] = []
    paths = sorted(paths)
    for path in paths:
        if not path.endswith(".yaml"):
            if path.endswith(".yml") and path.startswith(("environments/", "models/")):
                misspelt.append(path)
            continue
        parts = path.split("/")
        stem = parts[-1].removesuffix(".yaml")
        match parts:
            case ["environments", environment, "environment.yaml"] if environment != _TYPES:
                environments[environment] = path
            case ["environments", environment, group, "group.yaml"] if environment != _TYPES:
                groups[environment, group] = path
            case ["environments", environment, _] if environment != _TYPES:
                in_environment[environment, stem] = path
            case ["environments", environment, group, _] if environment != _TYPES:
                apps.append(AppFiles(environment, group, stem, path))
            case ["models", model, "model.yaml"]:
                models[model] = path
            case ["models", model, "versions", _]:
                records.setdefault(model, []).append(path)
            case _:
                pass
    found = _Findings(
        environments,
        groups,
        models,
        tuple(apps),
        in_environment,
        misspelt,
        odd_names(paths, ("environments/", "models/")),
    )
    return Layout(
        environments,
        groups,
        models,
        tuple(apps),
        {model: tuple(files) for model, files in records.items()},
        tuple(found.all()),
        _homes(apps),
    )


def odd_names(paths: Iterable[str], tops: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The files and folders below the folders `tops` whose names some systems cannot hold or read
    as another file's, each with the reason. A folder is named once, not with each file in it."""
    found: dict[str, str] = {}
    for path in paths:
        if not path.startswith(tops):
            continue
        at = ""
        for name in path.split("/"):
            at = f"{at}/{name}" if at else name
            if (why := _explain_odd(name)) and at not in found:
                found[at] = why
    return tuple(found.items())


@functools.lru_cache(maxsize=8192)
def _explain_odd(name: str) -> str:
    """Why the name of a file or folder is not portable; "" when it is. Windows reserves names of
    devices and drops dots and blanks at the end; `git~1` is `.git` there."""
    if name.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        return "has the name of a device on Windows"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a blank or a dot, which other systems drop"
    if re.fullmatch(r"\.?git(~\d+)?", name.casefold()):
        return "has a name that is Git's own folder on other systems"
    if re.search(r'[<>:"|?*]', name):
        return 'holds one of < > : " | ? *, which other systems do not allow'
    return ""


def _homes(apps: Iterable[AppFiles]) -> dict[str, frozenset[str]]:
    homes: dict[str, set[str]] = {}
    for app in apps:
        homes.setdefault(app.model, set()).add(f"{app.environment}/{app.group}")
    return {model: frozenset(groups) for model, groups in homes.items()}


@dataclass(frozen=True, slots=True)
class _Findings:
    environments: Mapping[str, str]
    groups: Mapping[tuple[str, str], str]
    models: Mapping[str, str]
    apps: tuple[AppFiles, ...]
    in_environment: Mapping[tuple[str, str], str]
    misspelt: list[str]
    odd: tuple[tuple[str, str], ...]

    def all(self) -> Iterator[Diagnostic]:
        for environment, path in self.environments.items():
            yield from _name("environment", environment, path)
        for (environment, group), path in self.groups.items():
            yield from _name("group", group, path)
            if environment not in self.environments:
                yield _missing(path, f"environments/{environment}/{_ENVIRONMENT_FILE}", "group")
        for model, path in self.models.items():
            yield from _name("model", model, path)
        for app in self.apps:
            yield from self._app(app)
        groups = sorted({(app.environment, app.group) for app in self.apps} - self.groups.keys())
        for environment, group in groups:
            path = f"environments/{environment}/{group}/{_GROUP_FILE}"
            yield error(
                "E_FILE_MISSING",
                "the group has no such file, and its apps need it",
                Site(path, 0, 0),
                help="write `group: {namespace: …}` into it",
            )
        for path, why in self.odd:
            yield error("E_PATH", f"{path} {why}", Site(path, 0, 0), help="rename it")
        for path in self.misspelt:
            yield warning(
                "W_UNUSED_FILE",
                "nothing reads this: the name of a layer's file ends in .yaml",
                Site(path, 0, 0),
                help="rename it, unless it is listed under `manifests:`",
            )
        deployed = {(app.environment, app.model) for app in self.apps}
        for (environment, model), path in self.in_environment.items():
            if (environment, model) not in deployed:
                yield warning(
                    "W_UNUSED_FILE",
                    f"no group of {environment} has the model {model!r}, so nothing reads this",
                    Site(path, 0, 0),
                    help=f"add environments/{environment}/<group>/{model}.yaml, or delete it",
                )

    def _app(self, app: AppFiles) -> Iterator[Diagnostic]:
        if app.model not in self.models:
            yield error(
                "E_MODEL_UNKNOWN",
                f"there is no models/{app.model}/model.yaml",
                Site(app.file, 0, 0),
                help=did_you_mean(app.model, self.models)
                or "a file in this folder makes an app of the model with the file's name; "
                "plain manifests go into a subfolder",
            )


def _name(what: str, name: str, path: str) -> Iterator[Diagnostic]:
    longest = _LONGEST[what]
    if len(name) > longest or not is_dns_label(name):
        yield error(
            "E_NAME",
            f"{name!r} cannot be the name of {'an' if what[0] in 'aeiou' else 'a'} {what}: "
            f"a-z, 0-9 and - inside, at most {longest} characters",
            Site(path, 0, 0),
            help="rename the folder",
        )


def _missing(path: str, needed: str, what: str) -> Diagnostic:
    return error("E_FILE_MISSING", f"this {what} needs {needed}", Site(path, 0, 0))
