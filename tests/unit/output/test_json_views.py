"""What programs read of each view: numbers as numbers, times in UTC, nothing cut."""

import json
import re

import pytest

from reconciler.engine.views.report import Changes, Report
from reconciler.lifecycle.decision import Reason, ReasonKind
from reconciler.objects.key import ObjectKey
from reconciler.objects.kind import Wave
from reconciler.output import format as formats
from reconciler.output.format import Options
from reconciler.output.formats import json as json_format
from reconciler.output.schema import documents
from reconciler.plan.change import Action, AppPlan, Change, FieldConflict, Plan, Refusal, Standing
from tests.unit.output import sections

KEY = ObjectKey("apps", "Deployment", "ml", "web")


def of(name):
    return json.loads(formats.format_named("json").render(sections.report(name), Options()))


def test_the_head_is_the_same_for_every_command():
    heads = [dict(list(of(name).items())[:7]) for name in sections.NAMES]
    for name, head in zip(sections.NAMES, heads, strict=True):
        assert head == {
            "schemaVersion": 2,
            "command": name,
            "revision": sections.COMMIT,
            "exitCode": 0,
            "diagnostics": [],
            "findings": [],
            "closing": [f"{name} is done."],
        }


def _keys(schema):
    """The keys that a schema declares, at every depth."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for part in schema.values():
            yield from _keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _keys(part)


def test_every_key_is_in_camel_case():
    names = set(_keys(documents()["report.json"]))
    assert {"schemaVersion", "lastRun", "storageUri"} <= names
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_a_status_has_numbers_times_and_whole_commits():
    first, second = of("status")["status"]
    assert first == {
        "app": "prod/one/web",
        "health": "ready",
        "version": None,
        "traffic": {"v1": 90, "v2": 10, "v3": 0},
        "revision": sections.COMMIT,
        "lastRun": {"result": "applied", "at": "2026-11-23T10:00:30Z"},
        "next": [
            {
                "kind": "rollout",
                "text": "at 10 % for 1 h",
                "at": "2026-11-23T10:00:30Z",
                "pending": False,
            },
            {
                "kind": "schedule",
                "text": "nightly",
                "at": "2026-11-23T10:00:30Z",
                "pending": False,
            },
        ],
        "blocked": [],
        "inGit": True,
        "unrouted": "",
        "lastTraining": None,
        "rollout": None,
        "hold": None,
    }
    assert (second["health"], second["blocked"]) == ("blocked", ["E_TYPE"])


def test_a_version_has_its_digest_in_full_and_its_metrics_as_numbers():
    found = of("versions")
    recorded, fresh = found["versions"]
    assert recorded["digest"] == sections.DIGEST
    assert recorded["metrics"] == {"accuracy": 0.9712}
    assert recorded["trainedAt"] == "2026-10-01T18:41:00Z"
    assert (recorded["recorded"], recorded["object"]) == (True, None)
    assert (fresh["recorded"], fresh["version"], fresh["trainedAt"]) == (False, None, None)
    assert fresh["object"] == "ConfigMap/run-7"
    assert found["records"] == {
        "files": ["models/web/versions/v2.yaml"],
        "written": "the work tree",
    }


def test_a_promotion_names_its_files_and_the_diff():
    assert of("promote")["promotion"] == {
        "model": "web",
        "environment": "prod",
        "before": "v1",
        "after": "v2",
        "digest": sections.DIGEST,
        "files": ["a.yaml"],
        "written": "the work tree",
        "diff": "-v1\n+v2\n",
    }


def test_a_rendered_object_has_the_lines_of_embedded_objects_too():
    (found,) = of("render")["objects"]
    assert (found["app"], found["object"]) == ("prod/one/web", "ConfigMap ml/steps")
    assert found["origins"]["data.own"] == ["models/web/model.yaml:9:5"]
    (inner,) = found["embedded"]
    assert (inner["path"], inner["object"]) == ("data.step", "Job.batch ml/train")
    assert inner["manifest"]["spec"] == {"parallelism": 3}
    assert inner["origins"] == {"spec.parallelism": ["models/web/model.yaml:7:5"]}
    assert json.loads(found["manifest"]["data"]["step"]) == inner["manifest"]


def test_a_merge_has_its_chains_and_integers_of_any_size():
    found = of("merge")
    assert found["value"] == {"replicas": 2**70}
    assert [(link["at"], link["value"]) for link in found["provenance"]["replicas"]] == [
        ("over.yaml:2:4", 2**70),
        ("base.yaml:1:4", 3),
    ]
    assert (found["errors"], found["warnings"]) == ([], [])


def test_rights_name_who_gets_each_role_and_hold_what_kubectl_takes():
    found = of("rbac")["rights"]
    assert (found["purpose"], found["notes"]) == ("plan", ["beware of that"])
    mine, writer = found["roles"]
    assert mine["subject"] == {
        "kind": "ServiceAccount", "name": "robot", "namespace": found["namespace"]
    }  # fmt: skip
    assert writer["subject"]["name"] == "someone@example.org"
    assert (mine["namespace"], writer["namespace"]) == ("ml", None)
    rule = {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "resourceNames": ["web"],
        "verbs": ["get", "patch"],
    }
    assert mine["rules"] == [{"why": "applied", **rule}]
    kinds = [body["kind"] for body in found["manifests"]]
    assert kinds.index("ValidatingAdmissionPolicy") < kinds.index("Role")
    (role,) = [body for body in found["manifests"] if body["kind"] == "Role"]
    assert role["rules"] == [rule]


def test_a_damaged_inventory_tells_three_sides_apart():
    (found,) = of("repair")["repairs"]
    assert (found["app"], found["approval"]) == ("prod/one/web", "abc")
    assert [(row["recordedUid"], row["liveUid"], row["wanted"]) for row in found["objects"]] == [
        ("", "u-1", True),
        (None, None, False),
    ]


def test_layers_are_lists_of_files():
    assert of("layers")["layers"] == [
        {"app": "prod/one/web", "files": ["environments/base.yaml", "models/a|b.yaml"]}
    ]


# -- plans -----------------------------------------------------------------------------------------


def plan_of(change, *refusals):
    app = AppPlan(
        sections.APP, "prod", "one", "ml", "", waves=((change,),), refusals=tuple(refusals)
    )
    report = Report("plan", (Changes(Plan("x", "x", (), (app,))),))
    (found,) = json.loads(formats.format_named("json").render(report, Options()))["plan"]["apps"]
    return found


@pytest.mark.parametrize("objects", [frozenset(), frozenset({KEY})])
def test_a_refusal_names_its_unit_and_the_objects_that_it_holds(objects):
    change = Change(KEY, "apps/v1", Action.DELETE, Wave.WORKLOADS, Standing.HELD)
    refusal = Refusal("E_PRUNE", "no", "say yes", sections.APP, objects=objects, approval="abc")
    (found,) = plan_of(change, refusal)["refusals"]
    assert found.pop("objects", []) == [key.full() for key in objects]
    assert found == {
        "code": "E_PRUNE",
        "text": "no",
        "wayOut": "say yes",
        "app": "prod/one/web",
        "approval": "abc",
    }


def test_a_change_says_who_contests_it_and_of_what_kind_a_reason_is():
    reason = Reason("no", kind=ReasonKind.REFUSAL)
    change = Change(KEY, "apps/v1", Action.UPDATE, Wave.WORKLOADS, reasons=(reason,))
    plain = json_format.change_data(change)
    assert "conflict" not in plain
    assert plain["reasons"] == [{"kind": "refusal", "text": "no", "at": None}]
    held = Change(
        KEY,
        "apps/v1",
        Action.UPDATE,
        Wave.WORKLOADS,
        conflict=FieldConflict(("kubectl",), ("spec.replicas",)),
    )
    assert json_format.change_data(held)["conflict"] == {
        "managers": ["kubectl"],
        "fields": ["spec.replicas"],
    }
