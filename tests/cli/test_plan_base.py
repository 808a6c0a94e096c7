"""What a pull request would change: two revisions compared, no cluster was asked."""

import json

import pytest

from reconciler.diagnostics import error
from reconciler.engine import review
from reconciler.engine.views import model_changes, reviews
from reconciler.origin import Site
from reconciler.output import comparison
from reconciler.plan.change import Action
from tests.cli.conftest import Repo
from tests.support import NOW, MemoryTree, record, sample, select, small

OWN = "environments/prod/one/web.yaml"
POINTER = "environments/prod/web.yaml"
BASE = "environments/base.yaml"


def changes(head, base, **selected):
    """{(unit, object): action} of head against base."""
    seen = review.review(head, select(**selected), NOW, base=base)
    return {
        (str(app.unit), str(c.key)): c.action
        for app in seen.plan.apps
        for c in app.changes()
        if c.goes
    }


def warned(head, base):
    seen = review.review(head, select(), NOW, base=base)
    return [d.code for d in seen.diagnostics]


def test_the_same_revision_has_no_difference():
    assert changes(sample(), sample()) == {}


def test_an_app_that_is_gone_is_deleted_object_by_object():
    found = changes(small().but({OWN: None}), small())
    assert found == {
        ("prod/one/web", "Deployment/web-v1"): Action.DELETE,
        ("prod/one/web", "Service/web-v1"): Action.DELETE,
    }


def test_an_object_that_an_app_no_longer_draws_is_deleted():
    extra = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"
    before = small().but({OWN: "manifests: [extra.yaml]\n", "models/web/extra.yaml": extra})
    assert changes(small(), before) == {("prod/one/web", "ConfigMap/extra"): Action.DELETE}


def test_a_moved_pointer_makes_the_new_version_and_removes_the_old():
    found = changes(small().but({POINTER: 'serving:\n  version: "v2"\n'}), small())
    assert found == {
        ("prod/one/web", "Deployment/web-v1"): Action.DELETE,
        ("prod/one/web", "Deployment/web-v2"): Action.CREATE,
        ("prod/one/web", "Service/web-v1"): Action.DELETE,
        ("prod/one/web", "Service/web-v2"): Action.CREATE,
    }


def test_a_new_group_is_created_with_its_namespace():
    head = small().but(
        {
            "environments/prod/two/group.yaml": "group: {namespace: ml-two, serviceAccount: models}\n",
            "environments/prod/two/web.yaml": "",
        }
    )
    found = changes(head, small())
    assert found[("prod/two/_group", "Namespace/ml-two")] is Action.CREATE
    assert {unit for unit, _ in found} == {"prod/two/_group", "prod/two/web"}


def test_objects_of_one_name_on_two_clusters_are_not_confused():
    other = {
        "environments/dev/environment.yaml": "environment: {rank: 0, cluster: other}\nserving: {replicas: 7}\n",
        "environments/dev/one/group.yaml": small().files["environments/prod/one/group.yaml"],
        "environments/dev/web.yaml": small().files[POINTER],
        "environments/dev/one/web.yaml": "",
    }
    both = small().but(other)
    assert changes(both, both) == {}
    assert changes(small(), both).keys() == {
        ("dev/one/web", "Deployment/web-v1"),
        ("dev/one/web", "Service/web-v1"),
        ("dev/one/_group", "Namespace/ml-one"),
        ("dev/one/_group", "ServiceAccount/models"),
    }


def test_a_renamed_app_hands_its_objects_over():
    group = "environments/prod/two/group.yaml"
    head = small().but(
        {
            "environments/prod/one/group.yaml": None,
            OWN: None,
            group: small().files["environments/prod/one/group.yaml"],
            "environments/prod/two/web.yaml": "moved: {from: prod/one/web}\n",
        }
    )
    found = changes(head, small())
    assert Action.DELETE not in found.values()
    assert Action.CREATE not in found.values()


def test_an_app_with_a_mistake_loses_nothing():
    head = small().but({OWN: "serving:\n  replcas: 2\n"})
    seen = review.review(head, select(), NOW, base=small())
    assert list(seen.plan.changes()) == []
    assert seen.has_errors


def test_a_base_with_mistakes_is_said():
    base = small().but({OWN: "serving:\n  replcas: 2\n"})
    assert "W_BASE" in warned(small(), base)
    assert "W_BASE" not in warned(small(), small())


def test_a_large_delete_warns_of_what_a_run_would_refuse():
    gone = small().but({OWN: None, "environments/prod/one/group.yaml": None})
    seen = review.review(gone, select(), NOW, base=small())
    (warning,) = [d for d in seen.diagnostics if d.code == "W_PRUNE_GUARD"]
    assert "empties prod/one" in warning.message
    assert seen.plan.counts()[Action.DELETE] == 4
    assert seen.plan.refusals == ()


