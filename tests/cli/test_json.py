"""`--output json` is one document for every command, and `schemas/report.json` describes it."""

import importlib
import json

import jsonschema
import pytest

from reconciler.cli.program import run_captured
from tests.support import COMMANDS, ROOT

OWN = "environments/prod/one/web.yaml"
#: A command that has --output json → its arguments; several where the document has other keys.
#: `live` stands for the embedded cluster.
ARGUMENTS: dict[str, list[list[str]]] = {
    "apply": [["live"]],
    "check": [[]],
    "explain": [["--all"], ["--at", "environments/base.yaml:1"]],
    "layers": [[]],
    "merge": [["--layers", "layers.yaml"], ["--layers", "layers.yaml", "--provenance"]],
    "plan": [[], ["live"], ["--base", "HEAD"]],
    "policy": [["test"]],
    "promote": [["web", "--to", "prod", "--version", "v2", "--dry-run"]],
    "rbac": [[], ["--for", "plan", "--user", "ci@example.org"]],
    "reconcile": [["live", "--once"]],
    "render": [[]],
    "repair": [["live"]],
    "status": [[], ["live"]],
    "versions": [[], ["live", "--record"]],
}
RUNS = [(name, args) for name, several in ARGUMENTS.items() for args in several]
#: What each document has beside the head, at least.
KEYS: dict[str, set[str]] = {
    "apply": {"plan"},
    "check": {"apps", "policies"},
    "explain": {"chains"},
    "layers": {"layers"},
    "merge": {"value", "errors", "warnings"},
    "plan": {"plan"},
    "policy": {"cases"},
    "promote": {"promotion"},
    "rbac": {"rights"},
    "reconcile": {"plan", "results"},
    "render": {"objects"},
    "repair": {"repairs"},
    "status": {"status"},
    "versions": {"versions"},
}


def _prints_json(command):
    module = importlib.import_module(f"reconciler.cli.commands.{command.replace('-', '_')}")
    return any(
        "json" in getattr(parameter.type, "choices", ())
        for parameter in module.COMMAND.params
        if parameter.name == "output"
    )


def test_the_list_has_every_command_that_prints_json():
    assert sorted(ARGUMENTS) == [name for name in COMMANDS if _prints_json(name)]
    assert sorted(KEYS) == sorted(ARGUMENTS)


def document(repo, command, args):
    """(exit code, the document), which fits the schema."""
    args = list(args)
    if command == "merge":
        layers = repo.folder / "layers.yaml"
        layers.write_text("layers: [{name: base, file: environments/base.yaml}]\n")
        args[args.index("--layers") + 1] = str(layers)
        code, out = run_captured([command, *args, "-o", "json"])
    elif args[:1] == ["live"]:
        code, out = repo.live(command, *args[1:], "-o", "json")
    else:
        code, out = repo.run(command, *args, "-o", "json")
    found = json.loads(out)
    schema = json.loads((ROOT / "schemas" / "report.json").read_text())
    jsonschema.validate(found, schema)
    return int(code), found


@pytest.mark.parametrize(("command", "args"), RUNS)
def test_a_command_s_json_fits_the_schema_and_has_its_part(repo, command, args):
    if "live" in args:
        repo.live("apply")
    code, found = document(repo, command, args)
    assert (found["schemaVersion"], found["command"]) == (2, command)
    assert (code, found["exitCode"]) == (0, 0)
    assert found.keys() >= KEYS[command]


@pytest.mark.parametrize("command", ["check", "plan", "rbac", "render", "status"])
def test_mistakes_are_in_the_same_document(repo, command):
    repo.write(OWN, "serving:\n  replcas: 2\n")
    code, found = document(repo, command, [])
    assert (code, found["exitCode"]) == (1, 1)
    assert [d["code"] for d in found["diagnostics"]] == ["E_UNKNOWN_KEY"]
    assert found["command"] == command


def test_a_refusal_s_document_says_what_would_approve_it(repo):
    repo.live("apply")
    repo.edit("environments/prod/one/group.yaml", "namespace: ml-one", "namespace: ml-two")
    repo.commit()
    _, found = document(repo, "plan", ["live"])
    (app, *_) = [app for app in found["plan"]["apps"] if app["refusals"]]
    (refusal, *_) = app["refusals"]
    assert refusal.keys() - {"objects"} == {"code", "text", "wayOut", "app", "approval"}


def test_the_status_is_of_the_whole_commit(repo):
    repo.live("apply")
    _, found = document(repo, "status", ["live"])
    (row,) = found["status"]
    assert (row["app"], row["health"]) == ("prod/one/web", "ready")
    assert (row["revision"], row["traffic"]) == (repo.head(), {"v1": 100})
    _, out = repo.live("status")
    assert repo.head()[:7] in out
    assert repo.head() not in out


def test_a_secret_is_masked_in_the_objects(repo):
    repo.write(OWN, "serving: {env: [{name: DB_PASSWORD, value: hunter2-hunter2}]}\n")
    code, out = repo.run("render", "-o", "json")
    assert code == 0, out
    assert "<redacted>" in out
    assert "hunter2" not in out


def test_rights_in_json_are_those_in_yaml(repo):
    import yaml

    _, found = document(repo, "rbac", [])
    code, out = repo.run("rbac")
    assert code == 0
    text = "\n".join(line for line in out.splitlines() if not line.startswith("note: "))
    assert found["rights"]["manifests"] == [body for body in yaml.safe_load_all(text) if body]
    notes = [line.removeprefix("note: ") for line in out.splitlines() if line.startswith("note: ")]
    assert found["rights"]["notes"] == notes
