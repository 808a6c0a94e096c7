"""Findings, the functions of Kubernetes, the parts of an expression, objects inside objects."""

from __future__ import annotations

import dataclasses
import json

import pytest

from reconciler.objects.draft import Manifest, show_path, walk
from reconciler.objects.key import GroupKind
from reconciler.origin import Origin, Site
from reconciler.policy.cel import Engine, Mistake, NotEvaluable, Program, Values, syntax
from reconciler.policy.evaluate import PolicySet, judge_objects
from reconciler.policy.finding import Level
from reconciler.policy.match import plural_of
from reconciler.unit import UnitId
from tests.unit.policy.policymaking import judged, loaded, manifest_of, policy_text, subject_of

OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"n": "3"}}


@pytest.fixture(scope="module")
def engine():
    return Engine()


def value_of(engine, text, data=None):
    program = engine.compile(text)
    assert isinstance(program, Program), program
    outcome = program.run(Values(engine, {"object": data or {}}))
    return outcome.error or outcome.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("quantity('1Gi') == quantity('1024Mi')", True),
        ("quantity('1500m').isGreaterThan(quantity('1'))", True),
        ("quantity('1').isLessThan(quantity('1000m'))", False),
        ("quantity('2').compareTo(quantity('3'))", -1),
        ("quantity('100k').asInteger()", 100_000),
        ("quantity('1500m').isInteger()", False),
        ("quantity('1500m').asInteger()", "cannot convert the quantity to an integer"),
        ("quantity('1500m').asApproximateFloat()", 1.5),
        ("quantity('1').add(quantity('500m')).sub(1) == quantity('0.5')", True),
        ("quantity('-1').sign()", -1),
        ("isQuantity('1Gi') && !isQuantity('1x')", True),
        ("[1, 2, 3].sum()", 6),
        ("[0.5, 0.25].sum()", 0.75),
        ("['a'].sum()", "only numbers can be summed up"),
        ("[2, 1].min()", 1),
        ("['a', 'c', 'b'].max()", "c"),
        ("[].max()", "min or max called on an empty list"),
        ("[1, 'a'].max()", "the elements cannot be compared with each other"),
        ("[1, 2, 2].isSorted() && ![2, 1].isSorted()", True),
        ("sets.contains(['a', 'b'], ['b'])", True),
        ("sets.contains([1], [true])", False),
        ("sets.equivalent([1, 2], [2, 1, 1])", True),
        ("sets.intersects([1, 2], [3])", False),
        ("'v12-rc3'.find('[0-9]+')", "12"),
        ("'v12-rc3'.findAll('[0-9]+')", ["12", "3"]),
        ("'v12-rc3'.findAll('[0-9]+', 1)", ["12"]),
        ("'x'.find('(?=x)')", "RE2 does not accept the pattern '(?=x)'"),
        ("'x'.find('(')", "the pattern '(' is invalid: missing ), unterminated subpattern at position 0"),
        ("url('https://u@h.example:8443/a/b?q=1&q=2').getPort()", "8443"),
        ("url('https://u@h.example:8443/a').getHostname()", "h.example"),
        ("url('https://h.example/a/b').getEscapedPath()", "/a/b"),
        ("url('https://h/?q=1&q=2').getQuery()", {"q": ["1", "2"]}),
        ("url('https://[::1]:80/').getHost()", "[::1]:80"),
        ("isURL('https://h') && !isURL('h.example')", True),
        ("url('h.example').getHost()", "'h.example' is not an absolute URL"),
        ("'%s has %d'.format(['a', 2])", "a has 2"),
        ("' A,b '.trim().lowerAscii().split(',').join('-')", "a-b"),
        ("object.?a.?b.orValue('none')", "none"),
    ],
)  # fmt: skip
def test_a_function_of_kubernetes_gives_what_an_api_server_gives(engine, text, value):
    found = value_of(engine, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["cel.bind(x, 1, x) == 1", "math.greatest(1, 2) == 2", "'abc'.reverse() == ''", "base64.encode(b'a') == ''"],
)  # fmt: skip
def test_what_an_api_server_does_not_have_is_a_mistake_here_too(engine, text):
    assert isinstance(engine.compile(text), Mistake)


@pytest.mark.parametrize(
    "text", ["semver('1.0.0').major() == 1", "isIP('::1')", "[2, 1].sort() == [1]"]
)
def test_what_this_engine_does_not_have_is_told_apart_from_a_mistake(engine, text):
    assert isinstance(engine.compile(text), NotEvaluable)


def test_an_expression_is_compiled_once(engine):
    assert engine.compile("object.a == 1") is engine.compile("object.a == 1")


def test_values_that_were_extended_are_not_read_from_the_old_ones(engine):
    program = engine.compile("object.a + params.a == 3")
    base = Values(engine, {"object": {"a": 1}, "params": {"a": 1}})
    assert program.run(base).value is False
    assert program.run(base.extended({"params": {"a": 2}})).value is True
    assert program.run(base).value is False


# -- the parts of an expression --------------------------------------------------------------------


def tree(engine, text):
    program = engine.compile(text)
    assert isinstance(program, Program)
    return program


def test_the_names_of_an_expression_leave_out_loop_variables(engine):
    program = tree(engine, "object.l.all(c, c.x > params.y) && variables.z == 1")
    assert program.names == {"object", "params", "variables"}
    assert program.variables == {"z"}


