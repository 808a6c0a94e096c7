"""Policies that would judge nothing are told: bound to what does not exist, for kinds that no one
has, or put where no policy is read."""

import pytest

from reconciler.engine import object_policy, review
from tests.error_catalogue import _BINDING, _BOUND, _POLICY
from tests.support import NOW, select, small

BINDING, BOUND, POLICY = _BINDING, _BOUND, _POLICY


def told(files, **selected):
    seen = review.review(small().but(files), select(**selected), NOW)
    return [(d.code, str(d.site), d.help) for d in seen.diagnostics]


def bound_to(field, name):
    note = f"metadata: {{name: replicas, annotations: {{ml-reconciler.dev/{field}: {name}}}}}"
    assert "metadata: {name: replicas}" in BINDING
    return {**BOUND, "policies/b.yaml": BINDING.replace("metadata: {name: replicas}", note)}


@pytest.mark.parametrize(
    ("field", "good", "wrong", "near"),
    [
        ("environments", "prod", "prd", "prod"),
        ("groups", "prod/one", "prod/on", "prod/one"),
        ("types", "vision", "visoin", "vision"),
    ],
)
def test_a_binding_to_what_does_not_exist_is_an_error(field, good, wrong, near):
    assert told(bound_to(field, good)) == []
    ((code, site, text),) = told(bound_to(field, wrong))
    assert (code, site.partition(":")[0]) == ("E_POLICY_BINDING", "policies/b.yaml")
    assert f"did you mean {near!r}?" in text


def test_a_binding_to_an_environment_that_the_run_does_not_select_is_fine():
    other = {
        "environments/dev/environment.yaml": "environment: {rank: 0, cluster: lab}\n",
        "environments/dev/one/group.yaml": "group: {namespace: ml-dev}\n",
    }
    assert told({**bound_to("environments", "dev"), **other}, environments=["prod"]) == []


def test_a_rule_for_a_resource_that_no_kind_has_is_told():
    files = {**BOUND, "policies/a.yaml": POLICY.replace("[deployments]", "[deployment]")}
    ((code, site, text),) = told(files)
    assert (code, site.partition(":")[0]) == ("E_POLICY", "policies/a.yaml")
    assert "did you mean 'deployments'?" in text


def test_a_rule_for_every_resource_or_a_part_of_one_is_fine():
    for resource in ('"*"', '"*/*"', "deployments/scale"):
        files = {**BOUND, "policies/a.yaml": POLICY.replace("[deployments]", f"[{resource}]")}
        assert told(files) == []


SIDES = {
    "tests/a.yaml": ("cases: [\n", "E_SYNTAX"),
    "tests/b.yaml": ("cases: []\n", None),
    "tests/c.yaml": ("case: []\n", "W_UNUSED_FILE"),
    "tests/d.yaml": (POLICY, "W_UNUSED_FILE"),
    "exemptions/a.yaml": ("policy: [\n", "E_SYNTAX"),
    "exemptions/b.yaml": ("policy: replicas\n", "W_UNUSED_FILE"),
    "exemptions/c.yaml": (POLICY, "W_UNUSED_FILE"),
}


@pytest.mark.parametrize("name", SIDES)
def test_a_file_beside_the_policies_is_read_and_told(name):
    text, code = SIDES[name]
    files = {f"policies/{name}": text}
    found = told(files)
    assert [c for c, _, _ in found] == ([code] if code else [])
    assert list(object_policy.check_side_files(small())) == []
