"""`reconciler policy test`: the cases of policies/tests/."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support import sample_files

CASES = "policies/tests/pod-safety.yaml"


def test_the_sample_s_policies_pass_their_tests(sample):
    code, out = sample.run("policy", "test")
    assert code == 0, out
    assert "pass  pod-safety: the host's network of an MPIJob" in out
    assert ", 0 fail." in out


def test_a_case_that_expects_allow_for_a_denied_object_fails_with_the_finding(sample):
    at = "  expect: deny\n  at: spec.template.spec.hostNetwork"
    sample.edit(CASES, at, at.replace("deny", "allow"))
    code, out = sample.run("policy", "test")
    assert code == 1
    assert "fail  pod-safety: a Deployment on the host's network" in out
    assert "expected allow, and the verdict is deny" in out
    assert "does not share the host's network" in out


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("policies/tests/pod-safty.yaml", "cases: []\n", "pod-safety"),
        ("policies/tests/x.yaml", "garbage\n", "E_"),
        ("policies/tests/x.yaml", "apiVersion: v1\nkind: Pod\n", "has a list `cases`"),
        (CASES, "cases:\n- {name: a, objct: {}, expect: deny}\n", "objct"),
        (CASES, "cases:\n- {name: a, object: {}, expect: deny}\n", "metadata.name"),
        (CASES, "cases:\n- {name: a, object: {}, expect: denny}\n", "deny"),
        (CASES, "cases:\n- {name: a, expect: deny}\n", "`object` is missing"),
    ],
)
def test_a_file_that_is_no_test_is_an_error_at_its_line(sample, path, text, said):
    (sample.folder / path).write_text(text)
    code, out = sample.run("policy", "test")
    assert code == 1
    assert path in out
    assert said in out


def test_a_policy_without_a_test_is_named(sample):
    (sample.folder / CASES).unlink()
    code, out = sample.run("policy", "test", "-o", "json")
    assert code == 0
    (found,) = json.loads(out)["diagnostics"]
    assert (found["code"], "pod-safety" in found["message"]) == ("W_POLICY_UNTESTED", True)


def test_an_exemption_is_told_rather_than_passed_over(sample):
    folder = sample.folder / "policies/exemptions"
    folder.mkdir()
    (folder / "x.yaml").write_text(
        "apiVersion: policies.kyverno.io/v1\nkind: PolicyException\nmetadata: {name: x}\n"
    )
    code, out = sample.run("check")
    assert code == 0
    assert "warning[W_UNUSED_FILE]" in out
    assert "policies/exemptions/x.yaml" in out


def test_junit_has_a_suite_for_each_policy_and_a_case_for_each_test(sample, tmp_path):
    at = "  expect: deny\n  at: spec.template.spec.hostNetwork"
    sample.edit(CASES, at, at.replace("deny", "allow"))
    target = tmp_path / "policies.xml"
    code, _ = sample.run("policy", "test", "--report", f"junit={target}")
    assert code == 1
    root = ElementTree.parse(target).getroot()
    suites = {suite.get("name"): suite for suite in root}
    written = {Path(path).stem for path in sample_files() if path.startswith("policies/tests/")}
    assert suites.keys() == written
    assert root.get("failures") == "1"
    assert int(root.attrib["tests"]) == sum(len(suite) for suite in suites.values())
    (failed,) = [case for case in suites["pod-safety"] if case.find("failure") is not None]
    assert failed.get("name") == "a Deployment on the host's network"
    assert (failed.get("file"), int(failed.attrib["line"]) > 0) == (CASES, True)
    assert failed.find("failure").get("message").startswith("expected allow")


def test_lines_of_policy_test_keep_to_a_narrow_terminal(sample, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    code, out = sample.run("policy", "test")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 60


def test_the_sample_s_files_hold_a_test_for_each_policy():
    files = sample_files()
    names = [p for p in files if p.startswith("policies/") and p.count("/") == 1]
    for path in (p for p in names if p.endswith(".yaml")):
        assert path.replace("policies/", "policies/tests/") in files
