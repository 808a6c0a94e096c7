"""Secrets in every slot, every command, every format: none of their spellings comes out. (F55, F57)"""

import base64
import json
from urllib.parse import quote

import pytest

from reconciler import kinds
from reconciler.cli.program import run_captured
from reconciler.engine import apply_plan
from reconciler.engine.views import reviews
from reconciler.objects.key import ObjectKey
from reconciler.objects.outcome import RefusalCause, Refused
from reconciler.output import format as formats
from reconciler.simulation.cluster import EmbeddedCluster
from tests.cli.conftest import Repo
from tests.support import small

OWN = "environments/prod/one/web.yaml"
CANARIES = {
    "env": 'kanarie-"env"/1&7',
    "multi": "kanarie-multi-line-2",
    "args": "kanarie-args-3",
    "flag": "kanarie-flag-4",
    "url": "kanarie-url-5",
    "header": "kanarie.header-6",
    "data": "kanarie<data>7",
    "string": "kanarie-string-8",
    "applied": "kanarie-applied-9",
    "echo": "kanarie-data-in-error-10",
}
SECRET = ObjectKey("", "Secret", "ml-one", "creds")
FORMATS = formats.names()


def spellings(value):
    raw = value.encode()
    yield value
    yield base64.b64encode(raw).decode()
    yield base64.b64encode(b"u:" + raw).decode()[4:-4]
    yield base64.urlsafe_b64encode(raw).decode().rstrip("=")
    yield quote(value, safe="")
    yield json.dumps(value)[1:-1]
    yield value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def leaked(text):
    return [name for name, value in CANARIES.items() if any(s in text for s in spellings(value))]


SERVING = f"""\
serving:
  replicas: 2
  command: [serve]
  args: ["--token={CANARIES["args"]}", --api-key, {CANARIES["flag"]}]
  env:
  - {{name: DB_PASSWORD, value: {CANARIES["env"]!r}}}
  - name: API_TOKEN
    value: {CANARIES["multi"]}
  - {{name: REPO, value: "https://robot:{CANARIES["url"]}@git.example/x"}}
manifests: [extra.yaml]
"""
EXTRA = f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: headers}}
data: {{Authorization: "Bearer {CANARIES["header"]}"}}
---
apiVersion: v1
kind: Secret
metadata: {{name: creds}}
type: Opaque
"""


@pytest.fixture
def repo(tmp_path):
    made = Repo(tmp_path, small().but({OWN: "", "models/web/extra.yaml": EXTRA}).files)
    made.write(OWN, SERVING)
    return made


@pytest.fixture
def live(repo, monkeypatch):
    """The config applied, then a person's secret in what is ours."""
    repo.commit()
    code, out = repo.live("reconcile", "--once")
    assert code == 0, out
    assert leaked(out) == []
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())

    def fill(body):
        body["data"] = {
            "a": base64.b64encode(CANARIES["data"].encode()).decode(),
            "b": base64.b64encode(CANARIES["string"].encode()).decode(),
        }
        body["metadata"]["annotations"] = {
            "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                {"stringData": {"c": CANARIES["applied"]}}
            )
        }

    cluster.edit(SECRET, fill)
    cluster.close()
    return repo


OFFLINE = (
    ("check",),
    ("plan",),
    ("plan", "--base", "HEAD"),
    ("render",),
    ("explain", "serving.env"),
    ("explain", "serving.args"),
    ("explain", "--all"),
    ("explain", "--at", f"{OWN}:6"),
    ("explain", "--object", "Deployment/web-v1", "spec"),
    ("status",),
    ("versions",),
    ("layers",),
)


def test_the_config_of_these_tests_is_fine(repo):
    code, out = repo.run("check")
    assert code == 0, out


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("command", OFFLINE, ids=" ".join)
def test_no_format_of_no_command_shows_what_config_holds(repo, command, name):
    _, out = repo.run(*command, "-o", name)
    assert leaked(out) == []
    assert "E_INTERNAL" not in out


@pytest.mark.parametrize("name", FORMATS)
def test_a_mistake_on_the_very_line_does_not_show_it(repo, name):
    repo.write(OWN, SERVING.replace("name: DB_PASSWORD,", "name: DB_PASSWORD, vale: 1,"))
    code, out = repo.run("check", "-o", name)
    assert code == 1
    assert "E_UNKNOWN_KEY" in out
    assert leaked(out) == []


