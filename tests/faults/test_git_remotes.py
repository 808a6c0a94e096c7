"""A remote over the wire: git's own daemon and a web server on loopback, friendly and hostile."""

import base64
import contextlib
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reconciler.adapters import git
from reconciler.adapters.git import remote
from reconciler.errors import SourceError
from tests.faults.git_repos import CONFIG, Repo, environment
from tests.ports import free_port

TOKEN = "s3cr3t-t0ken-value"


def refused(call, *args, **options):
    with pytest.raises(SourceError) as caught:
        call(*args, **options)
    assert caught.value.message
    return caught.value


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """git daemon over a folder; gives the folder and its URL."""
    base = tmp_path_factory.mktemp("served")
    port = free_port()
    process = subprocess.Popen(
        [
            "git", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1",
            f"--port={port}", f"--base-path={base}", "--log-destination=stderr", "--verbose",
            str(base),
        ],
        env=environment(), stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert b"Ready" in process.stderr.readline()
    yield base, f"git://127.0.0.1:{port}"
    os.killpg(process.pid, 15)
    process.stderr.read()
    process.stderr.close()
    process.wait()


@pytest.fixture
def served(daemon, request):
    base, url = daemon
    name = f"r{len(list(base.iterdir()))}.git"
    repo = Repo(base / name)
    repo.url = f"{url}/{name}"
    return repo


def fetch(repo, cache, ref="refs/heads/main", **options):
    return remote.fetch(repo.url, ref, cache, allow_loopback=True, **options)


def test_a_branch_is_fetched_and_read(served, tmp_path):
    commit = served.push()
    found = fetch(served, tmp_path / "cache")
    assert found.commit == commit
    tree = git.open_commit(found.repo, found.commit)
    assert dict(tree.read(["models/mnist/model.yaml"])) == {
        "models/mnist/model.yaml": CONFIG["models/mnist/model.yaml"]
    }


def test_the_next_fetch_brings_the_new_commit_and_knows_the_old_one(served, tmp_path):
    first = served.push()
    fetch(served, tmp_path)
    second = served.push({"models/x.yaml": b"{}\n"}, first)
    found = fetch(served, tmp_path)
    assert found.commit == second
    assert git.is_ancestor(found.repo, first, second)


def test_a_force_push_is_told_from_a_step_forward(served, tmp_path):
    first = served.push()
    repo, _ = fetch(served, tmp_path)
    other = served.push({"models/x.yaml": b"{}\n"})
    assert fetch(served, tmp_path).commit == other
    assert not git.is_ancestor(repo, first, other)
    assert git.open_commit(repo, first).blobs()


def test_the_commit_of_a_ref_that_was_fetched_last_is_known_without_the_remote(served, tmp_path):
    assert remote.last_seen(served.url, "main", tmp_path) is None
    served.push()
    second = served.push({"models/x.yaml": b"{}\n"})
    other = served.push({"models/y.yaml": b"{}\n"}, ref="refs/heads/other")
    fetch(served, tmp_path)
    fetch(served, tmp_path, "refs/heads/other")
    for name in ("main", "refs/heads/main"):
        assert remote.last_seen(served.url, name, tmp_path).commit == second
    assert remote.last_seen(served.url, "other", tmp_path).commit == other
    assert remote.last_seen(served.url, "third", tmp_path) is None
    assert remote.last_seen(served.url + "x", "main", tmp_path) is None


def test_a_short_name_is_looked_up(served, tmp_path):
    commit = served.push(ref="refs/heads/release/v1")
    assert fetch(served, tmp_path, "release/v1").commit == commit
    served.ref("refs/tags/light", commit)
    assert fetch(served, tmp_path, "light").commit == commit


def test_a_branch_and_a_tag_of_one_name_are_ambiguous(served, tmp_path):
    commit = served.push()
    served.ref("refs/tags/main", served.push({}, commit, ref="refs/heads/other"))
    error = refused(fetch, served, tmp_path, "main")
    assert "a branch and a tag" in error.message
    assert fetch(served, tmp_path, "refs/heads/main").commit == commit


def test_only_the_configured_ref_is_brought(served, tmp_path):
    served.push()
    hidden = served.push({"models/secret.yaml": b"{}\n"}, ref="refs/heads/other")
    served.ref("refs/heads/-evil", hidden)
    served.ref("refs/heads/--output=X", hidden)
    served.ref("refs/tags/v1", hidden)
    found = fetch(served, tmp_path)
    refs = subprocess.run(
        ["git", f"--git-dir={found.repo}", "for-each-ref", "--format=%(refname)"],
        capture_output=True, text=True, env=environment(), check=True,
    )  # fmt: skip
    kept, source = refs.stdout.split()
    assert kept.startswith("refs/reconciler/seen/")
    assert source == "refs/reconciler/source"
    assert refused(git.open_commit, found.repo, hidden).code == "E_SOURCE"


def test_a_hundred_thousand_refs_are_not_listed(served, tmp_path):
    commit = served.push()
    lines = ["# pack-refs with: peeled fully-peeled sorted \n"]
    lines += [f"{commit} refs/heads/b{n:06}\n" for n in range(100_000)]
    (served.dir / "packed-refs").write_text("".join(lines))
    assert fetch(served, tmp_path).commit == commit


@pytest.mark.parametrize(
    "ref",
    ["", "-evil", "--upload-pack=touch X", "refs/heads/-evil", "refs/heads/--output=X", "a..b",
     "refs/notes/x", "refs/heads/x\ny", "refs/heads/*", "main:refs/heads/x", "+main", "HEAD",
     "refs/heads/", "a//b", "x.lock", "a@{1}", "a b", "^main"],
)  # fmt: skip
def test_a_ref_that_git_could_misread_is_refused(served, tmp_path, ref):
    served.push()
    assert refused(fetch, served, tmp_path, ref).code == "E_SOURCE"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_repository_and_a_deleted_ref_are_errors(served, tmp_path):
    assert "has no ref" in refused(fetch, served, tmp_path).message
    served.push()
    fetch(served, tmp_path)
    (served.dir / "refs/heads/main").unlink()
    assert "has no ref" in refused(fetch, served, tmp_path).message


def test_a_ref_to_a_blob_or_a_tag_object_is_an_error(served, tmp_path):
    commit = served.push()
    served.ref("refs/heads/blob", served.blob(b"x"))
    assert refused(fetch, served, tmp_path, "refs/heads/blob").code == "E_SOURCE"
    text = f"object {commit}\ntype commit\ntag v1\ntagger a <a@b> 1700000000 +0000\n\nx\n"
    tag = served.object("tag", text.encode())
    served.ref("refs/tags/v1", tag)
    error = refused(fetch, served, tmp_path, "refs/tags/v1")
    assert "points to a tag" in error.message
    served.ref("refs/heads/tagged", tag)
    assert refused(fetch, served, tmp_path, "refs/heads/tagged").code == "E_SOURCE"


def test_a_shallow_remote_is_an_error(served, tmp_path):
    first = served.push()
    second = served.push({"models/x.yaml": b"{}\n"}, first)
    (served.dir / "shallow").write_text(second + "\n")
    served.loose(first).unlink()
    assert "shallow" in refused(fetch, served, tmp_path).message


def test_a_depth_brings_one_commit_and_no_depth_later_the_rest(served, tmp_path):
    first = served.push()
    second = served.push({"models/x.yaml": b"{}\n"}, first)
    found = fetch(served, tmp_path, limits=remote.FetchLimits(depth=1))
    assert found.commit == second
    assert "not known" in refused(git.is_ancestor, found.repo, first, second).message
    assert fetch(served, tmp_path).commit == second
    assert git.is_ancestor(found.repo, first, second)


def test_malformed_objects_are_refused_on_the_way_in(served, tmp_path):
    inner = served.tree(("100644", ".git", served.blob(b"x")))
    served.ref("refs/heads/main", served.commit(served.tree(("40000", "models", inner))))
    error = refused(fetch, served, tmp_path)
    assert error.code == "E_SOURCE"


def test_a_missing_object_on_the_remote_is_an_error(served, tmp_path):
    served.push()
    served.loose(served.git("rev-parse", "main:models/mnist/model.yaml")).unlink()
    assert refused(fetch, served, tmp_path).code == "E_SOURCE"


def test_objects_of_sha256_are_fetched(daemon, tmp_path):
    base, url = daemon
    repo = Repo(base / "sha256.git", form="sha256")
    repo.url = f"{url}/sha256.git"
    commit = repo.push()
    assert fetch(repo, tmp_path).commit == commit


def packs(repo):
    return sorted((repo / "objects").rglob("*.pack"))


@pytest.mark.parametrize("how", ["truncated", "emptied", "deleted"])
def test_a_damaged_cache_is_made_anew_by_the_next_run(served, tmp_path, how):
    commit = served.push({f"models/m{n}/model.yaml": b"n: %d\n" % n for n in range(150)})
    found = fetch(served, tmp_path)
    (pack,) = packs(found.repo)
    content = pack.read_bytes()
    pack.chmod(0o600)
    if how == "deleted":
        pack.unlink()
    else:
        pack.write_bytes(content[: len(content) // 2] if how == "truncated" else b"")
    assert refused(git.open_commit, found.repo, commit).code == "E_SOURCE"
    again = fetch(served, tmp_path)
    assert again == found
    assert len(git.open_commit(again.repo, again.commit).blobs()) == 150


def test_damage_that_only_a_reader_sees_is_repaired_too(served, tmp_path):
    commit = served.push()
    found = fetch(served, tmp_path)
    tree = git.open_commit(found.repo, commit)
    blob = tree.blobs()["models/mnist/model.yaml"].blob_id
    copy = Repo(tmp_path / "evil.git")
    evil = copy.loose(copy.blob(b"model: {owner: mallory}"))
    (pack,) = packs(found.repo)
    content = pack.read_bytes()
    pack.unlink()
    subprocess.run(
        ["git", f"--git-dir={found.repo}", "unpack-objects", "-q"],
        input=content, env=environment(), check=True,
    )  # fmt: skip
    loose = found.repo / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o600)
    loose.write_bytes(evil.read_bytes())
    error = refused(lambda: list(tree.read(["models/mnist/model.yaml"])))
    assert "next run" in error.hint
    fetch(served, tmp_path)
    assert dict(git.open_commit(found.repo, commit).read(["models/mnist/model.yaml"])) == {
        "models/mnist/model.yaml": CONFIG["models/mnist/model.yaml"]
    }


def test_a_folder_that_is_not_our_cache_is_never_deleted(served, tmp_path):
    served.push()
    found = fetch(served, tmp_path)
    (found.repo / "reconciler-cache").unlink()
    (found.repo / "reconciler-damaged").touch()
    assert "not deleted" in refused(fetch, served, tmp_path).message
    assert found.repo.is_dir()


def test_the_caller_s_environment_and_config_have_no_effect(served, tmp_path, monkeypatch):
    commit = served.push()
    marker = tmp_path / "marker"
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {marker}\n")
    trap.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f'[url "git://127.0.0.1:1/"]\n insteadOf = git://\n[core]\n fsmonitor = {trap}\n'
        f' hooksPath = {tmp_path}\n gitProxy = {trap}\n[credential]\n helper = "!{trap}"\n'
    )
    (tmp_path / "reference-transaction").symlink_to(trap)
    for name, value in {
        "HOME": str(tmp_path), "GIT_DIR": "/nonexistent", "GIT_SSH_COMMAND": str(trap),
        "GIT_TRACE": str(marker), "GIT_PROXY_COMMAND": str(trap), "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": str(tmp_path),
        "GIT_ALLOW_PROTOCOL": "ext", "GIT_TEMPLATE_DIR": str(tmp_path),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    assert fetch(served, tmp_path / "cache").commit == commit
    assert not marker.exists()


def test_a_refused_url_starts_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for url in (f"ext::sh -c 'touch {tmp_path}/X'", str(tmp_path), "https://a:hunter22@h.org/x"):
        error = refused(remote.fetch, url, "main", tmp_path / "cache")
        assert error.code == "E_URL"
        assert "hunter22" not in error.message
    assert list(tmp_path.iterdir()) == []


def test_without_git_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refused(remote.fetch, "https://127.0.0.1:1/x", "main", tmp_path)
    assert "git" in error.hint


# -- hostile web servers -----------------------------------------------------------------------


@contextlib.contextmanager
def web(answer, context=None):
    """A web server that gives every request to `answer(handler)`; yields the URL and requests."""
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            answer(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            """A client that trusts nobody hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "https" if context is not None else "http"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def say(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def login():
    return remote.Credentials(user="bot", password=TOKEN)


def test_a_wrong_password_ends_in_an_error_without_it(tmp_path):
    def deny(handler):
        given = handler.headers.get("Authorization", "")
        body = f"token {TOKEN} {given} is not valid".encode()
        say(handler, 401, body, WWW_Authenticate='Basic realm="x"', Content_Type="text/plain")

    with web(deny) as (url, seen):
        error = refused(
            remote.fetch, f"{url}/c.git", "main", tmp_path, credentials=login(), allow_loopback=True
        )
    wanted = "Basic " + base64.b64encode(f"bot:{TOKEN}".encode()).decode()
    assert any(headers.get("Authorization") == wanted for _, headers in seen)
    assert TOKEN not in error.message + error.hint
    assert wanted not in error.message
    assert TOKEN not in repr(login())


def test_a_server_that_echoes_the_token_in_its_error_is_not_quoted(tmp_path):
    with web(lambda h: say(h, 403, TOKEN.encode(), Content_Type="text/plain")) as (url, _):
        error = refused(
            remote.fetch, f"{url}/c.git", "main", tmp_path, credentials=login(), allow_loopback=True
        )
    assert TOKEN not in error.message + error.hint


def test_without_credentials_nobody_is_asked_for_them(tmp_path):
    deny = lambda h: say(h, 401, WWW_Authenticate='Basic realm="x"')  # noqa: E731
    with web(deny) as (url, _):
        error = refused(remote.fetch, f"{url}/c.git", "main", tmp_path, allow_loopback=True)
    assert "credentials" in error.message


def test_a_redirect_is_not_followed_and_takes_no_token_along(tmp_path):
    with web(lambda h: say(h, 404)) as (other, stolen):
        away = lambda h: say(h, 302, Location=other + h.path)  # noqa: E731
        with web(away) as (url, _):
            refused(
                remote.fetch, f"{url}/c.git", "main", tmp_path, credentials=login(),
                allow_loopback=True,
            )  # fmt: skip
    assert stolen == []


def test_a_url_is_sent_literally(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", TOKEN)
    with web(lambda h: say(h, 404)) as (url, seen):
        error = refused(
            remote.fetch, f"{url}/$SECRET/~root/c", "main", tmp_path, allow_loopback=True
        )
    assert seen[0][0].startswith("/$SECRET/~root/c/")
    assert TOKEN not in str(seen) + error.message


def test_a_remote_that_never_answers_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git://127.0.0.1:{server.getsockname()[1]}/c.git"
        limits = remote.FetchLimits(timeout=0.3)
        error = refused(remote.fetch, url, "main", tmp_path, limits=limits, allow_loopback=True)
    assert "did not finish" in error.message


def test_a_remote_that_answers_without_end_is_stopped(tmp_path):
    line = "".join(f"{n:040x}\trefs/heads/main\n" for n in range(1000)).encode()

    def flood(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.end_headers()
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(line)

    with web(flood) as (url, _):
        limits = remote.FetchLimits(timeout=0.5)
        error = refused(
            remote.fetch, f"{url}/c", "main", tmp_path, limits=limits, allow_loopback=True
        )
    assert error.code in ("E_SIZE", "E_SOURCE")


def test_ssh_is_called_with_pinned_hosts_and_nobody_s_config(tmp_path, monkeypatch):
    spy = tmp_path / "bin/ssh"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\nexit 255\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent")
    key, hosts = tmp_path / "a key; touch X", tmp_path / "known hosts"
    pinned = remote.Credentials(ssh_key=key, known_hosts=hosts)
    refused(remote.fetch, "git@git.example.org:~u/$X", "main", tmp_path / "c", credentials=pinned)
    said = (tmp_path / "said").read_text().splitlines()
    assert {"-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oIdentitiesOnly=yes"} <= set(said)
    assert said[said.index("-F") + 1] == "none"
    assert said[said.index("-i") + 1] == str(key)
    assert f'-oUserKnownHostsFile="{hosts}"' in said
    assert "git@git.example.org" in said
    assert said[-1] == "git-upload-pack '~u/$X'"


@pytest.mark.parametrize(
    ("said", "expected", "way_out"),
    [
        ("Host key verification failed.", "the host's key is not known", "KNOWN_HOSTS"),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\\nHost key verification failed.",
            "the host's key is not the one that is known",
            "replaced on purpose",
        ),
        ("git@h: Permission denied (publickey).", "did not accept the SSH key", "SSH_KEY"),
    ],
)
def test_what_ssh_refuses_is_named(tmp_path, monkeypatch, said, expected, way_out):
    spy = tmp_path / "bin/ssh"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "{said}\\n" >&2\nexit 255\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}{os.pathsep}{os.environ['PATH']}")
    error = refused(remote.fetch, "git@git.example.org:u/x", "main", tmp_path / "c")
    assert expected in error.message
    assert way_out in error.hint


@pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to make a key with"
)
def test_a_certificate_of_a_private_authority_is_named_and_can_be_trusted(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
         certificate, "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with web(lambda handler: say(handler, 404), context) as (url, seen):
        options = {"allow_loopback": True}
        error = refused(remote.fetch, f"{url}/r.git", "main", tmp_path / "c", **options)
        assert "the host's certificate is not trusted" in error.message
        assert "RECONCILER_GIT_CA_FILE" in error.hint
        assert seen == []
        trusting = remote.Credentials(authorities=certificate)
        error = refused(
            remote.fetch, f"{url}/r.git", "main", tmp_path / "c", credentials=trusting, **options
        )
        assert "certificate" not in error.message
        assert seen
