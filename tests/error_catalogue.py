"""The catalogue of codes: examples measured on the test cases, and the page that shows them all.

`python -m tests.error_catalogue` writes reconciler/catalogue/examples.json and docs/errors.md anew.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
import textwrap
from pathlib import Path

from reconciler import catalogue, policy
from reconciler.cli.program import run_captured
from reconciler.layers import document, merge
from reconciler.output.text import render_diagnostics
from tests.support import ROOT, loaded, record, small
from tests.unit.apps import test_config_cases as config_cases
from tests.unit.layers import test_merge_cases as merge_cases

EXAMPLES = ROOT / "reconciler" / "catalogue" / "examples.json"
PAGE = ROOT / "docs" / "errors.md"
_CODE = re.compile(r"\b[EWPN]_[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b")
_MOST_LINES = 16

# -- the codes of the program ----------------------------------------------------------------------


def codes():
    """Every code that a string of the package holds, docstrings and the catalogue left out."""
    found = set()
    for path in sorted((ROOT / "reconciler").rglob("*.py")):
        if "catalogue" not in path.parts:
            found |= codes_of(path.read_text())
    return found


def codes_of(text):
    tree = ast.parse(text)
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return {
        code
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
        for code in _CODE.findall(node.value)
    }


# -- measured examples -----------------------------------------------------------------------------

_POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: ["*"], resources: [deployments]}
  validations:
  - expression: object.spec.replicas < 9
"""
_BINDING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicas}
spec: {policyName: replicas, validationActions: [Deny]}
"""
_BOUND = {"policies/a.yaml": _POLICY, "policies/b.yaml": _BINDING}
_FOREIGN = "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {name: x}\n"
_PARAM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: limits}\ndata: {most: '9'}\n"
_ASKS = "object.spec.replicas < 9", "authorizer.group('apps').check('get').allowed()"
#: Policy files by the code that they cause; the example shows the last one.
POLICIES = {
    "E_CEL": {"policies/a.yaml": _POLICY.replace("replicas < 9", "replicas <")},
    "E_POLICY": {"policies/a.yaml": _POLICY.replace("  - expression: ", "  - message: ")},
    "E_POLICY_BINDING": {**_BOUND, "policies/b.yaml": _BINDING.replace("e: repli", "e: repil")},
    "E_POLICY_KEY": {**_BOUND, "policies/b.yaml": _BINDING.replace("Actions", "Action")},
    "E_POLICY_KIND": {"policies/x.yaml": _FOREIGN},
    "E_POLICY_NAME": {**_BOUND, "policies/c.yaml": _BINDING},
    "W_POLICY_OFFLINE": {
        "policies/b.yaml": _BINDING,
        "policies/c.yaml": _POLICY.replace(*_ASKS),
    },
    "W_POLICY_PARAM": {**_BOUND, "policies/c.yaml": _PARAM},
    "W_POLICY_UNBOUND": {"policies/a.yaml": _POLICY},
}
_OWN = "environments/prod/one/web.yaml"
_TRAINED = """\
model: {type: vision, owner: web}
training:
  runIn: [prod/one]
  framework: job
  image: registry.example/train:1
  command: [python, train.py]
  volumes: [{pvc: models, path: /models}]