LIVE = (
    ("plan",),
    ("plan", "--all"),
    ("apply",),
    ("reconcile", "--once"),
    ("status",),
    ("versions",),
)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_what_the_cluster_holds(live, tmp_path, name):
    live.write(
        OWN,
        SERVING.replace("replicas: 2", "replicas: 3").replace(
            "kanarie-multi-line-2", "other-value-22"
        ),
    )
    live.commit()
    files = []
    for number, command in enumerate(LIVE):
        extra: tuple[str, ...] = ()
        if command[0] not in ("status", "versions"):
            files.append(tmp_path / f"{number}.out")
            extra = ("--report", f"{name}={files[-1]}")
        _, out = live.live(*command, "-o", name, *extra)
        assert leaked(out) == [], command
        assert "E_INTERNAL" not in out
    for file in files:
        assert leaked(file.read_text()) == []
        assert file.stat().st_size


def test_a_saved_plan_holds_none(live, tmp_path):
    live.write(OWN, SERVING.replace("replicas: 2", "replicas: 3"))
    live.commit()
    code, out = live.live("plan", "--revision", "HEAD", "--out", str(tmp_path / "my.plan"))
    assert code == 0, out
    assert leaked((tmp_path / "my.plan").read_text()) == []
    code, out = live.live("apply", str(tmp_path / "my.plan"))
    assert code == 0, out


def test_what_changed_in_a_secret_shows_as_changed_and_not_what(repo):
    repo.write(
        "models/web/extra.yaml",
        EXTRA.replace("type: Opaque", "type: Opaque\nimmutable: false"),
    )
    _, out = repo.run("plan", "--base", "HEAD", "-o", "json")
    assert leaked(out) == []


def test_an_error_that_echoes_a_value_does_not_show_it(live, monkeypatch):
    live.write(OWN, SERVING.replace("replicas: 2", "replicas: 3"))
    live.commit()

    def refuse(self, body, *, force=False):
        said = " ".join((CANARIES["data"], CANARIES["env"], "Bearer abc123def456"))
        return Refused(
            RefusalCause.INVALID, 422, f"invalid value: {said!r} {json.dumps(said)} {quote(said)}"
        )

    monkeypatch.setattr(EmbeddedCluster, "dry_run", refuse)
    for name in FORMATS:
        code, out = live.live("plan", "-o", name)
        assert code != 0
        assert "invalid value" in out
        assert leaked(out) == []
        assert "abc123def456" not in out


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_crash_shows_none(live, monkeypatch, debug):
    def crash(reviewed, *_, **__):
        raise RuntimeError(f"{CANARIES['env']} {CANARIES['data']}")

    live.write(OWN, SERVING.replace("replicas: 2", "replicas: 3"))
    live.commit()
    monkeypatch.setattr(apply_plan, "reconcile", crash)
    monkeypatch.setattr(reviews, "plan_report", crash)
    monkeypatch.setenv("RECONCILER_DEBUG", debug)
    for command in (("plan",), ("reconcile", "--once")):
        code, out = live.live(*command)
        assert code == 1
        assert "RuntimeError" in out
        assert leaked(out) == []
        assert ("Traceback" in out) is bool(debug)


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_server_s_word_on_a_secret_has_no_value_of_it(field):
    cluster = EmbeddedCluster(kinds=kinds.known())
    for value in (f"!{CANARIES['echo']}", {"x": CANARIES["echo"]}, [CANARIES["echo"]]):
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "default"},
            field: {"a": value},
        }
        outcome = cluster.dry_run(body)
        assert leaked(str(outcome)) == [] or not isinstance(outcome, Refused), outcome


def test_urls_with_a_password_are_refused_without_it():
    for url in (f"https://u:{CANARIES['url']}@git.example/x", f"ext::sh -c '{CANARIES['url']}'@x"):
        code, out = run_captured(["check", "--repo", url])
        assert code == 1
        assert "kanarie-url-5@" not in out
        assert f":{CANARIES['url']}@" not in out


def test_words_that_are_no_secrets_stay(repo):
    repo.write(
        OWN,
        "serving:\n  env:\n  - {name: MAX_TOKENS, value: '512000'}\n  - {name: TOKENIZER, value: sentencepiece}\n  - {name: TOKEN_FILE, value: /run/token}\n",
    )
    code, out = repo.run("render")
    assert code == 0
    for word in ("MAX_TOKENS", "512000", "sentencepiece", "/run/token"):
        assert word in out
    assert "redacted" not in out
