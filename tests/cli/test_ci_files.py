"""The files for CI systems: they parse, and their scripts do what they say, with no network."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import yaml

from tests.support import ROOT

ACTION = ROOT / "ci/github/action.yml"
COMMENT = ROOT / "ci/github/comment/action.yml"
WORKFLOW = ROOT / "ci/github/workflow.yml"
GITLAB = ROOT / "ci/gitlab/reconciler.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
MARKER = "<!-- ml-reconciler: plan -->"


def read(path):
    return yaml.safe_load(path.read_text())


def step(path, name):
    (found,) = [s for s in read(path)["runs"]["steps"] if s["name"] == name]
    return found


def program(folder, name, text):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def shell(tmp_path):
    """Runs a script as a runner would: bash -e, only the variables given."""
    tools = tmp_path / "bin"
    program(tools, "reconciler", f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    program(tools, "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def run(script, folder, **variables):
        environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "step-summary"),
            **variables,
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    run.tools = tools  # type: ignore[attr-defined]
    return run


# -- as files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ACTION, COMMENT], ids=["action", "comment"])
def test_an_action_says_what_each_input_is_and_reads_it_as_a_variable(path):
    found = read(path)
    assert found["runs"]["using"] == "composite"
    for name, given in found["inputs"].items():
        assert given["description"], name
    for one in found["runs"]["steps"]:
        assert one["shell"] == "bash"
        assert "${{" not in one["run"], "what an expression gives would be a part of the script"
    used = set(re.findall(r"inputs\.([a-z-]+)", path.read_text()))
    assert used == set(found["inputs"])


def test_the_job_that_reads_strangers_text_may_write_nothing():
    jobs = read(WORKFLOW)["jobs"]
    assert read(WORKFLOW)["permissions"] == {}
    assert jobs["plan"]["permissions"] == {"contents": "read"}
    checkout = jobs["plan"]["steps"][0]["with"]
    assert checkout["persist-credentials"] is False
    assert "pull_request_target" not in read(WORKFLOW)[True]  # YAML 1.1 reads `on` so


def test_the_job_that_may_write_never_sees_the_config():
    job = read(WORKFLOW)["jobs"]["comment"]
    assert not any("checkout" in one["uses"] for one in job["steps"])
    assert "head.repo.full_name == github.repository" in job["if"]


def test_gitlab_s_jobs_hand_over_reports():
    found = read(GITLAB)
    reports = found["reconciler:plan"]["artifacts"]["reports"]
    assert reports["codequality"].endswith(".json")
    assert reports["junit"].endswith(".xml")
    assert found["reconciler:note"]["variables"]["GIT_STRATEGY"] == "none"


def test_the_hook_reads_the_working_tree(sample):
    (hook,) = read(HOOKS)
    assert hook["id"] == "reconciler-check"
    assert hook["pass_filenames"] is False
    sample.edit("models/mnist/model.yaml", "owner: vision", "ownr: vision")
    command = hook["entry"].split()
    assert command[0] == "reconciler"
    code, out = sample.run(*command[1:])
    assert (code, "model.ownr" in out) == (1, True)


# -- as programs -----------------------------------------------------------------------------------


def action(shell, repo, tmp_path, **variables):
    given = {
        "COMMAND": "plan",
        "CONFIG": ".",
        "BASE": "main",
        "HEAD_SHA": "f" * 40,
        "ARGUMENTS": "",
        "FAIL_ON": "empty",
        "FILES": str(tmp_path / "files"),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        **variables,
    }
    assert set(step(ACTION, "Run")["env"]) <= set(given)
    return shell(step(ACTION, "Run")["run"], repo.folder, **given)


def outputs(tmp_path):
    return dict(line.split("=", 1) for line in (tmp_path / "output").read_text().splitlines())


def test_the_action_plans_a_pull_request(shell, sample, tmp_path):
    sample.edit("environments/prod/mnist.yaml", '"v2"', '"v1"')
    done = action(shell, sample, tmp_path)
    assert done.returncode == 0, done.stderr
    found = outputs(tmp_path)
    assert found["exit-code"] == "0"
    with open(found["comment"]) as file:
        text = file.read()
    assert text.startswith(f"{MARKER}\n")
    assert f"https://github.com/o/r/blob/{'f' * 40}/environments/prod/mnist.yaml#L4" in text
    with open(found["sarif"]) as file:
        assert json.load(file)["version"] == "2.1.0"
    assert (tmp_path / "step-summary").read_text().startswith(MARKER)


def test_the_action_fails_with_annotations_and_leaves_the_reports(shell, sample, tmp_path):
    sample.edit("models/mnist/model.yaml", "owner: vision", "ownr: vision")
    done = action(shell, sample, tmp_path)
    assert done.returncode == 1
    assert "::error file=models/mnist/model.yaml,line=" in done.stdout
    assert outputs(tmp_path)["exit-code"] == "1"
    assert "ownr" in (tmp_path / "files/comment.md").read_text()


def test_the_action_fails_where_there_is_no_policy(shell, sample, tmp_path):
    shutil.rmtree(sample.folder / "policies")
    assert action(shell, sample, tmp_path).returncode == 1
    assert action(shell, sample, tmp_path, FAIL_ON="").returncode == 0


def test_the_action_leaves_a_report_when_the_base_is_unknown(shell, sample, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/comment.md").write_text("of another run")
    done = action(shell, sample, tmp_path, BASE="nowhere")
    assert done.returncode == 1
    text = (tmp_path / "files/comment.md").read_text()
    assert "another run" not in text
    assert "nowhere" in text


def test_what_is_given_to_the_action_is_never_run(shell, sample, tmp_path):
    evil = f"$(touch {tmp_path}/evil); touch {tmp_path}/evil"
    for name in ("BASE", "ARGUMENTS", "CONFIG", "HEAD_SHA", "FAIL_ON", "COMMAND"):
        assert action(shell, sample, tmp_path, **{name: evil}).returncode != 0 or name == "HEAD_SHA"
    assert not (tmp_path / "evil").exists()


def test_arguments_are_handed_on(shell, sample, tmp_path):
    done = action(
        shell,
        sample,
        tmp_path,
        ARGUMENTS="--environment staging --model mnist",
        COMMAND="check",
        BASE="",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with open(outputs(tmp_path)["json"]) as file:
        assert json.load(file)["apps"] == 1


#: Stands in for `gh api`: keeps the comments of pull request 7 of o/r, in pages of two.
GH = """#!{python}
import argparse, json, os, re

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["api"])
parser.add_argument("path")
parser.add_argument("--method", default="GET")
parser.add_argument("--field")
for flag in ("--paginate", "--slurp", "--silent"):
    parser.add_argument(flag, action="store_true")
