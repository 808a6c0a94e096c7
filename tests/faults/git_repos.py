"""Real repositories for tests, made object by object, malformed ones too."""

import hashlib
import os
import subprocess
import zlib
from pathlib import Path

CONFIG = {
    "environments/layers.yaml": b"layers: []\n",
    "environments/prod/main/mnist.yaml": b"serving: {version: v1}\n",
    "models/mnist/model.yaml": b"model: {owner: vision}\n",
    "docs/readme.md": b"# docs\n",
}


def environment():
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_DATE": "1700000000 +0000",
    }


def left_out(tree):
    """The only error of a tree's entries; nothing at its path, or below it, is in the tree."""
    (item,) = tree.faults()
    at = item.site.file
    assert not [path for path in tree.blobs() if f"{path}/".startswith(f"{at}/")]
    return item


class Repo:
    """A bare repository, or one with a work tree, of which only plumbing is used.

    `head` is the commit that a test pushed, `url` where a test serves it."""

    head = ""
    url = ""

    def __init__(self, path: Path, *, bare=True, form="sha1"):
        self.path = path
        self.dir = path if bare else path / ".git"
        self.form = form
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (self.dir / folder).mkdir(parents=True)
        (self.dir / "HEAD").write_text("ref: refs/heads/main\n")
        version, extension = ("0", "")
        if form != "sha1":
            version, extension = ("1", f"[extensions]\n objectformat = {form}\n")
        (self.dir / "config").write_text(
            f"[core]\n repositoryformatversion = {version}\n bare = {str(bare).lower()}\n{extension}"
        )

    def _call(self, *args, given=b""):
        done = subprocess.run(
            ["git", *args], input=given, capture_output=True, env=environment(), check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def git(self, *args, given=b""):
        return self._call(f"--git-dir={self.dir}", *args, given=given)

    def object(self, kind, content):
        """Written as git writes it, but unchecked: malformed content is wanted here."""
        whole = b"%s %d\0" % (kind.encode(), len(content)) + content
        name = hashlib.new(self.form, whole).hexdigest()
        path = self.loose(name)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return name

    def promise(self, size):
        """A blob that says it has this size, and has next to nothing: nobody can have read it."""
        name = "b1" * (20 if self.form == "sha1" else 32)
        path = self.loose(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(b"blob %d\0" % size + b"#"))
        return name

    def blob(self, content):
        return self.object("blob", content)

    def tree(self, *entries):
        """Entries are (mode, name, id), written as they are: git checks nothing here."""
        raw = b"".join(
            mode.encode() + b" " + (name if isinstance(name, bytes) else name.encode()) + b"\0"
            + bytes.fromhex(id)
            for mode, name, id in entries
        )  # fmt: skip
        return self.object("tree", raw)

    def nested(self, files):
        """A tree of files; a value is bytes, or (mode, id) for what is no plain file."""
        here, below = {}, {}
        for path, content in files.items():
            first, _, rest = path.partition("/")
            if rest:
                below.setdefault(first, {})[rest] = content
            else:
                here[first] = content
        entries = [("40000", name, self.nested(inner)) for name, inner in below.items()]
        for name, content in here.items():
            mode, id = content if isinstance(content, tuple) else ("100644", self.blob(content))
            entries.append((mode, name, id))
        key = lambda e: e[1] + "/" if e[0] == "40000" else e[1]  # noqa: E731
        return self.tree(*sorted(entries, key=key))

    def commit(self, tree, *parents, message="change\n"):
        lines = [f"tree {tree}", *(f"parent {p}" for p in parents)]
        lines += [f"{who} a <a@example.org> 1700000000 +0000" for who in ("author", "committer")]
        return self.object("commit", ("\n".join(lines) + "\n\n" + message).encode())

    def ref(self, name, id):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(id + "\n")

    def push(self, files=None, *parents, ref="refs/heads/main"):
        """A commit of files on a ref; its id."""
        commit = self.commit(self.nested(CONFIG if files is None else files), *parents)
        self.ref(ref, commit)
        return commit

    def loose(self, id):
        return self.dir / "objects" / id[:2] / id[2:]


def lay(folder: Path, files=CONFIG):
    """Files as a work tree has them."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder
