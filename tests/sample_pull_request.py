"""The report on a sample pull request, as the program really writes it: `docs/` holds it, a test
keeps it fresh. `python -m tests.sample_pull_request` writes it anew."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from reconciler.cli.program import run_captured
from tests.support import FOLDERS, ROOT

FILE = ROOT / "docs" / "sample-pull-request.md"
NOW = "2026-11-23T10:00:00Z"
LINKS = "https://git.example/ml/config/blob/{head}"
EDITS = (
    ("environments/prod/mnist.yaml", '"v2"', '"v1"'),
    ("environments/types/computer-vision.yaml", "memory: 4Gi", "memory: 6Gi"),
    ("environments/prod/environment.yaml", "replicas: 2", "replicas: 1"),
    ("environments/base.yaml", "value: info", "value: debug"),
    ("models/search-ranker/model.yaml", "/ranker-server@sha256:", "/ranker-server:v7 # sha256:"),
)
GONE = ("environments/prod/hz-b/search-ranker.yaml",)


def git(folder, *args):
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "demo"), ("EMAIL", "demo@example.org"), ("DATE", NOW))
        },
    }
    done = subprocess.run(
        ["git", *args], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def produced(name="markdown"):
    """The report on a branch with the edits, in a format."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for part in FOLDERS:
            shutil.copytree(ROOT / part, folder / part)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Start")
        git(folder, "checkout", "-qb", "proposal")
        for path, before, after in EDITS:
            file = folder / path
            text = file.read_text()
            assert text.count(before) == 1, (path, before)
            file.write_text(text.replace(before, after))
        for path in GONE:
            (folder / path).unlink()
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "Propose")
        out = folder / "out"
        head = git(folder, "rev-parse", "HEAD")
        where = ("--repo", made, "--revision", head, "--now", NOW)
        files = ("--report", f"{name}={out}", "--link-base", LINKS.format(head=head))
        run_captured(["plan", "--base", "main", *where, *files])
        return out.read_text()


if __name__ == "__main__":
    FILE.write_text(produced())