versions: {registry: configmap, storage: {pvc: models, path: /models/web}}
"""
#: Two models that keep their artefacts at one place.
TWO_TRAINED = {
    "environments/prod/one/other.yaml": "",
    "environments/types/vision.yaml": "{}\n",
    "environments/base.yaml": "{}\n",
    "environments/prod/web.yaml": "{}\n",
    "models/other/model.yaml": _TRAINED,
    "models/web/model.yaml": _TRAINED,
}
#: Files over the small config by the code that they cause; the example shows the last one.
CONFIGS = {
    "E_REQUIRES": {
        "environments/layers.yaml": 'requires: ">=99"\n'
        + small().files["environments/layers.yaml"].decode()
    },
    "E_KUBECONFIG": {
        _OWN: "manifests: [extra.yaml]\n",
        "models/web/extra.yaml": "apiVersion: v1\nkind: Config\nusers: []\n",
    },
    "E_STORAGE": TWO_TRAINED,
    "W_EMPTY": {_OWN: "manifests: [extra.yaml]\n", "models/web/extra.yaml": "# nothing\n"},
}


def _with_expression(text):
    return {
        "policies/a.yaml": _POLICY.replace(_ASKS[0], text),
        "policies/b.yaml": _BINDING,
    }


#: Commands on the small config, without its app where the code wants that.
COMMANDS = {
    "E_NO_APPS": (["check", "--fail-on", "empty"], {_OWN: None}),
    "E_NO_POLICIES": (["check", "--fail-on", "empty"], {}),
    "E_SAVED_PLAN": (["apply", "environments/base.yaml", "--embedded", "cluster.db"], {}),
    "E_SELECTION": (["check", "--model", "wbe"], {}),
    "E_SOURCE": (["check", "--revision", "mian"], {}),
    "E_URL": (["check", "--repo", "http://git.example/config.git"], {}),
    "E_USAGE": (["explain"], {}),
    "E_POLICY_FIELD": (["check"], _with_expression("object.spec.replcias < 9")),
    "W_POLICY_FIELD": (
        ["check"],
        {
            **_with_expression("object.spec.replcias < 9"),
            "policies/b.yaml": _BINDING.replace("[Deny]", "[Warn]"),
        },
    ),
    "P_ERROR": (["check"], _with_expression("object.spec.replicas / 0 < 9")),
    "P_NOT_EVALUABLE": (["check"], _with_expression(_ASKS[1])),
    "P_VIOLATED": (["check"], _with_expression("object.spec.replicas > 1")),
    "W_NO_EFFECT": (["check"], {_OWN: "serving: {hostnames: [web.example]}\n"}),
    "W_NO_APPS": (["check"], dict.fromkeys(n for n in small().files if "layers" not in n)),
}


def examples():
    """The measured example of each code that a case, a config or a command causes."""
    ranked = {}
    _of_merges(ranked)
    _of_configs(ranked)
    found = {code: text for code, (_, text) in ranked.items()}
    for code, files in POLICIES.items():
        _, told = policy.load({path: text.encode() for path, text in files.items()})
        found[code] = _shown(code, told, files, list(files)[-1:])
    for code, files in CONFIGS.items():
        tree = small().but(files)
        found[code] = _shown(code, loaded(tree).diagnostics, tree.files, list(files)[-1:])
    for code, (arguments, files) in COMMANDS.items():
        found[code] = _printed(code, arguments, files)
    return dict(sorted(found.items()))


def _of_configs(found):
    """The cases of tests/cases/config, by the code that each of them causes."""
    for _, case in config_cases.CASES:
        tree = config_cases._tree(case)
        start = config_cases.STARTS[case.get("start", "serving")]
        names = {**start.files, **tree.files}
        changed = [p for p in names if start.files.get(p) != tree.files.get(p)]
        told = loaded(tree).diagnostics
        for code in {d.code for d in told} - {d.code for d in loaded(start).diagnostics}:
            _keep(found, code, _shown(code, told, tree.files, changed), len(told))


def _of_merges(found):
    """The cases of tests/cases/merge, by the code that each of them causes."""
    for param in merge_cases._cases():
        case = param.values[0]
        texts = {f"{name}.yaml": text for name, text in case["layers"].items()}
        if any("@" in text for text in texts.values()):
            texts = {
                name: text.replace("@ALIASES", merge_cases._ALIASES).replace(
                    "@DEEP", merge_cases._DEEP
                )
                for name, text in texts.items()
            }
        documents = [document.parse(t.encode(), n, n[:-5]) for n, t in texts.items()]
        merged = merge.fold(documents, merge_cases._stack(case))
        told = [d for doc in documents for d in doc.diagnostics] + list(merged.diagnostics)
        for code in {d.code for d in told}:
            _keep(found, code, _shown(code, told, texts, list(texts)), len(told))


def _keep(found, code, text, said):
    """The example that says least besides its code; of those the shortest."""
    rank = (said, len(text), text)
    if code not in found or rank < found[code][0]:
        found[code] = (rank, text)


def _shown(code, told, files, names):
    """The named files, and the first diagnostic of the code as a terminal shows it."""
    texts = {
        n: d.decode("utf-8", "replace") if isinstance(d, bytes) else d for n, d in files.items()
    }

    def line(file, number):
        lines = texts.get(file, "").splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else None

    (said, *_) = [d for d in told if d.code == code]
    out = []
    for name in names:
        if not texts.get(name):
            out += [f"# {name} {'is empty' if name in texts else 'does not exist'}", ""]
            continue
        lines = [text if len(text) < 90 else f"{text[:85]} …" for text in texts[name].splitlines()]
        more = ["…"] if len(lines) > _MOST_LINES else []
        out += [f"# {name}", *lines[:_MOST_LINES], *more, ""]
    return _printable("\n".join(out) + "\n" + render_diagnostics([said], line))


def _printed(code, arguments, files):
    """A command on the small config, and what it prints of the code."""
    before = Path.cwd()
    tree = small().but({"models/web/versions/v2.yaml": record("v2"), **files})
    with tempfile.TemporaryDirectory() as made:
        for path, data in tree.files.items():
            file = Path(made) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        try:
            os.chdir(made)
            _, out = run_captured(arguments)
        finally:
            os.chdir(before)
    # A finding of a policy begins with another word, and its code is in the formats of machines.
    mark = "policy " if code.startswith("P_") else f"[{code}]"
    out = out.replace(made, "/config")
    parts = [part for part in out.split("\n\n") if mark in part]
    assert parts, f"{arguments}: {out}"
    policies = [f"# {name}\n{text}\n" for name, text in files.items() if mark == "policy "]
    command = f"$ reconciler {' '.join(arguments)}\n\n{parts[0].strip()}\n"
    return _printable("\n".join([*policies[:1], command]))


def _printable(text):
    kept = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text)
    return re.sub(r"[ \t]+\n", "\n", re.sub(r"\n{3,}", "\n\n", kept)).strip("\n") + "\n"


# -- the page --------------------------------------------------------------------------------------

_HEAD = """\
# Errors, warnings and findings

Every message has a code that stays the same from version to version. `reconciler explain CODE`
prints its entry. E is an error, W a warning, P a finding of a policy. The examples are what the
program printed on the smallest config that causes the message, where that config is a test case.

This page is generated from `reconciler/catalogue/`: `make docs` writes it anew.
"""


def page():
    out = [_HEAD]
    for entry in catalogue.entries().values():
        fence = "````" if "```" in entry.example else "```"
        meaning, way_out = _wrapped(entry.meaning), _wrapped(f"Way out: {entry.way_out}")
        out.append(f"## {entry.code}\n\n{meaning}\n\n{way_out}\n")
        out.append(f"{fence}text\n{entry.example.rstrip()}\n{fence}\n")
    return "\n".join(out)


def _wrapped(text):
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def main():
    text = json.dumps(examples(), indent=1, ensure_ascii=False) + "\n"
    EXAMPLES.write_text(text, encoding="utf-8")
    catalogue.measured.cache_clear()
    catalogue.entries.cache_clear()
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
