"""F17 and its kin: a policy that cannot be computed, in any way, is never a pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import policy
from reconciler.objects.draft import Manifest, digest_of_body, walk
from reconciler.objects.key import key_of
from reconciler.origin import Origin, Site
from reconciler.policy.evaluate import Subject, judge_objects
from reconciler.unit import UnitId

POLICIES = Path(__file__).parents[2] / "policies"


def policy_of(*expressions: str, level: str = "deny", **spec: Any) -> dict[str, bytes]:
    rules = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]
    documents = [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "p"},
            "spec": {
                "matchConstraints": {"resourceRules": rules},
                "validations": [{"expression": e, "message": "m"} for e in expressions],
                **spec,
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "b", "annotations": {"ml-reconciler.dev/level": level}},
            "spec": {"policyName": "p", "validationActions": ["Deny"]},
        },
    ]
    return {"policies/p.yaml": yaml.safe_dump_all(documents).encode()}


def judged(files: dict[str, bytes], body: dict[str, Any]):
    policies, diagnostics = policy.load(files)
    assert [d for d in diagnostics if d.is_error] == []
    meta = {"name": "a", "namespace": "ml-hz-a", **body.get("metadata", {})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", **body, "metadata": meta}
    link = Origin(Site("models/mnist/model.yaml", 7, 3), "model", "set", "x")
    origins = tuple(link for _ in walk(body))
    manifest = Manifest(key_of(body), body["apiVersion"], body, digest_of_body(body), origins, "t")
    subject = Subject(
        UnitId.parse("prod/hz-a/mnist"), "llm", "prod", "hz-a", manifest, "CREATE", None, {}
    )
    return judge_objects(policies, [subject])


@pytest.mark.parametrize(
    ("expression", "body", "why"),
    [
        ("object.spec.replicas > 1", {}, "no such key: spec"),
        ("object.data.n / 0 == 1", {"data": {"n": 1}}, "divide by zero"),
        ("object.data.n % 0 == 1", {"data": {"n": 1}}, "modulus by zero"),
        ("object.data.l[5] == 1", {"data": {"l": [1]}}, "Index error: index=5 size=1"),
        ("object.data.n > 1", {"data": {"n": "1"}}, "no such overload: _>_(string, int64)"),
        ("object.data.n", {"data": {"n": 1}}, "the result is 1, not true or false"),
        ("object.data.n", {"data": {"n": None}}, "the result is None, not true or false"),
        ("object.data.n", {"data": {"n": {}}}, "the result is {}, not true or false"),
        ("dyn(0.0 / 0.0)", {}, "the result is nan, not true or false"),
        ("object.data.n < 1.0", {"data": {"n": float("nan")}}, "nan is not a finite number"),
        ("int(object.data.n) > 1", {"data": {"n": "many"}}, "cannot convert string to int"),
        ("object.data.n.x == 1", {"data": {"n": 1}}, "a field is read from a value that is no map"),
        ("object.data.n.matches('(')", {"data": {"n": "a"}}, "missing ): ("),
        ("oldObject.data.n == 1", {}, "a field is read from a value that is no map"),
        ("params.data.maximum == '1'", {}, "a field is read from a value that is no map"),
        ("quantity(object.data.n).isGreaterThan(quantity('1'))", {"data": {"n": "lots"}},
         "'lots' is not a quantity"),
        ("dyn(object.?data)", {}, "the result is an optional or a type; use orValue()"),
        ("9223372036854775807 + object.data.n > 0", {"data": {"n": 1}}, "integer overflow"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_computed_blocks_and_names_policy_and_error(expression, body, why):
    (finding,) = judged(policy_of(expression), body)
    assert finding.blocks
    assert (finding.policy, finding.verdict, finding.code) == ("p", "error", "P_ERROR")
    assert why in finding.message
    assert finding.site is not None


@pytest.mark.parametrize("level", ["deny", "enforce"])
def test_an_error_blocks_at_every_blocking_level(level):
    (finding,) = judged(policy_of("object.spec.x", level=level), {})
    assert finding.blocks
    assert finding.level == level


def test_an_error_that_the_policy_ignores_is_still_shown():
    (finding,) = judged(policy_of("object.spec.x", failurePolicy="Ignore"), {})
    assert not finding.blocks
    assert "its failurePolicy ignores this" in finding.message


def test_an_error_in_one_validation_does_not_hide_the_next():
    found = judged(policy_of("object.spec.x", "false"), {})
    assert sorted(f.verdict for f in found) == ["error", "fail"]


def test_an_integer_beyond_64_bits_is_a_float_as_in_the_cluster():
    # The engine alone takes 2^63 for an unsigned integer and gives it back as a negative one.
    body = {"data": {"l": [2**63]}}
    assert judged(policy_of("object.data.l.all(n, type(n) == double)"), body) == ()


def test_a_loop_over_the_budget_blocks_and_ends():
    body = {"data": {"l": list(range(200))}}
    (finding,) = judged(policy_of("object.data.l.all(a, object.data.l.all(b, a + b >= 0))"), body)
    assert finding.blocks
    assert "over budget" in finding.message


def test_long_texts_in_long_loops_are_refused_before_they_run():
    # Unbounded this is well within 10,000 loop steps, and takes more than a minute.
    body = {"data": {"l": list(range(9000)), "s": "a" * 200_000}}
    (finding,) = judged(
        policy_of("object.data.l.all(x, object.data.s.replace('a', 'b') != '')"), body
    )
    assert "over budget" in finding.message


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("'" + "a" * 8192 + "' == ''", "the expression has 8200 bytes; at most 8192 are allowed"),
        ("[1].all(a, " * 17 + "true" + ")" * 17, "17 loops inside each other"),
        (
            "object.?a" + ".optMap(x, x + x)" * 30 + ".hasValue()",
            "optMap is used more than 8 times",
        ),
    ],
)
def test_an_expression_beyond_the_budget_is_refused_when_it_is_read(expression, why):
    policies, diagnostics = policy.load(policy_of(expression))
    assert not policies
    (found,) = diagnostics
    assert found.code == "E_CEL"
    assert why in found.message


def test_two_hundred_parentheses_are_no_pass_and_no_crash():
    (finding,) = judged(policy_of("(" * 200 + "true" + ")" * 200), {})
    assert finding.verdict == "not-evaluable"
    assert finding.blocks


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "a*a*b"])
def test_a_pattern_that_could_run_away_is_an_error(pattern):
    body = {"data": {"s": "a" * 5000}}
    (finding,) = judged(policy_of(f"object.data.s.find('{pattern}') == ''"), body)
    assert finding.blocks
    assert "may take too long" in finding.message


@pytest.mark.parametrize("file", sorted(p.name for p in POLICIES.glob("*.yaml")))
@pytest.mark.parametrize("cut", [1, 3, 7])
def test_a_sample_policy_that_was_cut_off_is_refused_or_judges_as_before(file, cut):
    """A half-written file must never load as something weaker without a word."""
    data = (POLICIES / file).read_bytes()
    whole, _ = policy.load({file: data})
    rows = data.splitlines(keepends=True)
    policies, diagnostics = policy.load({file: b"".join(rows[: len(rows) * cut // 8])})
    if any(d.is_error for d in diagnostics):
        assert not policies
        return
    bound = {p.name: len(b) for p, b in policies.bound}
    if bound != {p.name: len(b) for p, b in whole.bound}:
        # Cut between two documents: the policy stands there without its binding, or has fewer.
        assert diagnostics or file == "gpu-budget.yaml"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Deployment", "apiVersion": "apps/v1", "spec": None},
        {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": []}},
        {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": {}}}}},
        {"kind": "Deployment", "apiVersion": "apps/v1", "spec": {"template": {"spec": {"containers": [None]}}}},
        {"kind": "TFJob", "apiVersion": "training.kubedl.io/v1alpha1", "spec": {"tfReplicaSpecs": {"Worker": None}}},
        {"kind": "Inference", "apiVersion": "serving.kubedl.io/v1alpha1", "spec": {"predictors": [1]}},
        {"kind": "WorkflowTemplate", "apiVersion": "argoproj.io/v1alpha1", "spec": {"templates": "x"}},
    ],
)  # fmt: skip
def test_a_misshapen_object_is_blocked_by_the_samples_or_has_no_containers(body):
    files = {p.name: p.read_bytes() for p in POLICIES.glob("*.yaml")}
    policies, _ = policy.load(files)
    meta = {"name": "a", "namespace": "ml-hz-a"}
    body = {**body, "metadata": meta}
    manifest = Manifest(
        key_of(body), body["apiVersion"], body, digest_of_body(body),
        tuple(None for _ in walk(body)), "t",
    )  # fmt: skip
    labels = {
        "app.kubernetes.io/managed-by": "reconciler",
        "ml-reconciler.dev/environment": "prod",
        "ml-reconciler.dev/group": "hz-a",
    }
    subject = Subject(
        UnitId.parse("prod/hz-a/m"), "llm", "prod", "hz-a", manifest, "CREATE", None, labels
    )
    blocks = any(f.blocks for f in judge_objects(policies, [subject]))
    assert blocks or "containers" not in str(body)
