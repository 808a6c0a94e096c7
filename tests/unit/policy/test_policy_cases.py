"""The semantics of ValidatingAdmissionPolicy, as data: tests/cases/policy/*.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reconciler.objects.draft import show_path
from tests.unit.policy.policymaking import judged, policy_text

FOLDER = Path(__file__).parents[2] / "cases" / "policy"
CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(path.read_bytes())
]


def _shown(finding, keys):
    own = {
        "at": lambda f: show_path(f.path),
        "line": lambda f: f.site.line,
        "also": lambda f: [show_path(p) for p in f.also],
    }
    return {k: own[k](finding) if k in own else getattr(finding, k) for k in keys}


@pytest.mark.parametrize("case", CASES)
def test_a_policy_is_judged_as_an_api_server_would(case):
    spec = {"validations": [{"expression": "false", "message": "matched"}], **case.get("spec", {})}
    text = policy_text(spec, case.get("bindings"), case.get("annotations"), case.get("params"))
    found = judged(text, case["object"], **dict(case.get("subject", {})))
    wanted = case["expect"]
    assert len(found) == len(wanted), found
    assert [_shown(f, w) for f, w in zip(found, wanted, strict=True)] == wanted
