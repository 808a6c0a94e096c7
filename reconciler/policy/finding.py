"""A finding: the result of a policy that failed on one drawn object, with the config line that
caused it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.diagnostics import Related
from reconciler.objects.draft import FieldPath
from reconciler.objects.key import ObjectKey
from reconciler.origin import Origin, Site
from reconciler.unit import UnitId

__all__ = ["Finding", "FindingSeverity", "FindingVerdict", "Level"]


class Level(StrEnum):
    """The effect of a violation, the weakest first: `audit` is recorded, `warn` is shown, `deny`
    blocks the app and allows exemptions, `enforce` blocks and allows none."""

    AUDIT = "audit"
    WARN = "warn"
    DENY = "deny"
    ENFORCE = "enforce"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class FindingSeverity(StrEnum):
    """How bad a violation is, on the scale of policy reports. Independent of the level."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FindingVerdict(StrEnum):
    """Why there is a finding."""

    #: The rule is false for the object.
    FAIL = "fail"
    #: The rule could not be computed for the object. This counts as a violation.
    ERROR = "error"
    #: The rule needs the cluster, or a part of CEL that this program does not have.
    NOT_EVALUABLE = "not-evaluable"


#: A value may be derived from very many leaves; a finding names only a few of their places.
_MOST_THROUGH = 4
_CODES = {
    FindingVerdict.FAIL: "P_VIOLATED",
    FindingVerdict.ERROR: "P_ERROR",
    FindingVerdict.NOT_EVALUABLE: "P_NOT_EVALUABLE",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one rule on one object of one app.

    `path` is the field of the object, `found` its value ("" for none), and `origin` the config line
    that set it. `also` are further fields that caused the result, and `others` their origins.
    `rule` is the place of the expression, and `policy_site` the place of the policy. `ignored`: the
    policy's failurePolicy ignores this error.
    """

    policy: str
    binding: str
    level: Level
    severity: FindingSeverity
    verdict: FindingVerdict
    message: str
    app: UnitId
    key: ObjectKey
    path: FieldPath
    origin: Origin | None
    policy_site: Site
    rule: Site
    found: str = ""
    remediation: str = ""
    also: tuple[FieldPath, ...] = ()
    others: tuple[Origin, ...] = ()
    ignored: bool = False
    missing_key: str = ""
    """The field that the expression reads and the object lacks, where that was the error."""

    @property
    def code(self) -> str:
        """The stable code of the verdict, for machines."""
        return _CODES[self.verdict]

    @property
    def blocks(self) -> bool:
        """Whether the finding stops the app. A rule that could not be computed stops it too, unless
        the policy ignores failures."""
        return self.level.rank >= Level.DENY.rank and not self.ignored

    @property
    def site(self) -> Site | None:
        """The config line that won; None when no config line made the object."""
        return self.origin.site if self.origin is not None else None

    @property
    def sites(self) -> tuple[Site, ...]:
        """The config lines that won for all fields of the finding, first that of `path`."""
        origins = (*((self.origin,) if self.origin is not None else ()), *self.others)
        return tuple(dict.fromkeys(origin.site for origin in origins))

    @property
    def related(self) -> tuple[Related, ...]:
        """The lines that the value overrides, the lines that it comes through, the lines of further
        fields, and the rule."""
        out: list[Related] = []
        if self.origin is not None:
            links = list(self.origin.chain())[1:]
            out += [Related(o.site, f"overrides {o.op} by layer {o.layer}") for o in links]
            out += [Related(o.site, "comes through") for o in self.origin.through[:_MOST_THROUGH]]
        out += [Related(site, "has a part in it") for site in self.sites if site != self.site]
        out.append(Related(self.rule, f"rule of policy {self.policy}"))
        return tuple(out)
