"""What each backend draws, as files to review: tests/cases/backends/<backend>/<a sentence>/.

A case's `case.yaml` names the app of tests/cases/everything or of the sample config; beside it
lies the expected YAML, one document an object. `RECONCILER_UPDATE_CASES=1` rewrites the files: read
the diff. Digests of membership and the manifests inside texts are shown in full.
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from reconciler.backends import contract
from reconciler.objects.draft import seal
from tests.everything import everything
from tests.support import MemoryTree, drawn, sample

FOLDER = Path(__file__).parents[2] / "cases" / "backends"
UPDATE = os.environ.get("RECONCILER_UPDATE_CASES") == "1"
REPOS = {"everything": everything, "sample": sample}
CASES = sorted(path.parent for path in FOLDER.glob("*/*/case.yaml"))
#: The label is a digest of the app's id; what it is has tests of its own.
_PART_OF = "applyset.kubernetes.io/part-of"


def _tree(case):
    tree = REPOS[case["repo"]]()
    files = {}
    for path, edits in case.get("files", {}).items():
        text = tree.files[path].decode()
        for old, new in edits.items():
            assert old in text, (path, old)
            text = text.replace(old, new)
        files[path] = text
    return MemoryTree({**tree.files, **files})


def _shown(draft):
    body = seal(draft).body
    body["metadata"]["labels"].pop(_PART_OF, None)
    return body


def _unfolded(body):
    """Jobs stand as JSON in a pipeline's text: shown as trees below it, to be readable."""
    for template in body.get("spec", {}).get("templates", []):
        for variable in template.get("container", {}).get("env", []):
            if variable["name"].startswith("MANIFEST_"):
                variable["value"] = json.loads(variable["value"])
    return body


def _text(case):
    app, kinds = case["app"], case.get("kinds")
    drafts = [
        draft
        for (unit, key), draft in sorted(drawn(_tree(case)).items())
        if unit == app and (kinds is None or key.kind in kinds)
    ]
    assert drafts, case
    bodies = [_unfolded(_shown(draft)) for draft in drafts]
    return yaml.safe_dump_all(bodies, sort_keys=False, width=100, allow_unicode=True)


@pytest.mark.parametrize("folder", CASES, ids=[str(c.relative_to(FOLDER)) for c in CASES])
def test_a_backend_draws_what_its_case_shows(folder):
    case = yaml.safe_load((folder / "case.yaml").read_text())
    expected, found = folder / "expected.yaml", _text(case)
    if UPDATE:
        expected.write_text(found)
    assert found == expected.read_text()


@pytest.mark.parametrize("what", ["framework", "orchestrator", "serving", "router"])
def test_every_backend_has_a_case(what):
    names = {name.replace("-", "_") for name in contract.list_names(what)}
    assert names <= {path.parent.name.replace("-", "_") for path in CASES}
