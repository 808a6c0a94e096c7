"""The policies that ship with the project, by the cases that ship beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reconciler import policy
from reconciler.objects.draft import show_path
from reconciler.policy.cel import Program
from reconciler.policy.evaluate import judge_objects
from tests.unit.policy.policymaking import subject_of

ROOT = Path(__file__).parents[3] / "policies"
FILES = {f"policies/{p.name}": p.read_bytes() for p in sorted(ROOT.glob("*.yaml"))}
CASES = [
    (path.stem, case)
    for path in sorted((ROOT / "tests").glob("*.yaml"))
    for case in yaml.safe_load(path.read_bytes())["cases"]
]


@pytest.fixture(scope="module")
def policies():
    found, diagnostics = policy.load(FILES)
    assert diagnostics == ()
    return found


def _verdict(findings):
    if any(f.blocks for f in findings):
        return "deny"
    return "warn" if findings else "allow"


@pytest.mark.parametrize(
    ("name", "case"), CASES, ids=[f"{name}: {case['name']}" for name, case in CASES]
)
def test_a_sample_policy_judges_its_cases(policies, name, case):
    more = {k: case[k] for k in ("environment", "group") if k in case}
    body = {k: v for k, v in case["object"].items() if k != "<<"}
    found = [f for f in judge_objects(policies, [subject_of(body, **more)]) if f.policy == name]
    assert _verdict(found) == case["expect"], found
    if "message" in case:
        assert [f.message for f in found] == [case["message"]]
    if "at" in case:
        assert [show_path(f.path) for f in found] == [case["at"]]


def test_every_sample_policy_has_cases_of_both_kinds(policies):
    for bound, _ in policies.bound:
        wanted = {case["expect"] for name, case in CASES if name == bound.name}
        assert "allow" in wanted, bound.name
        assert wanted & {"deny", "warn"}, bound.name


def test_every_validation_of_the_samples_was_seen_to_fail(policies):
    seen = set()
    for name, case in CASES:
        more = {k: case[k] for k in ("environment", "group") if k in case}
        for finding in judge_objects(policies, [subject_of(case["object"], **more)]):
            if finding.policy == name and finding.verdict == "fail":
                seen.add(finding.rule)
    for bound, _ in policies.bound:
        assert {v.expression.site for v in bound.validations} <= seen, bound.name


def test_the_samples_can_be_judged_without_a_cluster(policies):
    for bound, _ in policies.bound:
        for validation in bound.validations:
            assert isinstance(validation.expression.program, Program)


def test_the_samples_carry_their_remedy_and_severity(policies):
    for bound, _ in policies.bound:
        assert bound.remediation
        assert bound.severity != "critical"