def test_variables_taken_as_a_whole_are_all_needed(engine):
    assert tree(engine, "variables == {}").variables is None


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("object.a == 1", 0),
        ("object.?a.optMap(x, x + 1).orValue(1) == 1", 0),
        ("object.l.all(x, x > 0)", 1),
        ("object.l.map(x, x).all(x, x > 0)", 1),
        ("object.l.all(x, x.all(y, y > 0))", 2),
    ],
)
def test_only_loops_inside_loops_count_as_depth(engine, text, loops):
    assert tree(engine, text).loops == loops


def test_the_constants_of_an_expression_are_read_back(engine):
    text = "[-5, 9223372036854775807, 1.5, 'é', true, null, 7u, b'x'] == []"
    root = tree(engine, text).parsed.root
    assert isinstance(root, syntax.Call)
    elements = root.args[0]
    assert isinstance(elements, syntax.ListOf)
    values = [getattr(syntax_value(e), "value", e) for e in elements.elements]
    assert values == [-5, 2**63 - 1, 1.5, "é", True, None, 7, b"x"]


def syntax_value(node):
    """The constant inside a conversion to dyn, which the checker may add."""
    return node.args[0] if isinstance(node, syntax.Call) else node


def test_a_part_of_an_expression_is_evaluated_with_its_loop_variable_given(engine):
    program = tree(engine, "object.l.all(c, c.n > 1)")
    loop = program.parsed.root
    assert isinstance(loop, syntax.Comprehension)
    test = loop.step.args[1]
    assert program.run_part(test, Values(engine, {"c": {"n": 2}})).value is True
    assert program.run_part(test, Values(engine, {"c": {"n": 1}})).value is False
    assert program.run_part(test, Values(engine, {"c": {}})).error == "no such key: n"


# -- findings --------------------------------------------------------------------------------------


def test_levels_rise_from_audit_to_enforce():
    assert sorted(Level, key=lambda level: level.rank) == ["audit", "warn", "deny", "enforce"]


def test_a_finding_names_the_overridden_lines_and_its_rule():
    body = {**OBJECT, "metadata": {"name": "a", "namespace": "ml-hz-a"}}
    plain = manifest_of(body)
    low = Origin(Site("base.yaml", 2, 1), "base", "set", "2")
    high = Origin(Site("prod.yaml", 9, 3), "environment", "override", "3", under=low)
    origins = tuple(
        high if leaf == "3" else o for (_, leaf), o in zip(walk(body), plain.origins, strict=True)
    )
    manifest = Manifest(plain.key, "v1", body, plain.digest, origins, "test")
    subject = subject_of(body)
    subject = dataclasses.replace(subject, manifest=manifest)
    text = policy_text({"validations": [{"expression": "object.data.n == '4'", "message": "m"}]})
    (finding,) = judge_objects(loaded(text), [subject])
    assert str(finding.site) == "prod.yaml:9:3"
    assert [(str(r.site), r.message) for r in finding.related] == [
        ("base.yaml:2:1", "overrides set by layer base"),
        (str(finding.rule), "rule of policy p"),
    ]
    assert finding.found == "'3'"
    assert finding.policy_site.file == "policies/p.yaml"


def test_findings_come_in_order_whatever_the_order_of_subjects():
    policies = loaded(policy_text({"validations": [{"expression": "false", "message": "m"}]}))
    subjects = [subject_of({**OBJECT, "metadata": {"name": n}}) for n in "cab"]
    assert [f.key.name for f in judge_objects(policies, subjects)] == ["a", "b", "c"]
    assert judge_objects(policies, subjects) == judge_objects(policies, subjects[::-1])


def test_an_empty_set_takes_no_subject():
    def subjects():
        yield pytest.fail("no policy, no drawing")

    assert judge_objects(PolicySet(), subjects()) == ()


def test_a_long_value_is_shortened_in_the_message():
    body = {**OBJECT, "data": {"n": "x" * 500}}
    text = policy_text({"validations": [{"expression": "object.data.n == '4'", "message": "m"}]})
    (finding,) = judged(text, body)
    assert len(finding.message) < 120


@pytest.mark.parametrize(
    ("group", "kind", "plural"),
    [
        ("apps", "Deployment", "deployments"),
        ("example.com", "NetworkClass", "networkclasses"),
        ("example.com", "Policy", "policies"),
        ("example.com", "Gateway", "gateways"),
        ("example.com", "Box", "boxes"),
        ("", "Endpoints", "endpoints"),
    ],
)
def test_the_plural_of_a_kind(group, kind, plural):
    assert plural_of(GroupKind(group, kind)) == plural


# -- objects inside objects ------------------------------------------------------------------------


def carrier(text):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": "train", "namespace": "ml-train"},
        "spec": {"text": text},
    }


JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "{{workflow.name}}-cnn"},
    "spec": {"image": "registry.example/train:1", "workers": 3, "args": ["--a"]},
}


def test_a_finding_about_a_job_in_a_text_points_at_the_line_of_the_text():
    text = policy_text({"validations": [{"expression": "object.kind != 'Job' || object.spec.workers < 3", "message": "m"}]})  # fmt: skip
    (finding,) = judged(text, carrier(json.dumps(JOB)), group="train")
    assert str(finding.key) == "Job/{{workflow.name}}-cnn"
    assert finding.key.namespace == "ml-train"
    assert show_path(finding.path) == "spec.workers"
    assert str(finding.site) == "app.yaml:5:1"
    assert finding.found == "3"


def test_a_job_in_a_text_is_judged_as_it_will_be_created():
    expression = "object.kind != 'Job' || (request.operation == 'DELETE' && oldObject != null)"
    text = policy_text({"validations": [{"expression": expression, "message": "m"}]})
    body = carrier(json.dumps(JOB))
    (finding,) = judged(text, body, group="train")
    assert finding.key.kind == "Job"
    assert finding.app == UnitId.parse("prod/train/mnist")
