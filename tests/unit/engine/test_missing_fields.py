"""Which findings are told once, at their expression."""

from dataclasses import replace

from reconciler.engine import draw, missing_fields
from reconciler.objects.key import ObjectKey
from reconciler.origin import Site
from reconciler.plan.snapshot import Snapshot
from reconciler.policy.finding import Finding, FindingSeverity, FindingVerdict, Level
from reconciler.unit import UnitId
from tests.support import NOW, loaded, small

UNITS = tuple(draw.draw_units(loaded(small()), Snapshot.none(), NOW))
RULE = Site("policies/p.yaml", 9, 17)
ONE = Finding(
    "p",
    "b",
    Level.DENY,
    FindingSeverity.LOW,
    FindingVerdict.ERROR,
    "no such key",
    UnitId("prod", "one", "web"),
    ObjectKey("apps", "Deployment", "ml-one", "web-v1"),
    (),
    None,
    Site("policies/p.yaml", 1, 1),
    RULE,
    missing_key="replcias",
)


def test_findings_of_one_expression_are_one_diagnostic():
    other = replace(ONE, app=UnitId("prod", "two", "web"))
    shown, told, (said,) = missing_fields.join([ONE, other], UNITS)
    assert (shown, told) == ((), (ONE, other))
    assert (said.code, said.site, said.apps) == ("E_POLICY_FIELD", RULE, (ONE.app, other.app))
    assert said.help == "did you mean 'replicas'?"


def test_a_field_that_another_object_has_stays_a_finding():
    shown, told, said = missing_fields.join([replace(ONE, missing_key="replicas")], UNITS)
    assert (len(shown), told, said) == (1, (), ())


def test_an_error_that_only_warns_is_a_warning():
    _, _, (said,) = missing_fields.join([replace(ONE, level=Level.WARN)], UNITS)
    assert said.code == "W_POLICY_FIELD"
