"""The report of a command: sections of a closed set of types. Every format renders every report.

No command imports a format, and no format imports a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.diagnostics import Diagnostic
from reconciler.engine.views.models import ModelChange
from reconciler.errors import ExitCode
from reconciler.origin import Origin, Site
from reconciler.plan.change import Plan
from reconciler.policy.finding import Finding
from reconciler.unit import UnitId

if TYPE_CHECKING:
    from typing import TypeAlias

    from reconciler.engine.views.layers import Layers
    from reconciler.engine.views.merge_result import MergeResult
    from reconciler.engine.views.objects import Objects
    from reconciler.engine.views.promotion import Promotion
    from reconciler.engine.views.repairs import Repairs
    from reconciler.engine.views.rights import Rights
    from reconciler.engine.views.status import FleetStatus
    from reconciler.engine.views.versions import Versions

    #: The views, one module per type. `plan` and a pass of `reconcile` import none of them.
    View: TypeAlias = (
        FleetStatus | Layers | MergeResult | Objects | Promotion | Repairs | Rights | Versions
    )

__all__ = [
    "Chain",
    "Chains",
    "Changes",
    "Findings",
    "Report",
    "Section",
    "Timeline",
    "View",
]

#: The version of the JSON output.
SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Findings:
    """Config mistakes and policy findings, each with its config line where there is one."""

    diagnostics: tuple[Diagnostic, ...] = ()
    policy: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """A plan. `applied` holds the results per unit once the plan was applied. `base` is the
    revision that the plan compares with instead of a cluster. `models` says what the plan changes
    of models. `ranks` maps the environments to their ranks. `not_compared` names the apps and paths
    of which the plan says nothing, because one side could not be read."""

    plan: Plan
    applied: tuple[Any, ...] = ()
    show_all: bool = False
    base: str = ""
    models: tuple[ModelChange, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """One answer of `explain`: a path, its value, and the lines that set it, newest first."""

    path: str
    value: Any
    origin: Origin | None
    app: UnitId | None = None
    gone: bool = False
    locked: Site | None = None
    used_by: tuple[tuple[str, str], ...] = ()
    """(object, field) pairs that the value reaches."""
    reasons: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chains:
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events as (time, subject, text)."""

    events: tuple[tuple[datetime, str, str], ...]


if TYPE_CHECKING:
    Section: TypeAlias = Findings | Changes | Chains | Timeline | View


@dataclass(frozen=True, slots=True)
class Report:
    """`closing` are the last lines for people; `data` has further keys for the JSON output."""

    command: str
    sections: tuple[Section, ...] = ()
    closing: tuple[str, ...] = ()
    exit_code: ExitCode = ExitCode.DONE
    data: Mapping[str, Any] = field(default_factory=dict)
    revision: str = ""
