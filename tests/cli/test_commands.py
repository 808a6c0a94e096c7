"""What a user types and sees."""

import json
import re
import stat

import jsonschema
import pytest

from reconciler.cli.program import run_captured
from tests.support import COMMANDS, ROOT

OWN = "environments/prod/one/web.yaml"
POINTER = "environments/prod/web.yaml"


def _report(out):
    found = json.loads(out)
    schema = json.loads((ROOT / "schemas" / "report.json").read_text())
    jsonschema.validate(found, schema)
    return found


def test_help_names_every_command_and_nothing_else():
    code, out = run_captured(["--help"])
    assert code == 0
    listed = out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert re.findall(r"^  (\S+)  +\S", listed, re.MULTILINE) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_s_help_has_two_examples_and_fits_the_screen(command):
    code, out = run_captured([command, "--help"])
    assert code == 0
    assert out.count(f"  reconciler {command}") >= 2
    assert max(len(line) for line in out.splitlines()) <= 100


def test_a_mistyped_command_is_met_with_the_right_one():
    code, out = run_captured(["chekc"])
    assert code == 1
    assert "Did you mean 'check'?" in out


def test_an_unknown_option_is_no_traceback():
    code, out = run_captured(["check", "--nope"])
    assert code == 1
    assert "Traceback" not in out
    assert "--nope" in out


def test_check_of_a_fine_repo(repo):
    reading = f"reading work tree (as HEAD {repo.head()[:7]})"
    assert repo.run("check") == (0, f"{reading}\n\n1 app fine.\n")


_DENIES = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: one-replica}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  validations:
  - {expression: object.spec.replicas < 1, message: too many replicas}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: one-replica}