def test_a_selection_narrows_both_sides():
    head = sample().but(
        {
            "environments/prod/hz-b/search-ranker.yaml": None,
            BASE: sample().files[BASE].replace(b"info", b"debug"),
        }
    )
    found = changes(head, sample(), environments=["prod"], models=["search-ranker"])
    assert {unit for unit, _ in found} == {"prod/hz-a/search-ranker", "prod/hz-b/search-ranker"}


def test_a_comment_or_another_order_changes_nothing():
    text = small().files[BASE].decode()
    assert changes(small().but({BASE: "# why\n" + text}), small()) == {}


def test_every_delete_says_why():
    head = sample().but(
        {
            "environments/prod/hz-b/search-ranker.yaml": None,
            "environments/prod/mnist.yaml": 'serving: {version: "v1"}\n',
        }
    )
    seen = review.review(head, select(), NOW, base=sample())
    for change in seen.plan.changes():
        if change.action is Action.DELETE:
            assert change.reasons[0].text
            assert change.reasons[0].origin or ".yaml is gone" in change.reasons[0].text


def test_a_policy_judges_an_update_of_the_base_s_object_as_an_update():
    policy = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-shrinking}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}
  validations:
  - {expression: object.spec.replicas >= oldObject.spec.replicas, message: fewer than before}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-shrinking}
