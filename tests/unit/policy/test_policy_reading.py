"""What is wrong with a policy file is said at its line, and nothing is judged by a faulty tree."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from reconciler import policy

HEAD = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
"""
BINDING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: p, validationActions: [Deny]}
"""
GOOD = HEAD + "  validations: [{expression: 'true'}]\n"


def said(*files: str):
    _, diagnostics = policy.load(
        {f"policies/{n}.yaml": textwrap.dedent(t).encode() for n, t in enumerate(files)}
    )
    return [
        (d.code, f"{d.site.line}:{d.site.column}" if d.site else "", d.message, d.help)
        for d in diagnostics
    ]


def test_a_whole_file_is_read_without_a_word():
    assert said(GOOD + "---\n" + BINDING) == []


def test_policy_and_binding_may_stand_in_two_files():
    assert said(BINDING, GOOD) == []


@pytest.mark.parametrize(
    ("body", "code", "place", "message", "help"),
    [
        pytest.param(
            "  validation: [{expression: 'true'}]\n",
            "E_POLICY_KEY", "7:3", "`validation` is no field of this map", "did you mean 'validations'?",
            id="an unknown key",
        ),
        pytest.param(
            "  validations:\n  - expresion: 'true'\n",
            "E_POLICY_KEY", "8:5", "`expresion` is no field of this map", "did you mean 'expression'?",
            id="an unknown key in a list",
        ),
        pytest.param(
            "  validations:\n  - expression: object.x ==\n    message: m\n",
            "E_CEL", "8:28", "Syntax error: mismatched input '<EOF>'", "",
            id="a syntax error on the key's line",
        ),
        pytest.param(
            "  validations:\n  - message: m\n    expression: |\n      object.x > 1 &&\n      siz(object.y) > 1\n",
            "E_CEL", "11:10", "undeclared reference to 'siz'", "",
            id="a misspelled function in a literal block",
        ),
        pytest.param(
            "  validations:\n  - message: m\n    expression: >-\n      object.x > 1 &&\n      siz(object.y) > 1\n",
            "E_CEL", "10:1", "undeclared reference to 'siz'", "",
            id="a folded block gives its first line",
        ),
        pytest.param(
            "  validations: [{expression: '1 + 1'}]\n",
            "E_CEL", "7:18", "the expression gives int, and must give a bool", "",
            id="an expression that is no condition",
        ),
        pytest.param(
            "  validations: [{expression: 'true', messageExpression: '1 + 1'}]\n",
            "E_CEL", "7:38", "the expression gives int, and must give a text", "",
            id="a message that is no text",
        ),
        pytest.param(
            "  validations: [{expression: 'cel.bind(x, 1, x) == 1'}]\n",
            "E_CEL", "7:40", "undeclared reference to 'x'", "",
            id="a macro that an API server does not have",
        ),
        pytest.param(
            "  validations: [{expression: variables.a}]\n  variables: [{name: b, expression: '1'}]\n",
            "E_CEL", "7:18", "variables.a is not defined before this expression", "defined: b",
            id="an unknown variable",
        ),
        pytest.param(
            "  variables: [{name: a, expression: variables.b}, {name: b, expression: '1'}]\n"
            "  validations: [{expression: 'true'}]\n",
            "E_CEL", "7:25", "variables.b is not defined before this expression", "defined: none",
            id="a variable that comes later",
        ),
        pytest.param(
            "  variables: [{name: a, expression: '1'}, {name: a, expression: '2'}]\n"
            "  validations: [{expression: 'true'}]\n",
            "E_POLICY", "7:53", "'a' is given twice", "",
            id="a variable given twice",
        ),
        pytest.param(
            "  matchConditions: [{name: c, expression: variables.a}]\n"
            "  validations: [{expression: 'true'}]\n",
            "E_CEL", "7:31", "variables cannot be used in match conditions", "",
            id="a variable in a match condition",
        ),
        pytest.param(
            "  failurePolicy: Ignored\n  validations: [{expression: 'true'}]\n",
            "E_POLICY", "7:3", "'Ignored' is not one of Fail, Ignore", "did you mean 'Ignore'?",
            id="an unknown failure policy",
        ),
        pytest.param(
            "  validations: []\n", "E_POLICY", "7:3", "`validations` is empty", "",
            id="no validation",
        ),
        pytest.param(
            "  validations: {expression: 'true'}\n", "E_POLICY", "7:3", "`validations` must be a list", "",
            id="a map for a list",
        ),
        pytest.param(
            "  validations: [{expression: true}]\n", "E_POLICY", "7:18", "`expression` must be a text", "quote it",
            id="a bool for an expression",
        ),
        pytest.param(
            "  validations:\n  - expression: |\n      true\n        || false\n",
            "E_POLICY", "8:5", "a `message` is required where the expression has line breaks", "",
            id="line breaks without a message",
        ),
        pytest.param(
            "  validations: [{expression: 'true', reason: Because}]\n",
            "E_POLICY", "7:38",
            "'Because' is not one of Unauthorized, Forbidden, Invalid, RequestEntityTooLarge", "",
            id="an unknown reason",
        ),
        pytest.param(
            "  validations: [{expression: !final 'true'}]\n", "E_TAG", "7:30",
            "a policy file is plain YAML, because the cluster reads the same file", "remove the tag",
            id="a marker of ours",
        ),
        pytest.param(
            "  validations: [{expression: 'true'}]\n  failurePolicy: Fail\n  failurePolicy: Fail\n",
            "E_DUP_KEY", "9:3", "the key 'failurePolicy' is given twice", "keep one of them",
            id="a key given twice",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_policy_is_said_at_its_line(body, code, place, message, help):
    found = said(HEAD + body + "---\n" + BINDING)
    # A misspelled key leaves its right spelling missing; everything else is said once.
    assert found[0] == (code, place, message, help)
    assert all(m.endswith("is missing") for _, _, m, _ in found[1:])


@pytest.mark.parametrize(
    ("binding", "code", "place", "message", "help"),
    [
        pytest.param(
            "spec: {policyName: q, validationActions: [Deny]}",
            "E_POLICY_BINDING", "4:8", "no policy is called 'q'", "",
            id="a policy that is not there",
        ),
        pytest.param(
            "spec: {policyName: p, validationActions: [Deny, Warn]}",
            "E_POLICY", "4:23", "Deny and Warn exclude each other", "",
            id="deny and warn",
        ),
        pytest.param(
            "spec: {policyName: p, validationActions: []}",
            "E_POLICY", "4:23", "`validationActions` is empty", "",
            id="no action",
        ),
        pytest.param(
            "spec: {policyName: p, validationActions: [Block]}",
            "E_POLICY", "4:43", "'Block' is not one of Deny, Warn, Audit", "",
            id="an unknown action",
        ),
        pytest.param(
            "spec: {policyName: p, validationActions: [Deny], paramRef: {name: x}}",
            "E_POLICY", "4:50", "`parameterNotFoundAction` is missing", "",
            id="a parameter without its action",
        ),
        pytest.param(
            "spec: {policyName: p, validationActions: [Deny], matchResources: {namespaceSelector:"
            " {matchExpressions: [{key: k, operator: In}]}}}",
            "E_POLICY", "4:106", "In needs values", "",
            id="In without values",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_binding_is_said_at_its_line(binding, code, place, message, help):
    text = BINDING.splitlines()
    found = said(GOOD, "\n".join([*text[:3], binding]))
    assert (code, place, message, help) in found


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ("ml-reconciler.dev/level: block", "'block' is not one of audit, warn, deny, enforce"),
        ("ml-reconciler.dev/levle: deny", "`levle` is no field of this map"),
        ("ml-reconciler.dev/groups: hz-a", "found 'hz-a', expected environment/group, …"),
        ("ml-reconciler.dev/environments: prod/hz-a", "found 'prod/hz-a', expected name, …"),
        ('ml-reconciler.dev/environments: ""', "found nothing, expected name, …"),
    ],
)
def test_a_mistake_in_an_annotation_of_ours_is_refused(notes, message):
    binding = BINDING.replace("{name: b}", f"\n  name: b\n  annotations: {{{notes}, other/x: z}}")
    assert [m for _, _, m, _ in said(GOOD, binding)] == [message]


def test_a_misspelled_policy_name_gets_the_nearest():
    found = said(GOOD.replace("{name: p}", "{name: pinned}"), BINDING.replace(": p,", ": pined,"))
    assert found[0][3] == "did you mean 'pinned'?"


def test_a_policy_without_a_binding_is_a_warning():
    policies, diagnostics = policy.load({"policies/p.yaml": GOOD.encode()})
    assert [(d.code, d.is_error) for d in diagnostics] == [("W_POLICY_UNBOUND", False)]
    assert not policies


@pytest.mark.parametrize(("text", "what"), [(GOOD, "policy 'p'"), (BINDING, "binding 'b'")])
def test_a_name_given_twice_names_both_places(text, what):
    _, diagnostics = policy.load(
        {"policies/a.yaml": text.encode(), "policies/b.yaml": text.encode()}
    )
    (found,) = [d for d in diagnostics if d.code == "E_POLICY_NAME"]
    assert found.message == f"the {what} is given twice"
    assert (found.site.file, found.related[0].site.file) == ("policies/b.yaml", "policies/a.yaml")


def test_one_faulty_file_leaves_no_policy_at_all():
    policies, diagnostics = policy.load(
        {"policies/a.yaml": (GOOD + "---\n" + BINDING).encode(), "policies/b.yaml": b"a: [\n"}
    )
    assert any(d.is_error for d in diagnostics)
    assert not policies


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
        ("policies.kyverno.io/v1", "ValidatingPolicy"),
    ],
)
def test_a_policy_of_another_kind_is_refused_and_not_passed_over(version, kind):
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\n"
    assert [(c, p) for c, p, _, _ in said(text)] == [("E_POLICY_KIND", "2:1")]


def test_an_older_version_of_the_api_is_refused():
    found = said(GOOD.replace("io/v1", "io/v1beta1"), BINDING)
    assert found[0][:3] == ("E_POLICY", "1:1", "admissionregistration.k8s.io/v1beta1 is not read")


def test_a_config_map_that_nobody_takes_is_a_warning():
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: '1'}\n"
    assert [c for c, _, _, _ in said(GOOD, BINDING, text)] == ["W_POLICY_PARAM"]


def test_a_number_in_a_config_map_is_refused_at_its_line():
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: 1\n"
    found = said(GOOD, BINDING, text)
    assert found[0][:3] == ("E_POLICY", "5:3", "the values of a ConfigMap's data are texts")


def test_a_secret_cannot_be_a_parameter():
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"
    assert [c for c, _, _, _ in said(GOOD, BINDING, text)] == ["E_SECRET_IN_GIT"]


def test_a_parameter_that_is_nowhere_is_a_warning():
    text = GOOD.replace("spec:\n", "spec:\n  paramKind: {apiVersion: v1, kind: ConfigMap}\n")
    reference = "validationActions: [Deny], paramRef: {name: x, parameterNotFoundAction: Deny}"
    binding = BINDING.replace("validationActions: [Deny]", reference)
    assert [(c, m) for c, _, m, _ in said(text, binding)] == [
        ("W_POLICY_PARAM", "no ConfigMap is called 'x'")
    ]


def test_what_only_a_cluster_can_judge_is_said_once_at_its_line():
    text = HEAD + "  validations: [{expression: \"authorizer.path('/').check('get').allowed()\"}]\n"
    found = said(text, BINDING)
    assert [(c, p) for c, p, _, _ in found] == [("W_POLICY_OFFLINE", "7:18")]


def test_the_lines_of_a_second_document_count_from_the_files_start():
    found = said(BINDING + "---\n" + HEAD + "  validations: [{expression: 'x'}]\n")
    assert [(c, p) for c, p, _, _ in found] == [("E_CEL", "12:31")]


def test_the_digest_follows_the_content_and_not_the_order():
    one, other = (GOOD + "---\n" + BINDING).encode(), GOOD.replace("p}", "q}").encode()
    digests = {
        policy.load({"policies/a.yaml": one, "policies/b.yaml": other})[0].digest,
        policy.load({"policies/b.yaml": other, "policies/a.yaml": one})[0].digest,
    }
    assert len(digests) == 1
    assert policy.load({"policies/a.yaml": one})[0].digest not in digests


def test_without_a_policy_nothing_of_cel_is_imported():
    code = (
        "import sys\n"
        "from reconciler import policy\n"
        "assert policy.load({}) [1] == ()\n"
        "assert policy.load({'policies/a.yaml': b'# nothing yet'})[1] == ()\n"
        "sys.exit(any(m.startswith('cel_expr_python') for m in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
