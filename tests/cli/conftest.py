"""A config repo in a folder of its own, with the program run on it as a user would."""

import os
import subprocess

import pytest

from reconciler.cli.program import run_captured
from tests.support import sample_files, small

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "t",
    "GIT_AUTHOR_EMAIL": "t@example.org",
    "GIT_COMMITTER_NAME": "t",
    "GIT_COMMITTER_EMAIL": "t@example.org",
}
START = "2026-11-23T10:00:00Z"


class Repo:
    def __init__(self, folder, files):
        self.folder = folder / "config"
        self.cluster = folder / "cluster.db"
        self.now = START
        self.folder.mkdir()
        for path, data in files.items():
            self.write(path, data)
        self.git("init", "-q", "-b", "main")
        self.commit()

    def write(self, path, data):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)

    def edit(self, path, before, after):
        text = (self.folder / path).read_text()
        assert text.count(before) == 1, (path, before)
        self.write(path, text.replace(before, after))

    def git(self, *args):
        subprocess.run(
            ["git", *args], cwd=self.folder, env=ENVIRONMENT, check=True, capture_output=True
        )

    def head(self):
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=self.folder,
            env=ENVIRONMENT,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")

    def run(self, *args, now=None):
        """(exit code, output), offline."""
        code, out = run_captured([*args, "--repo", str(self.folder), "--now", now or self.now])
        return int(code), out

    def live(self, *args, now=None):
        """(exit code, output), on the embedded cluster."""
        return self.run(*args, "--embedded", str(self.cluster), now=now)


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path, small().files)


@pytest.fixture
def sample(tmp_path):
    return Repo(tmp_path, sample_files())
