"""Applications and foundations: the units that are drawn, planned and applied, and that fail one by
one. A `Fleet` holds all units of one revision; a `Selection` names some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.apps.left_out import find_above
from reconciler.diagnostics import Diagnostic
from reconciler.layers.locks import Lock
from reconciler.origin import Branch, Node, Value
from reconciler.spec.application import Application
from reconciler.spec.environment import Environment, Group
from reconciler.spec.model import VersionRecord
from reconciler.unit import FOUNDATION, UnitId

__all__ = ["App", "Fleet", "Foundation", "PlainManifest", "Selection", "Unit"]


@dataclass(frozen=True, slots=True)
class PlainManifest:
    """One document of a user's Kubernetes file."""

    file: str
    root: Branch


@dataclass(frozen=True, slots=True)
class App:
    """One model in one group of an environment. Every leaf of `tree` and `spec` has its origin."""

    environment: str
    group: str
    model: str
    spec: Application
    tree: Branch
    records: Mapping[str, VersionRecord]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Capability name → its typed block, for the capabilities whose block is in the files."""
    manifests: tuple[PlainManifest, ...] = ()
    files: tuple[str, ...] = ()
    """The layer files and manifests that the app is made of, the lowest layer first."""
    inputs: str = ""
    """A digest of the content ids of all files that the app is made of. Caches use it as a key."""
    locks: tuple[Lock, ...] = ()

    @property
    def id(self) -> UnitId:
        return UnitId(self.environment, self.group, self.model)

    @property
    def group_id(self) -> str:
        return f"{self.environment}/{self.group}"

    @property
    def namespace(self) -> str:
        return self.spec.group.namespace.value

    @property
    def cluster(self) -> str:
        return _text(self.cluster_value)

    @property
    def cluster_value(self) -> Value[str] | None:
        return _cluster(self.spec.environment, self.spec.group)

    @property
    def apply_as(self) -> str:
        """The user that the program impersonates to write the app's objects; "" for none."""
        return _text(self.spec.group.apply_as)

    @property
    def is_suspended(self) -> bool:
        return self.spec.suspend.value

    @property
    def trains(self) -> bool:
        """Whether the model is trained in this group: `training.runIn` names the group."""
        return self.spec.trains_in(self.group_id)

    @property
    def serves(self) -> bool:
        """Whether the model is served in this group: `serving.runIn` names the group, or it is
        empty and the group does not train."""
        return self.spec.serves_in(self.group_id)

    def find(self, path: str) -> Node | None:
        """The node of the merged tree at a dotted path of map keys; None when there is none."""
        node: Node | None = self.tree
        for step in path.split("."):
            if not isinstance(node, Branch):
                return None
            node = node.children.get(step)
        return node


@dataclass(frozen=True, slots=True)
class Foundation:
    """The pseudo-app `<environment>/<group>/_group`. It owns the group's namespace, quota and
    service account."""

    environment: str
    group: str
    environment_spec: Environment
    spec: Group
    tree: Branch
    files: tuple[str, ...] = ()
    inputs: str = ""
    locks: tuple[Lock, ...] = ()

    model = FOUNDATION

    @property
    def id(self) -> UnitId:
        return UnitId(self.environment, self.group, FOUNDATION)

    @property
    def group_id(self) -> str:
        return f"{self.environment}/{self.group}"

    @property
    def namespace(self) -> str:
        return self.spec.namespace.value

    @property
    def cluster(self) -> str:
        return _text(self.cluster_value)

    @property
    def cluster_value(self) -> Value[str] | None:
        return _cluster(self.environment_spec, self.spec)

    #: The program writes a foundation with its own rights, because it belongs to the platform.
    apply_as = ""
    is_suspended = False


Unit: TypeAlias = App | Foundation


def _cluster(environment: Environment, group: Group) -> Value[str] | None:
    return environment.cluster if group.cluster is None else group.cluster


def _text(value: Value[str] | None) -> str:
    return value.value if value is not None else ""


@dataclass(frozen=True, slots=True)
class Selection:
    """The units that a command works on. An empty set selects all; with several sets a unit must be
    in each of them. `groups` holds names (`hz-a`) or ids (`prod/hz-a`)."""

    environments: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    units: frozenset[UnitId] = frozenset()

    def takes(self, environment: str, group: str, model: str = FOUNDATION) -> bool:
        """Whether a unit is selected. Without `model`: whether the group's foundation is."""
        return (
            (not self.environments or environment in self.environments)
            and (not self.groups or group in self.groups or f"{environment}/{group}" in self.groups)
            and (not self.models or model in self.models)
            and (not self.units or UnitId(environment, group, model) in self.units)
        )

    def takes_group(self, environment: str, group: str) -> bool:
        """Whether a group may hold a selected unit."""
        any_model = Selection(self.environments, self.groups)
        groups = {(unit.environment, unit.group) for unit in self.units}
        return any_model.takes(environment, group) and (
            not groups or (environment, group) in groups
        )

    @property
    def names_models(self) -> bool:
        """Whether models or units are named. Then a foundation is selected only with an app of its
        group, or by its own name."""
        return bool(self.models or self.units)

    @property
    def is_everything(self) -> bool:
        return not (self.environments or self.groups or self.models or self.units)

    def __str__(self) -> str:
        sets = (self.environments, self.groups, self.models, map(str, self.units))
        return ", ".join(name for names in sets for name in sorted(names))


@dataclass(frozen=True, slots=True)
class Fleet:
    """All selected units of one revision, and every mistake in their files.

    `blocked` maps the id of each unit with errors to the codes of the errors; such a unit is in
    neither `apps` nor `foundations`. `known` holds the ids of all units whose files exist, selected
    or not. `label` and `commit` name the revision.
    """

    apps: tuple[App, ...]
    foundations: tuple[Foundation, ...]
    diagnostics: tuple[Diagnostic, ...]
    blocked: Mapping[UnitId, tuple[str, ...]]
    known: frozenset[UnitId]
    label: str = ""
    commit: str = ""
    hidden: frozenset[str] = frozenset()
    """Paths whose content is unknown, because their entries in the tree cannot be used."""

    def may_have(self, unit: UnitId) -> bool:
        """Whether a unit's file exists, or may exist at a path that cannot be read. Only what
        certainly does not exist is gone from Git."""
        if unit in self.known:
            return True
        name = "group" if unit.is_foundation else unit.model
        file = f"environments/{unit.environment}/{unit.group}/{name}.yaml"
        return bool(self.hidden and find_above(file, self.hidden))

    def hiding(self, selection: Selection) -> tuple[str, ...]:
        """The folders of which nothing is known and that may hold selected units, sorted."""
        return tuple(sorted(path for path in self.hidden if _may_hide(path, selection)))

    def units(self) -> Iterator[Unit]:
        """All units, foundations first, because they own the namespaces."""
        yield from self.foundations
        yield from self.apps

    def app(self, app_id: UnitId) -> App | None:
        return next((app for app in self.apps if app.id == app_id), None)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.is_error)


def _may_hide(path: str, selection: Selection) -> bool:
    top, *rest = path.split("/")
    if top != "environments" or path.endswith(".yaml") or len(rest) > 2:
        return False
    return len(rest) < 2 or selection.takes_group(rest[0], rest[1])
