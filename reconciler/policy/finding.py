"""What a policy has to say about one drawn object, at the config line that caused it."""

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
    """What a binding makes of a violation, weakest first.

    `audit` is recorded, `warn` is shown, `deny` blocks and can be exempted, `enforce` blocks and
    cannot.
    """

    AUDIT = "audit"
    WARN = "warn"
    DENY = "deny"
    ENFORCE = "enforce"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


class FindingSeverity(StrEnum):
    """How bad it is, on the scale of policy reports; independent of the level."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FindingVerdict(StrEnum):
    """Why there is a finding. Only `fail` is the rule's own word."""

    FAIL = "fail"
    #: The rule could not be computed on this object; it fails closed.
    ERROR = "error"
    #: The rule was computed nowhere: it needs the cluster, or a part of CEL that is missing here.
    NOT_EVALUABLE = "not-evaluable"


#: An object's name may be derived from every leaf of it; a few places are enough.
_MOST_THROUGH = 4
_CODES = {
    FindingVerdict.FAIL: "P_VIOLATED",
    FindingVerdict.ERROR: "P_ERROR",
    FindingVerdict.NOT_EVALUABLE: "P_NOT_EVALUABLE",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's word on one object of one app.

    `path` is the field in the object, `found` what stands there ("" for nothing), `origin` the
    config line behind it; `also` are further fields that the same result came from and `others`
    their origins. `rule` is the place of the expression, `policy_site` that of the policy.
    `ignored`: the policy's own failurePolicy lets its errors pass.
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

    @property
    def code(self) -> str:
        """Stable and machine readable."""
        return _CODES[self.verdict]

    @property
    def blocks(self) -> bool:
        """Whether the app may not be applied. What was not judged blocks like what failed."""
        return self.level.rank >= Level.DENY.rank and not self.ignored

    @property
    def site(self) -> Site | None:
        """The winning config line; None where the drawing rule wrote the whole object itself."""
        return self.origin.site if self.origin is not None else None

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every winning config line behind the finding, its own first."""
        origins = (*((self.origin,) if self.origin is not None else ()), *self.others)
        return tuple(dict.fromkeys(origin.site for origin in origins))

    @property
    def related(self) -> tuple[Related, ...]:
        """The overridden lines, those that the value came through, the further fields' lines, then
        the rule."""
        out: list[Related] = []
        if self.origin is not None:
            links = list(self.origin.chain())[1:]
            out += [Related(o.site, f"overrides {o.op} by layer {o.layer}") for o in links]
            out += [Related(o.site, "comes through") for o in self.origin.through[:_MOST_THROUGH]]
        out += [Related(site, "has a part in it") for site in self.sites if site != self.site]
        out.append(Related(self.rule, f"rule of policy {self.policy}"))
        return tuple(out)
