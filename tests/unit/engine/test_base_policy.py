"""The judge of a proposal is its base."""

import pytest

from reconciler.engine import base_policy, review
from reconciler.engine.run_options import RunOptions
from reconciler.policy.evaluate import PolicySet
from tests.support import NOW, sample, select

SAFETY = "policies/pod-safety.yaml"
POD = """apiVersion: v1
kind: Pod
metadata: {name: bad, labels: {ml-reconciler.dev/owner: vision}}
spec: {hostNetwork: true, containers: []}
"""
APP = "environments/prod/hz-a/mnist.yaml"
EDITS = {APP: "manifests: [bad.yaml]\n", "models/mnist/bad.yaml": POD}
TEXT = dict(sample().read([SAFETY]))[SAFETY].decode()


def judged(head, base, plans, **selected):
    options = RunOptions(plans=plans, foresees=False)
    return review.review(head, select(**selected), NOW, base=base, options=options)


@pytest.mark.parametrize("plans", [True, False], ids=["plan", "check"])
@pytest.mark.parametrize(
    "policy",
    [
        None,
        TEXT.replace("level: deny", "level: warn"),
        TEXT.replace("validationActions: [Deny]", "validationActions: [Audit]").replace(
            "level: deny", "level: audit"
        ),
        TEXT.replace("level: deny", "level: deny\n    ml-reconciler.dev/environments: dev"),
        TEXT.replace("hostNetwork", "hostNetworks"),
        TEXT.replace('apiGroups: ["*"]', "apiGroups: [apps]"),
    ],
    ids=["deleted", "warned", "audited", "re-scoped", "loosened", "for other groups"],
)
def test_a_branch_cannot_loosen_the_policy_that_denies_it(policy, plans):
    seen = judged(sample().but({**EDITS, SAFETY: policy}), sample(), plans)
    assert {str(unit) for unit in seen.denied} == {"prod/hz-a/mnist"}
    (note,) = [d for d in seen.diagnostics if d.code == "W_POLICY_CHANGED"]
    assert SAFETY in note.message
    assert "1 finding on 1 app no longer" in note.message


def test_what_fails_newly_is_told_for_all_apps_and_denied_for_the_selected():
    strict = TEXT.replace("'models'", "'other'")
    seen = judged(sample().but({SAFETY: strict}), sample(), True, models=("mnist",))
    (note,) = [d for d in seen.diagnostics if d.code == "W_POLICY_CHANGED"]
    assert "newly under the policies of this branch" in note.message
    assert {app.model for app in note.apps} > {"mnist"}
    assert {unit.model for unit in seen.denied} <= {"mnist"}


def test_a_policy_that_is_wrong_on_the_base_already_can_be_corrected():
    base = sample().but(EDITS)
    seen = judged(base.but({SAFETY: TEXT.replace("hostNetwork", "hostNetworks")}), base, True)
    assert seen.denied == frozenset()
    assert any("found on" in f.message for f in seen.findings)


def test_without_a_changed_policy_the_base_adds_nothing():
    assert (
        base_policy.judge_by_base(PolicySet(), sample(), sample(), NOW) == base_policy.BaseVerdict()
    )


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("environments: prdo", "'prdo'"),
        ("groups: prod/hz-aa", "'prod/hz-aa'"),
    ],
)
def test_a_binding_to_what_does_not_exist_is_an_error(note, said):
    text = TEXT.replace("level: deny", f"level: deny\n    ml-reconciler.dev/{note}")
    seen = judged(sample().but({SAFETY: text}), None, False)
    (found,) = [d for d in seen.diagnostics if d.code == "E_POLICY_BINDING"]
    assert said in found.message
    assert "did you mean" in found.help


def test_a_rule_for_a_kind_s_name_instead_of_its_resource_is_an_error():
    text = TEXT.replace('resources: ["*"]', "resources: [deployment]")
    seen = judged(sample().but({SAFETY: text}), None, False)
    (found,) = [d for d in seen.diagnostics if d.code == "E_POLICY"]
    assert "deployments" in found.help