asked = parser.parse_args()
with open(os.environ["STORE"]) as file:
    kept = json.load(file)
body = None
if asked.field:
    name, _, source = asked.field.partition("=")
    assert name == "body" and source[0] == "@", asked.field
    with open(source[1:]) as file:
        body = file.read()
path, _, query = asked.path.partition("?")
one = re.fullmatch("repos/o/r/issues/comments/([0-9]+)", path)
if asked.method == "GET" and path == "repos/o/r/issues/7/comments":
    assert asked.slurp
    pages = [kept[n : n + 2] for n in range(0, len(kept), 2)] or [[]]
    print(json.dumps(pages if asked.paginate else pages[:1]))
elif asked.method == "POST" and path == "repos/o/r/issues/7/comments":
    number = max((c["id"] for c in kept), default=0) + 1
    kept.append({{"id": number, "user": {{"login": os.environ["AUTHOR"]}}, "body": body}})
elif asked.method == "PATCH" and one:
    (comment,) = [c for c in kept if c["id"] == int(one[1])]
    comment["body"] = body
else:
    raise SystemExit("404 " + asked.method + " " + path)
with open(os.environ["STORE"], "w") as file:
    json.dump(kept, file)
"""


def post(shell, tmp_path, text, comments, number="7"):
    """(the step's process, the comments that the pull request has afterwards)."""
    program(shell.tools, "gh", GH.format(python=sys.executable))
    (tmp_path / "comment.md").write_text(text)
    store = tmp_path / "store.json"
    store.write_text(json.dumps(comments))
    done = shell(
        step(COMMENT, "Comment")["run"],
        tmp_path,
        GH_TOKEN="t",
        FILE=str(tmp_path / "comment.md"),
        NUMBER=number,
        AUTHOR="github-actions[bot]",
        REPOSITORY="o/r",
        STORE=str(store),
    )
    return done, json.loads(store.read_text())


def said(number, login, body):
    return {"id": number, "user": {"login": login}, "body": body}


OURS = "github-actions[bot]"
OTHERS = [said(1, "mallory", f"{MARKER}\nfake"), said(2, OURS, "another tool")]


def test_the_first_report_is_posted_and_others_comments_stay(shell, tmp_path):
    done, comments = post(shell, tmp_path, f"{MARKER}\nhello", OTHERS)
    assert done.returncode == 0, done.stderr
    assert comments == [*OTHERS, said(3, OURS, f"{MARKER}\nhello")]


def test_the_next_one_replaces_ours_and_nobody_else_s(shell, tmp_path):
    before = [*OTHERS, said(3, OURS, f"{MARKER}\r\nold")]  # on the second page
    done, comments = post(shell, tmp_path, f"{MARKER}\nnew", before)
    assert done.returncode == 0, done.stderr
    assert comments == [*OTHERS, said(3, OURS, f"{MARKER}\nnew")]


def test_a_file_that_is_no_report_is_not_posted(shell, tmp_path):
    for text in ("hello\n", f"hello\n{MARKER}\n", f"{MARKER}\n" + "x" * 70_000):
        done, comments = post(shell, tmp_path, text, OTHERS)
        assert done.returncode == 1
        assert comments == OTHERS


def test_without_a_pull_request_nothing_is_posted(shell, tmp_path):
    done, comments = post(shell, tmp_path, f"{MARKER}\n", OTHERS, number="")
    assert (done.returncode, comments) == (0, OTHERS)


def gitlab(shell, repo, **variables):
    (script,) = read(GITLAB)["reconciler:plan"]["script"]
    return shell(
        script,
        repo.folder,
        **{
            "RECONCILER_CONFIG": ".",
            "RECONCILER_ARGUMENTS": "",
            "RECONCILER_FAIL_ON": "empty",
            "CI_PROJECT_URL": "https://gitlab.example/g/p",
            "CI_COMMIT_SHA": "e" * 40,
            **variables,
        },
    )


def test_gitlab_s_job_writes_its_reports(shell, sample):
    sample.edit("models/mnist/model.yaml", "owner: vision", "ownr: vision")
    done = gitlab(shell, sample, CI_MERGE_REQUEST_DIFF_BASE_SHA="main")
    assert done.returncode == 1
    folder = sample.folder / "reconciler-report"
    assert json.loads((folder / "quality.json").read_text())
    assert ET.parse(folder / "junit.xml").getroot().get("failures") != "0"
    assert (
        f"https://gitlab.example/g/p/-/blob/{'e' * 40}/models/mnist/model.yaml#L"
        in (folder / "note.md").read_text()
    )


def test_gitlab_s_job_checks_a_branch(shell, sample):
    done = gitlab(shell, sample)
    assert done.returncode == 0, done.stderr
    assert "fine" in done.stdout


NOTES = "/api/v4/projects/3/merge_requests/9/notes"


class _Api(http.server.BaseHTTPRequestHandler):
    """Keeps the notes of a merge request; user 5 asks. `edits` counts the times that a note changed."""

    server: Any

    def _answer(self, found, status=200):
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/api/v4/user":
            self._answer({"id": 5})
        elif path == NOTES:
            self._answer(self.server.notes if query.endswith("page=1") else [])
        else:
            self._answer({}, 404)

    def _write(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        notes, number = self.server.notes, self.path.removeprefix(f"{NOTES}/")
        if self.headers["PRIVATE-TOKEN"] != "secret-token":
            self._answer({}, 401)
        elif self.command == "POST" and self.path == NOTES:
            notes.append(_note(len(notes) + 1, 5, body))
            self._answer(notes[-1], 201)
        elif self.command == "PUT" and number in [str(note["id"]) for note in notes]:
            (found,) = [note for note in notes if str(note["id"]) == number]
            found |= {"body": body, "edits": found["edits"] + 1}
            self._answer(found)
        else:
            self._answer({}, 404)

    do_POST = do_PUT = _write  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    server: Any = http.server.HTTPServer(("127.0.0.1", 0), _Api)
    server.notes = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def note(shell, api, folder, text):
    (folder / "reconciler-report").mkdir(exist_ok=True)
    (folder / "reconciler-report/note.md").write_text(text)
    (script,) = read(GITLAB)["reconciler:note"]["script"]
    return shell(
        script,
        folder,
        CI_API_V4_URL=f"http://127.0.0.1:{api.server_port}/api/v4",
        CI_PROJECT_ID="3",
        CI_MERGE_REQUEST_IID="9",
        RECONCILER_NOTE_TOKEN="secret-token",
        no_proxy="*",
    )


def _note(number, author, body, edits=0):
    return {"id": number, "author": {"id": author}, "body": body, "edits": edits}


def test_gitlab_s_note_is_posted_then_replaced_then_left_alone(shell, api, tmp_path):
    others = _note(1, 6, f"{MARKER}\nfake")
    api.notes = [others]
    done = note(shell, api, tmp_path, f"{MARKER}\nfirst")
    assert done.returncode == 0, done.stderr
    assert api.notes == [others, _note(2, 5, f"{MARKER}\nfirst")]
    assert note(shell, api, tmp_path, f"{MARKER}\nsecond").returncode == 0
    replaced = [others, _note(2, 5, f"{MARKER}\nsecond", edits=1)]
    assert api.notes == replaced
    assert note(shell, api, tmp_path, f"{MARKER}\nsecond").returncode == 0
    assert api.notes == replaced
    assert note(shell, api, tmp_path, "no marker").returncode != 0
    assert api.notes == replaced