spec: {policyName: no-shrinking, validationActions: [Deny]}
"""
    base = small().but({OWN: "serving: {replicas: 3}\n", "policies/p.yaml": policy})
    fewer = base.but({OWN: "serving: {replicas: 2}\n"})
    more = base.but({OWN: "serving: {replicas: 4}\n"})
    assert [
        f.message.partition(" (")[0]
        for f in review.review(fewer, select(), NOW, base=base).findings
    ] == ["fewer than before"]
    assert review.review(more, select(), NOW, base=base).findings == ()


# -- as a user types it ----------------------------------------------------------------------------


@pytest.fixture
def branch(tmp_path):
    repo = Repo(tmp_path, small().files)
    repo.git("checkout", "-qb", "proposal")
    repo.edit(POINTER, '"v1"', '"v2"')
    return repo


def test_the_output_names_both_sides_and_counts(branch):
    code, out = branch.run("plan", "--base", "main", "--exit-code")
    assert code == 2
    assert out.startswith("reading work tree (")
    assert "against " in out.splitlines()[2]
    assert "2 to create, 2 to delete. Offline: weights are Git's target." in out
    assert "v1 takes no traffic any more" in out


def test_a_base_and_a_cluster_exclude_each_other(branch):
    code, out = branch.live("plan", "--base", "main")
    assert (code, "--base" in out) == (1, True)
    code, out = branch.run("plan", "--base", "main", "--out", "x.plan")
    assert (code, "--out" in out) == (1, True)


def test_further_reports_are_of_the_same_run(branch, tmp_path):
    files = {name: tmp_path / name for name in ("markdown", "json", "sarif", "junit", "gitlab")}
    given = [arg for name, file in files.items() for arg in ("--report", f"{name}={file}")]
    code, out = branch.run("plan", "--base", "main", *given)
    assert code == 0
    assert "2 to create, 2 to delete" in out
    assert "2 to create, 2 to delete" in files["markdown"].read_text()
    found = json.loads(files["json"].read_text())
    assert (found["plan"]["counts"]["create"], found["plan"]["counts"]["delete"]) == (2, 2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_dash_is_standard_output(branch):
    _, out = branch.run("plan", "--base", "main", "--report", "junit=-")
    assert '<?xml version="1.0"' in out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("markdwon=x", "'markdwon' is none of"),
        ("markdown", "names no file"),
        ("markdown=/nowhere/at/all", "--report /nowhere/at/all: no such file or directory"),
    ],
)
def test_a_report_that_cannot_be_written_is_a_mistake(branch, given, said):
    code, out = branch.run("check", "--report", given)
    assert code == 1
    assert said in out
    assert "Traceback" not in out


def test_a_link_base_that_is_no_url_is_a_mistake(branch):
    code, out = branch.run("check", "--link-base", "javascript:alert(1)")
    assert (code, "--link-base" in out) == (1, True)


def test_links_come_from_the_ci_system_s_variables(branch, monkeypatch):
    branch.write(OWN, "serving:\n  replcas: 2\n")
    monkeypatch.setenv("CI_PROJECT_URL", "https://gitlab.example/g/p")
    monkeypatch.setenv("CI_COMMIT_SHA", "abc")
    _, out = branch.run("check", "-o", "markdown")
    assert f"](https://gitlab.example/g/p/-/blob/abc/{OWN}#L2)" in out


def test_warnings_fail_when_asked_to(sample):
    (sample.folder / "environments/prod/train/tf-mnist-estimator.yaml").unlink()
    code, out = sample.run("check")
    assert (code, "W_RUN_NOWHERE" in out) == (0, True)
    assert sample.run("check", "--fail-on", "warn")[0] == 1
    assert sample.run("check", "--fail-on", "empty")[0] == 0


def test_an_empty_repo_fails_only_when_asked_to(branch):
    (branch.folder / OWN).unlink()
    assert branch.run("check")[0] == 0
    code, out = branch.run("check", "--fail-on", "empty")
    assert code == 1
    assert "E_NO_APPS" in out
    assert "E_NO_POLICIES" in out


def test_markers_differ_by_selection(branch):
    _, everything = branch.run("check", "-o", "markdown")
    _, one = branch.run("check", "-o", "markdown", "--model", "web")
    assert everything.splitlines()[0] != one.splitlines()[0]
    _, named = branch.run("check", "-o", "markdown", "--marker", "mine")
    assert named.splitlines()[0] == "<!-- ml-reconciler: mine -->"


# -- what could not be compared is told, and never called the same ----------------------------------

BROKEN = "serving: {replicas: many}\n"


def told(head, base, **selected):
    """(closing line, exit code with --exit-code) of `plan --base`."""
    seen = review.review(head, select(**selected), NOW, base=base)
    report = reviews.plan_report(seen, exit_code=True)
    return report.closing[0], report.exit_code


def fault(path):
    return error("E_SYMLINK", f"{path} is a symbolic link", Site(path, 0, 0))


def without(tree, path):
    files = {p: c for p, c in tree.files.items() if not f"{p}/".startswith(f"{path}/")}
    return MemoryTree(files, tree.label, tree.commit, [fault(path)])


TWO = small().but(
    {
        "environments/prod/one/other.yaml": "serving: {version: v1}\n",
        "models/other/model.yaml": small().files["models/web/model.yaml"],
        "models/other/versions/v1.yaml": record("v1"),
    }
)
PART = "No difference in what could be compared. Not compared: "


def test_an_app_with_an_error_is_not_called_the_same():
    closing, code = told(TWO.but({OWN: BROKEN}), TWO)
    assert (closing, code) == (f"{PART}prod/one/web.", 1)


def test_an_app_with_an_error_on_both_sides_is_not_called_the_same():
    broken = TWO.but({OWN: BROKEN})
    assert told(broken, broken) == (f"{PART}prod/one/web.", 1)


def test_an_app_that_is_removed_and_was_broken_in_the_base_is_told():
    closing, code = told(TWO.but({OWN: None}), TWO.but({OWN: BROKEN}))
    assert (closing, code) == (f"{PART}prod/one/web.", 6)


def test_a_base_without_an_order_of_layers_is_told():
    closing, _ = told(TWO, TWO.but({"environments/layers.yaml": "layers: [\n"}))
    assert "No difference" not in closing
    assert "Not compared: prod/one/other, prod/one/web." in closing


@pytest.mark.parametrize("path", ["environments/prod/one", "environments/prod", "environments"])
def test_a_folder_of_the_base_that_cannot_be_read_is_told(path):
    gone = TWO.but({p: None for p in TWO.files if p.startswith("environments/prod/one/")})
    closing, code = told(gone, without(TWO, path))
    assert "No difference." not in closing
    assert path in closing or "Not compared: prod/one" in closing
    assert code in (1, 6)


@pytest.mark.parametrize("path", ["environments/prod/one", "environments/prod"])
def test_a_folder_of_the_branch_that_cannot_be_read_is_told_and_not_deleted(path):
    head = without(TWO, path)
    assert changes(head, TWO) == {}
    closing, code = told(head, TWO)
    assert (closing, code) == (f"{PART}{path}.", 1)


def test_policies_with_errors_compare_nothing():
    closing, _ = told(TWO.but({"policies/p.yaml": "kind: [\n"}), TWO)
    assert closing == f"{PART}prod/one/other, prod/one/web."


def test_a_selection_that_finds_nothing_is_not_called_the_same():
    closing, code = told(TWO, TWO, models={"webb"})
    assert (closing, code) == ("Nothing was compared, because of the errors above.", 1)


def test_what_differs_and_what_could_not_be_compared_are_both_told():
    head = TWO.but(
        {OWN: BROKEN, "environments/prod/one/other.yaml": "serving: {version: v1, replicas: 3}\n"}
    )
    closing, _ = told(head, TWO)
    assert closing.startswith("1 to update.")
    assert closing.endswith("Not compared: prod/one/web.")


def test_a_comment_says_how_much_was_not_compared():
    seen = review.review(TWO.but({OWN: BROKEN}), select(), NOW, base=TWO)
    section = model_changes.changes_of(seen)
    assert comparison.counted(section) == "1 not compared"


def test_the_same_tree_still_has_no_difference():
    assert told(TWO, TWO) == ("No difference.", 0)
