"""What a shell completes: values of the work tree, and never a word on standard error."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from reconciler.cli import completion

ROOT = Path(__file__).parents[3]


def complete(line, folder=ROOT, **environment):
    """The values that bash is offered for the last word of a command line."""
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-m", "reconciler"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_RECONCILER_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return [row.split(",", 1)[1] for row in done.stdout.splitlines() if row.startswith("plain,")]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("reconciler sta", ["status"]),
        ("reconciler plan -e ", ["dev", "prod", "staging"]),
        ("reconciler plan --group prod/", ["prod/hz-a", "prod/hz-b", "prod/train"]),
        ("reconciler status -m se", ["search-ranker"]),
        ("reconciler explain --app prod/hz-b/", ["prod/hz-b/mnist", "prod/hz-b/search-ranker"]),
        ("reconciler promote mnist --to st", ["staging"]),
        ("reconciler promote mnist --version ", ["v1", "v2"]),
        ("reconciler promote mn", ["mnist"]),
    ],
)
def test_values_of_the_work_tree_are_offered(line, wanted):
    assert complete(line) == wanted


def test_another_repo_is_read_where_the_line_names_it(tmp_path):
    assert complete(f"reconciler plan --repo {ROOT} -e p", tmp_path) == ["prod"]


@pytest.mark.parametrize("repo", ["", "--repo /nowhere ", "--repo https://git.example/c.git "])
def test_without_a_work_tree_nothing_is_offered_and_nothing_is_said(repo, tmp_path):
    for option in ("-e", "-g", "-m", "--app"):
        assert complete(f"reconciler plan {repo}{option} ", tmp_path) == []


def test_a_folder_that_nobody_may_read_is_no_error(tmp_path):
    (tmp_path / "environments").write_text("no folder")
    (tmp_path / "models").symlink_to(tmp_path / "models")
    assert complete("reconciler plan -m ", tmp_path) == []
    assert complete("reconciler plan -e ", tmp_path) == []


def test_completion_reads_names_only(tmp_path):
    """No file is opened: one that is not YAML offers its name."""
    group = tmp_path / "environments" / "prod" / "one"
    group.mkdir(parents=True)
    for name in ("group", "web"):
        (group / f"{name}.yaml").write_bytes(b"\xff\x00")
    context = click.Context(click.Command("plan"))
    context.params["repo"] = str(tmp_path)
    param = click.Option(["--app"])
    assert completion.apps(context, param, "") == ["prod/one/web"]
    assert completion.groups(context, param, "") == ["one", "prod/one"]
    assert completion.environments(context, param, "") == []
