"""What is said of a faulty config, as data: tests/cases/config/*.yaml.

A case starts from the small config (`start: training` adds a trained model), beside which a
witness app lives in a group of its own. It lists *every* error and warning: its code and place
(`own:2:3`, see FILES), pieces of the message and help, the places that it names as related.
`blocked` are the apps that it keeps out; all others are drawn exactly as before.
"""

from pathlib import Path

import pytest
import yaml

from reconciler.engine import draw
from reconciler.origin import plain
from reconciler.plan.snapshot import Snapshot
from tests.support import NOW, loaded, record, small

FOLDER = Path(__file__).parents[2] / "cases" / "config"
FILES = {
    "layers": "environments/layers.yaml",
    "base": "environments/base.yaml",
    "type": "environments/types/vision.yaml",
    "environment": "environments/prod/environment.yaml",
    "group": "environments/prod/one/group.yaml",
    "pointer": "environments/prod/web.yaml",
    "own": "environments/prod/one/web.yaml",
    "model": "models/web/model.yaml",
    "manifest": "models/web/extra.yaml",
    "v1": "models/web/versions/v1.yaml",
    "v2": "models/web/versions/v2.yaml",
}
TRAINING = """\
model: {type: vision, owner: web}
serving: {image: registry.example/web:1}
training:
  runIn: [prod/one]
  framework: job
  image: registry.example/train:1
  command: [python, train.py]
"""
WITNESS = {
    "environments/prod/far/group.yaml": "group: {namespace: ml-far, serviceAccount: models}\n",
    "environments/prod/far/witness.yaml": 'serving: {version: "v1"}\n',
    "models/witness/model.yaml": (
        "model: {type: vision, owner: web}\nserving: {image: registry.example/witness:1}\n"
    ),
    "models/witness/versions/v1.yaml": record("v1"),
}
SHARED = {"layers", "base", "type", "environment"}
STARTS = {
    "serving": small().but(WITNESS),
    "training": small().but({**WITNESS, FILES["model"]: TRAINING}),
}
CASES = [
    (f"{path.stem}: {case['name']}", case)
    for path in sorted(FOLDER.glob("*.yaml"))
    for case in yaml.safe_load(path.read_text())
]
PLACES = {path: name for name, path in FILES.items()}


def _each(cases):
    return pytest.mark.parametrize("case", [case for _, case in cases], ids=[n for n, _ in cases])


def _place(site):
    return f"{PLACES.get(site.file, site.file)}:{site.line}:{site.column}" if site else "nowhere"


def _tree(case):
    start = STARTS[case.get("start", "serving")]
    changes = {FILES.get(k, k): v for k, v in case.get("files", {}).items()}
    tree = start.but({k: v for k, v in changes.items() if not isinstance(v, dict)})
    for path, edit in changes.items():
        if isinstance(edit, dict):  # a text added to the end, or put in another's place
            text = tree.files[path].decode()
            for old, new in edit.items():
                assert old == "add" or old in text, (path, old)
                text = text + new if old == "add" else text.replace(old, new)
            tree = tree.but({path: text})
    return tree


def _differs(found, wanted):
    """What a diagnostic does not say that its case wants, in words; "" when it says all."""
    if found.code != wanted["code"] or _place(found.site) != wanted["at"]:
        return "code or place"
    for piece in _listed(wanted.get("says")):
        if piece not in found.message:
            return f"message without {piece!r}: {found.message}"
    for piece in _listed(wanted.get("help")):
        if piece not in found.help:
            return f"help without {piece!r}: {found.help}"
    if "path" in wanted and found.path != wanted["path"]:
        return f"path {found.path}"
    related = [_place(r.site) for r in found.related]
    if related != wanted.get("related", []):
        return f"related {related}"
    return ""


def _listed(pieces):
    return [pieces] if isinstance(pieces, str) else pieces or []


def _drafts(tree):
    """(unit, object) → its plain tree, of every unit that is not blocked."""
    fleet = loaded(tree)
    return {
        (str(item.unit.id), str(draft.key)): plain(draft.tree)
        for item in draw.draw_units(fleet, Snapshot.none(), NOW)
        for draft in item.drafts
    }


@_each(CASES)
def test_every_mistake_is_told_at_its_line_and_blocks_its_apps_alone(case):
    fleet = loaded(_tree(case))
    # The training of `start: training` has no schedule; a case of its own asks for that warning.
    wanted_codes = {w["code"] for w in case.get("warnings", [])}
    passed_over = {"W_NO_SCHEDULE"} - wanted_codes if case.get("start") == "training" else set()
    warnings = [d for d in fleet.diagnostics if not d.is_error and d.code not in passed_over]
    told = {True: list(fleet.errors), False: warnings}
    for kind, is_error in (("errors", True), ("warnings", False)):
        wanted = case.get(kind, [])
        places = sorted((d.code, _place(d.site)) for d in told[is_error])
        assert places == sorted((w["code"], w["at"]) for w in wanted), told[is_error]
        left = list(told[is_error])
        for want in wanted:
            reasons = {_differs(found, want): found for found in left}
            assert "" in reasons, (want, list(reasons))
            left.remove(reasons[""])
    assert sorted(map(str, fleet.blocked)) == sorted(case.get("blocked", []))
    reached = {app for d in fleet.errors for app in d.apps}
    assert reached == set(fleet.blocked) or "E_LAYERS" in {d.code for d in fleet.errors}


@_each([named for named in CASES if "blocked" in named[1]])
def test_nothing_is_drawn_of_a_blocked_app_and_others_stay_as_they_are(case):
    blocked = set(case["blocked"])
    now = _drafts(_tree(case))
    assert not {unit for unit, _ in now} & blocked
    if "prod/far/witness" not in blocked and not SHARED & case["files"].keys():
        before = _drafts(STARTS[case.get("start", "serving")])
        of_witness = {key: tree for key, tree in before.items() if key[0] == "prod/far/witness"}
        assert of_witness
        assert {key: now.get(key) for key in of_witness} == of_witness


def test_there_are_more_than_eighty_cases_and_each_says_something_of_its_own():
    assert len(CASES) > 80
    names = [name for name, _ in CASES]
    assert len(set(names)) == len(names)