spec: {policyName: one-replica, validationActions: [Deny]}
"""


_OVER_BUDGET = _DENIES.replace("one-replica", "spendthrift").replace(
    "object.spec.replicas < 1",
    '"[object].all(a, [1,2,3,4,5,6,7,8,9,10,11].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, '
    "[1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, "
    '[1,2,3,4,5,6,7,8,9,10].all(f, true))))))"',
)


def test_an_expression_over_its_budget_denies_what_it_judges_and_others_are_shown(repo):
    repo.write("policies/p.yaml", _DENIES)
    repo.write("policies/q.yaml", _OVER_BUDGET)
    code, out = repo.run("check")
    assert code == 3
    assert "spendthrift: Deployment/web-v1: the policy could not be evaluated: over budget" in (
        " ".join(out.split())
    )
    assert "one-replica: Deployment/web-v1: too many replicas" in out
    assert out.endswith("\n2 findings deny 1 of 1 app. 0 of 1 app is fine. Nothing was written.\n")


def test_findings_below_deny_are_counted_apart_from_denials(repo):
    repo.write("policies/p.yaml", _DENIES)
    warns = _DENIES.replace("one-replica", "warns").replace("[Deny]", "[Warn]")
    audits = _DENIES.replace("one-replica", "audits").replace("[Deny]", "[Audit]")
    repo.write("policies/q.yaml", warns)
    repo.write("policies/r.yaml", audits)
    code, out = repo.run("check")
    assert code == 3
    assert "1 finding denies 1 of 1 app, 2 findings below deny. 0 of 1 app is fine." in out
    code, out = repo.run("plan")
    assert "1 finding denies 1 of 1 app: `reconciler apply` would write nothing" in (
        " ".join(out.split())
    )


def test_a_field_that_no_object_has_is_one_error_at_the_expression(repo):
    rule = _DENIES.replace("object.spec.replicas", "object.spec.replcias")
    assert rule != _DENIES
    repo.write("policies/p.yaml", rule)
    code, out = repo.run("check")
    assert code == 1
    assert out.count("error[E_POLICY_FIELD]") == 1
    assert "no object that this judges has the field 'replcias' (Deployment)" in out
    assert "help: did you mean 'replicas'?" in out
    assert "--> policies/p.yaml:" in out
    assert out.endswith("\n1 error in 1 file. 0 of 1 app is fine. Nothing was written.\n")
    repo.write("policies/p.yaml", rule.replace("[Deny]", "[Warn]"))
    code, out = repo.run("check")
    assert code == 0
    assert out.count("warning[W_POLICY_FIELD]") == 1


def test_an_app_that_a_policy_denies_is_not_called_fine(repo):
    repo.write("policies/p.yaml", _DENIES)
    code, out = repo.run("check")
    assert code == 3
    assert out.endswith("\n1 finding denies 1 of 1 app. 0 of 1 app is fine. Nothing was written.\n")


@pytest.mark.parametrize(
    "option", ["--approve-prune", "--allow-rewind", "--approve-upgrade", "--approve-conflict"]
)
@pytest.mark.parametrize("value", ["", "5e1f0c8a"])
def test_an_approval_that_nothing_asks_for_is_warned_of(repo, option, value):
    code, out = repo.run("plan", option, value)
    assert code == 0
    assert f"warning[W_APPROVAL]: {option} '{value}' approves nothing in this plan\n" in out


def test_filters_that_exclude_one_another_are_named_as_such(sample):
    code, out = sample.run("check", "--app", "prod/hz-a/mnist", "--group", "hz-b")
    assert code == 1
    assert "each of these exists, but no application is in all of them" in out
    assert "\n1 error. " in out


def test_check_shows_all_mistakes_on_their_lines(repo):
    repo.write(OWN, 'serving:\n  replicas: "three"\n')
    repo.edit("models/web/model.yaml", "owner: web", "ownr: web")
    code, out = repo.run("check")
    assert code == 1
    assert (
        "error[E_TYPE_CHANGE]: serving.replicas: a number below and a string here\n"
        f"  --> {OWN}:2:13\n"
        '  2 |   replicas: "three"\n'
        "    |             ^^^^^^^ string\n"
    ) in out
    assert "below: a number: environments/base.yaml:1:11" in out
    assert "reaches: prod/one/web" in out
    assert "error[E_UNKNOWN_KEY]: model.ownr" in out
    assert "Nothing was written." in out


def test_check_says_did_you_mean(repo):
    repo.write(OWN, "serving:\n  replcas: 2\n")
    code, out = repo.run("check")
    assert code == 1
    assert f"  --> {OWN}:2:3" in out
    assert "did you mean 'replicas'?" in out or "did you mean `replicas`?" in out


def test_check_as_json(repo):
    repo.write(OWN, "serving:\n  replcas: 2\n")
    code, out = repo.run("check", "-o", "json")
    found = _report(out)
    assert (code, found["exitCode"], found["command"]) == (1, 1, "check")
    (one,) = found["diagnostics"]
    assert (one["code"], one["at"], one["apps"]) == (
        "E_UNKNOWN_KEY",
        f"{OWN}:2:3",
        ["prod/one/web"],
    )


def test_a_folder_without_config_is_told_so(tmp_path):
    code, out = run_captured(["check", "--repo", str(tmp_path)])
    assert code == 1
    assert "Traceback" not in out
    assert "error[" in out


def test_render_is_yaml_that_reads_back(repo):
    import yaml

    code, out = repo.run("render")
    documents = list(yaml.safe_load_all(out))
    assert code == 0
    assert {d["kind"] for d in documents} >= {"Namespace", "Deployment", "Service"}


def test_render_as_json_has_the_lines_of_every_field(repo):
    code, out = repo.run("render", "-o", "json")
    objects = json.loads(out)["objects"]
    (deployment,) = [o for o in objects if o["manifest"]["kind"] == "Deployment"]
    assert code == 0
    assert deployment["origins"]["spec.replicas"] == ["environments/base.yaml:1:11"]


def test_plan_without_a_cluster_shows_all_as_new(repo):
    code, out = repo.run("plan")
    assert code == 0
    assert "(no cluster was asked)" in out
    assert re.search(r"  \+ .*Deployment/web-v1", out)
    assert "+ Deployment/web-v1" in repo.run("plan", "--all")[1]


def test_plan_exits_2_on_a_difference_only_when_asked(repo):
    assert repo.run("plan")[0] == 0
    assert repo.run("plan", "--exit-code")[0] == 2


def test_plan_against_a_base_shows_the_branch_s_change_alone(repo):
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.run("plan", "--base", "HEAD", "--exit-code")
    assert code == 2
    assert re.search(r"  serving +replicas 1 (→|->) 3", out)
    assert "spec.replicas" not in out
    assert re.search(r"spec\.replicas +1 (→|->) 3", repo.run("plan", "--base", "HEAD", "--all")[1])
    assert f"{OWN}:1:11 (over environments/base.yaml:1:11)" in out
    assert "Namespace" not in out
    repo.commit()
    assert repo.run("plan", "--base", "HEAD", "--exit-code")[0] == 0


def test_apply_twice_changes_nothing_the_second_time(repo):
    code, out = repo.live("apply")
    assert code == 0
    assert re.search(r"applied [0-9a-f]{7}: \d+ created\. All healthy\.", out)
    code, out = repo.live("apply")
    assert code == 0
    assert re.search(r"applied [0-9a-f]{7}: (?:nothing to do, )?\d+ unchanged\.", out)
    assert repo.live("plan", "--exit-code")[0] == 0


def test_apply_reads_a_commit_and_not_the_work_tree(repo):
    repo.live("apply")
    repo.write(OWN, "serving: {replicas: 3}\n")
    assert "1 updated" not in repo.live("apply")[1]
    assert "1 updated" in repo.live("apply", "--worktree")[1]


def test_apply_without_a_cluster_says_what_is_missing(repo):
    code, out = repo.run("apply")
    assert code == 1
    assert "no cluster is named" in out


def test_apply_with_a_mistake_anywhere_writes_nothing(repo):
    repo.write(OWN, "serving:\n  replcas: 2\n")
    repo.commit()
    code, out = repo.live("apply")
    assert code == 1
    assert "Nothing was written." in out
    assert repo.live("status")[1].count("ready") == 0


def test_a_saved_plan_is_private_and_does_exactly_that(repo, tmp_path):
    file = tmp_path / "my.plan"
    code, _ = repo.live("plan", "--revision", "HEAD", "--out", str(file))
    assert code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    code, out = repo.live("apply", str(file))
    assert (code, "created" in out) == (0, True)


def test_a_saved_plan_is_refused_when_something_moved(repo, tmp_path):
    file = tmp_path / "my.plan"
    repo.live("apply")
    repo.write(OWN, "serving: {replicas: 3}\n")
    repo.commit()
    repo.live("plan", "--revision", "HEAD", "--out", str(file))
    repo.write(OWN, "serving: {replicas: 2}\n")
    repo.commit()
    repo.live("apply")
    code, out = repo.live("apply", str(file))
    assert code == 4
    assert "moved: prod/one/web" in out
    assert "Nothing was written" in out


def test_a_saved_plan_of_an_edited_work_tree_is_refused(repo, tmp_path):
    file = tmp_path / "my.plan"
    repo.live("plan", "--out", str(file))
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.live("apply", str(file))
    assert code == 4
    assert "config files changed since the plan was made" in out


def test_a_file_that_is_no_plan(repo, tmp_path):
    file = tmp_path / "x"
    file.write_text("{}")
    code, out = repo.live("apply", str(file))
    assert code == 1
    assert "is not a saved plan" in out


def test_explain_shows_the_chain_newest_first(repo):
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.run("explain", "serving.replicas", "--app", "prod/one/web")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "serving.replicas = 3"
    assert re.match(rf"  3 +{OWN}:1:11 +override +wins", lines[1])
    assert re.match(r"  1 +environments/base.yaml:1:11 +set", lines[2])
    assert "used by  Deployment/web-v1  spec.replicas" in out


def test_explain_shows_a_deleted_path_and_exits_1(repo):
    repo.write(OWN, "serving: {resources: {cpu: null}}\n")
    code, out = repo.run("explain", "serving.resources.cpu", "--app", "prod/one/web")
    assert code == 1
    assert "(deleted)" in out
    assert f"{OWN}:1:23" in out


def test_explain_a_line_that_never_wins(repo):
    repo.write(OWN, "serving: {replicas: 3}\n")
    code, out = repo.run("explain", "--at", "environments/base.yaml:1", "--app", "prod/one/web")
    assert code == 0
    assert f"overridden by {OWN}:1:11" in out


def test_explain_a_field_of_an_object(repo):
    code, out = repo.run("explain", "--object", "Deployment/web-v1", "spec.replicas")
    assert code == 0
    assert "environments/base.yaml:1:11" in out


def test_explain_of_nothing(repo):
    code, out = repo.run("explain", "serving.nothing")
    assert (code, out) == (1, "no app has a value at serving.nothing\n")


@pytest.mark.parametrize("path", ["a..b", "a[", ".a", "a b"])
def test_explain_of_a_path_that_is_none(repo, path):
    code, out = repo.run("explain", path)
    assert code == 1
    assert "error[E_PATH]" in out


def test_promote_moves_one_line_and_keeps_the_rest(repo):
    repo.write(POINTER, '# who moves it: promote\nserving:\n  version: "v1"   # the pointer\n')
    repo.commit()
    code, out = repo.run("promote", "web", "--to", "prod", "--version", "v2")
    assert code == 0
    assert (repo.folder / POINTER).read_text() == (
        '# who moves it: promote\nserving:\n  version: "v2"   # the pointer\n'
    )
    assert '-  version: "v1"   # the pointer\n+  version: "v2"   # the pointer\n' in out


def test_promote_of_a_version_without_a_record_is_refused(repo):
    code, out = repo.run("promote", "web", "--to", "prod", "--version", "v9")
    assert code == 4
    assert "has no record of version 'v9'" in out
    assert "recorded versions: v1, v2" in out


def test_promote_names_a_group_that_overrides_the_pointer(repo):
    repo.write(OWN, 'serving: {version: "v1"}\n')
    code, out = repo.run("promote", "web", "--to", "prod", "--version", "v2")
    assert code == 4
    assert f"prod/one ({OWN}:1:11)" in out
    code, _ = repo.run("promote", "web", "--to", "prod", "--group", "one", "--version", "v2")
    assert code == 0
    assert (repo.folder / OWN).read_text() == 'serving: {version: "v2"}\n'


def test_promote_onto_a_branch_leaves_the_work_tree_alone(repo):
    before = (repo.folder / POINTER).read_text()
    code, out = repo.run("promote", "web", "--to", "prod", "--version", "v2", "--branch", "go-v2")
    assert code == 0
    assert "go-v2" in out
    assert (repo.folder / POINTER).read_text() == before
    assert "v2" in repo.run("render", "--revision", "go-v2")[1]


def test_status_without_a_cluster_judges_nothing(repo):
    code, out = repo.run("status")
    assert code == 0
    assert re.search(r"prod/one/web +- +v1", out)


def test_layers_lists_the_files_of_an_app(repo):
    code, out = repo.run("layers", "--app", "prod/one/web")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[1:]][-6:] == [
        "environments/types/vision.yaml",
        "models/web/model.yaml",
        "environments/prod/environment.yaml",
        "environments/prod/one/group.yaml",
        POINTER,
        OWN,
    ]


def test_an_app_that_is_no_id(repo):
    code, out = repo.run("check", "--app", "web")
    assert code == 1
    assert "ENVIRONMENT/GROUP/MODEL" in out


def test_a_removed_app_file_prunes_its_objects(repo):
    repo.live("apply")
    (repo.folder / OWN).unlink()
    repo.commit()
    code, out = repo.live("reconcile", "--once")
    assert code in (0, 4), out
    assert "Deployment/web-v1" in out


def test_output_has_no_colours_where_nobody_looks(repo):
    assert "\x1b" not in repo.run("plan")[1]


def test_a_line_of_a_type_shows_exactly_what_it_reaches(sample):
    sample.live("apply")
    sample.edit(
        "environments/types/computer-vision.yaml",
        "  resources: {cpu: 2, memory: 4Gi}",
        "  resources: {cpu: 2, memory: 6Gi}",
    )
    code, out = sample.live("plan", "-o", "json", "--exit-code")
    assert code == 2
    place = "environments/types/computer-vision.yaml:15:23"
    changed = {}
    for app in _report(out)["plan"]["apps"]:
        for change in (c for wave in app["waves"] for c in wave):
            if change["action"] == "update" and "InferenceService" in change["object"]:
                changed[app["app"]] = {
                    f["path"]: f["origin"][0]["at"]
                    for f in change["fields"]
                    if "ml-reconciler.dev/content" not in f["path"]  # follows from the others
                }
    fields = {
        "spec.predictor.model.resources.requests.memory": place,
        "spec.predictor.model.resources.limits.memory": place,
    }
    assert changed == dict.fromkeys(
        ("dev/main/mnist", "prod/hz-a/mnist", "prod/hz-b/mnist", "staging/main/mnist"), fields
    )


def test_a_denied_policy_writes_nothing(sample):
    sample.live("apply")
    before = sample.cluster.read_bytes()
    sample.edit(
        "models/search-ranker/model.yaml",
        "@sha256:b81dd8d6ead3c93c76cb2aee030370c12fd405ab66772d3cea149bc23b52980b",
        ":latest",
    )
    sample.commit()
    code, out = sample.live("apply")
    assert code == 3
    assert "models/search-ranker/model.yaml:34:3" in out
    assert "Nothing was written." in out
    assert _objects(sample) == _objects(sample, before)


def _objects(repo, data=None):
    import sqlite3

    file = repo.cluster
    if data is not None:
        file = repo.cluster.with_name("before.db")
        file.write_bytes(data)
    with sqlite3.connect(file) as found:
        return sorted(found.execute("select * from objects").fetchall())


def test_explain_all_answers_for_every_leaf_of_every_sample_app(sample):
    code, out = sample.run("explain", "--all", "-o", "json")
    assert code == 0
    chains = _report(out)["chains"]
    assert len(chains) > 1000
    assert all(chain["chain"] for chain in chains)
    for chain in chains[::97]:
        code, out = sample.run("explain", chain["path"], "--app", chain["app"], "-o", "json")
        assert code == (1 if chain["deleted"] else 0), chain["path"]
        (found,) = _report(out)["chains"]
        assert found["chain"] == chain["chain"]


def test_the_demo_tells_its_story_to_the_end():
    code, out = run_captured(["demo"])
    assert code == 0, out
    assert "the story expected" not in out
    for word in (
        "12 apps fine.",
        "v3 has all traffic",
        "minReplicas",
        "image-digest",
        "What you saw",
    ):
        assert word in out
    assert max(len(line) for line in out.splitlines()) <= 130


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch X'",
        "fd::17",
        "file:///etc",
        "-oProxyCommand=x",
        "https://user:hunter2pw@example.org/x",
        "https://example.org/x\ny",
        "git://example.org/x",
    ],
)
def test_a_repository_url_that_git_must_never_see(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out = run_captured(["check", "--repo", url])
    assert code == 1
    assert "error[E_URL]" in out
    assert "hunter2pw" not in out
    assert list(tmp_path.iterdir()) == []


def test_a_rewritten_history_is_not_applied_without_a_word(repo):
    repo.write(OWN, "serving: {replicas: 3}\n")
    repo.commit()
    repo.live("apply")
    applied = repo.head()
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.write(OWN, "serving: {replicas: 2}\n")
    repo.commit()
    for command in (["apply"], ["reconcile", "--once"]):
        code, out = repo.live(*command)
        assert code == 4, out
        assert f"{applied[:12]} is applied, and" in out
        assert f"--allow-rewind {applied}" in out
    assert " 3" in repo.live("plan", "--all")[1]
    code, out = repo.live("reconcile", "--once", "--allow-rewind", applied)
    assert (code, "1 updated" in out) == (0, True)
    assert repo.live("reconcile", "--once")[0] == 0


def test_a_step_back_to_an_older_commit_needs_a_word_too(repo):
    older = repo.head()
    repo.write(OWN, "serving: {replicas: 3}\n")
    repo.commit()
    repo.live("apply")
    code, out = repo.live("apply", "--revision", older)
    assert code == 4
    assert "a step back" in out
    assert repo.live("apply", "--revision", older, "--allow-rewind", repo.head()[:12])[0] == 0


def test_explain_answers_for_every_field_of_every_drawn_object(sample):
    objects = json.loads(sample.run("render", "-o", "json")[1])["objects"]
    assert len(objects) > 40
    for found in objects:
        body = found["manifest"]
        target = f"{body['kind']}/{body['metadata']['name']}"
        code, out = sample.run(
            "explain", "--object", target, "", "--app", found["app"], "-o", "json"
        )
        assert code == 0, target
        chains = {c["path"].partition(" ")[2]: c for c in _report(out)["chains"]}
        for field in found["origins"]:
            assert chains[field]["chain"], (target, field)
        for path, value in _leaves(body):
            assert path in chains, (target, path)
            assert chains[path]["chain"] or chains[path]["note"], (target, path)
            assert value == chains[path]["value"] or isinstance(value, dict | list)


def _leaves(body, path=""):
    if isinstance(body, dict) and body:
        for key, child in body.items():
            name = f'"{key}"' if any(c in key for c in '."[] ') or not key else key
            yield from _leaves(child, f"{path}.{name}" if path else name)
    elif isinstance(body, list) and body:
        for index, child in enumerate(body):
            yield from _leaves(child, f"{path}[{index}]")
    else:
        yield path, body


def test_apps_removed_from_many_groups_at_once_need_a_word(sample):
    sample.live("apply")
    for path in sorted(sample.folder.rglob("search-ranker.yaml")):
        path.unlink()
    sample.commit()
    code, out = sample.live("reconcile", "--once")
    assert code == 4
    refused = re.search(
        r"deletes 14 objects of 5 apps gone from Git \(limit 10\)\n +if meant: --approve-prune (\w+)",
        out,
    )
    assert refused, out
    assert "deleted" not in out
    assert sample.live("reconcile", "--once", "--approve-prune", "0" * 12)[0] == 4
    code, out = sample.live("reconcile", "--once", "--approve-prune", refused[1])
    assert (code, "14 deleted" in out) == (0, True)


def test_an_emptied_tree_refuses(sample):
    sample.live("apply")
    sample.git("rm", "-qr", "environments", "models")
    sample.commit()
    code, out = sample.live("reconcile", "--once")
    assert code == 1
    assert "deleted" not in out
    assert sample.live("status", "--revision", "HEAD~1")[1].count(" ready ") == 9


@pytest.mark.parametrize("command", [["check"], ["plan"], ["render"]])
def test_a_selection_of_nothing_is_no_success(repo, command):
    code, out = repo.run(*command, "--environment", "prd")
    assert code == 1
    assert "error[E_SELECTION]: no application is selected by prd" in out
    assert "did you mean 'prod'?" in out


def test_a_removed_app_can_still_be_selected_to_be_pruned(repo):
    repo.live("apply")
    (repo.folder / OWN).unlink()
    repo.commit()
    code, out = repo.live("reconcile", "--once", "--app", "prod/one/web")
    approval = re.search(r"--approve-prune (\w+)", out)
    assert (code, approval is not None) == (4, True), out  # the group's last app is asked about
    code, out = repo.live(
        "reconcile", "--once", "--app", "prod/one/web", "--approve-prune", approval[1]
    )
    assert (code, "2 deleted" in out) == (0, True), out


def test_a_saved_plan_remembers_the_step_back_that_it_was_allowed(repo, tmp_path):
    file = tmp_path / "back.plan"
    older = repo.head()
    repo.write(OWN, "serving: {replicas: 3}\n")
    repo.commit()
    repo.live("apply")
    back = ["--allow-rewind", repo.head()]
    code, out = repo.live("plan", "--revision", older, *back, "--out", str(file))
    assert (code, file.exists()) == (0, True), out
    code, out = repo.live("apply", str(file))
    assert (code, "1 updated" in out) == (0, True), out
