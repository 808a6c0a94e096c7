"""A mistake in the configuration, as a value, so that a run can show all mistakes at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.errors import ExitCode, ReconcilerError
from reconciler.origin import Origin, Site
from reconciler.unit import UnitId

__all__ = ["ConfigInvalid", "Diagnostic", "Related", "Severity", "error", "warning"]


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that a message names, with a text on what stands there."""

    site: Site
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: where, what was found, what is expected, how to correct it.

    `message` starts in lower case and has no final stop. `found` is the label under the caret.
    `path` is the config path, written as references are (rule M7). `apps` are the ids of the
    applications that the mistake affects.
    """

    severity: Severity
    code: str
    message: str
    site: Site | None = None
    path: str = ""
    related: tuple[Related, ...] = ()
    help: str = ""
    found: str = ""
    apps: tuple[UnitId, ...] = ()

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def reaching(self, *apps: UnitId) -> Diagnostic:
        return replace(self, apps=tuple(sorted({*self.apps, *apps})))


def error(
    code: str,
    message: str,
    site: Site | None = None,
    *,
    path: str = "",
    related: Iterable[Related | Origin] = (),
    help: str = "",
    found: str = "",
) -> Diagnostic:
    """An error. An Origin in `related` becomes "<op> by layer <layer>" at its place."""
    places = tuple(
        r if isinstance(r, Related) else Related(r.site, f"{r.op} by layer {r.layer}")
        for r in related
    )
    return Diagnostic(Severity.ERROR, code, message, site, path, places, help, found)


def warning(
    code: str, message: str, site: Site | None = None, *, path: str = "", help: str = ""
) -> Diagnostic:
    return Diagnostic(Severity.WARNING, code, message, site, path, (), help)


class ConfigInvalid(ReconcilerError):
    """The config cannot be used. Carries every diagnostic of the run, errors and warnings."""

    code = "E_CONFIG"
    exit_code = ExitCode.ERROR

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        count = sum(1 for d in self.diagnostics if d.is_error)
        super().__init__(f"{count} error{'s' if count != 1 else ''} in the configuration")
