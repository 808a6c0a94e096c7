"""What lies under deploy/ says what the program understands, and runs without any privilege."""

import re

import click
import pytest
import yaml

import reconciler
from reconciler import extensions
from reconciler.cli.program import run_captured
from reconciler.operate.metrics import FAMILIES
from tests.deploy import helm
from tests.support import ROOT

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/ml-reconciler"
OVERLAYS = DEPLOY / "kustomize/overlays"
GUIDE = ROOT / "docs/operations.md"
CRON = OVERLAYS / "cronjob/cronjob.yaml"
LOOP = OVERLAYS / "loop/deployment.yaml"


def body_of(path):
    return yaml.safe_load(path.read_text())


def pod_of(body):
    spec = body["spec"]
    return spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]


def understood(args):
    """Parses arguments as the program does; a click error otherwise."""
    command = extensions.load("reconciler.cli.commands", args[0], "COMMAND")
    context = click.Context(click.Command("reconciler"))
    with command.make_context(args[0], list(args[1:]), parent=context):
        pass


@pytest.fixture(scope="module")
def helm_program():
    found = helm.found()
    if found is None:
        pytest.skip("there is no helm here: RECONCILER_CLUSTER=required builds it")
    return found


def charted(helm_program, *more):
    code, out, said = helm.rendered(helm_program, CHART, *more)
    assert code == 0, said
    return {(b["kind"], b["metadata"]["name"]): b for b in yaml.safe_load_all(out) if b}


# -- the manifests ---------------------------------------------------------------------------------


def test_the_committed_rights_are_those_of_the_sample_now():
    code, out = run_captured(["rbac", "--environment", "prod", "--repo", str(ROOT)])
    assert code == 0
    fresh = re.sub(r"(?m)^note: .*\n", "", out)
    stale = "stale: reconciler rbac --environment prod > deploy/kustomize/base/rbac.yaml"
    assert (DEPLOY / "kustomize/base/rbac.yaml").read_text() == fresh, stale


@pytest.mark.parametrize("path", [CRON, LOOP], ids=["cronjob", "loop"])
def test_the_arguments_are_understood(path):
    (container,) = pod_of(body_of(path))["containers"]
    understood(container["args"])
    with pytest.raises(click.UsageError):
        understood([*container["args"], "--no-such-option"])


@pytest.mark.parametrize("path", [CRON, LOOP], ids=["cronjob", "loop"])
def test_the_pod_has_no_privilege_and_writes_to_its_scratch_only(path):
    pod = pod_of(body_of(path))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    own = container["securityContext"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert "limits" in container["resources"]
    writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/scratch"}
    environment = {e["name"]: e["value"] for e in container["env"]}
    assert {environment["HOME"], environment["TMPDIR"]} == writable
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_the_deadlines_of_the_cron_job_are_in_order():
    job = body_of(CRON)["spec"]
    (container,) = pod_of(body_of(CRON))["containers"]
    (own,) = [a.removeprefix("--deadline=") for a in container["args"] if "--deadline" in a]
    inner = job["jobTemplate"]["spec"]
    grace = pod_of(body_of(CRON))["terminationGracePeriodSeconds"]
    assert job["schedule"] == "*/5 * * * *"
    assert int(own.removesuffix("s")) + grace < inner["activeDeadlineSeconds"] < 300
    assert (job["concurrencyPolicy"], inner["backoffLimit"]) == ("Forbid", 0)


def test_the_alerts_speak_of_metrics_that_exist():
    text = (DEPLOY / "prometheus-rule.yaml").read_text()
    named = set(re.findall(r"reconciler_(\w+)", text))
    assert named
    assert named <= set(FAMILIES), named - set(FAMILIES)
    body = yaml.safe_load(text)
    for group in body["spec"]["groups"]:
        assert all(
            {"alert", "expr", "for", "annotations"} <= rule.keys() for rule in group["rules"]
        )


# -- the chart -------------------------------------------------------------------------------------


def _settled(body):
    """A manifest whose only freedom, the order of named things, is taken away."""
    if isinstance(body, dict):
        return {key: _settled(item) for key, item in body.items()}
    if isinstance(body, list) and all(isinstance(i, dict) and "name" in i for i in body):
        return sorted(map(_settled, body), key=lambda item: item["name"])
    if isinstance(body, list) and all(isinstance(i, str) for i in body):
        return sorted(body)
    return [_settled(item) for item in body] if isinstance(body, list) else body


@pytest.mark.parametrize(("mode", "path"), [("cronjob", CRON), ("loop", LOOP)])
def test_the_chart_as_it_comes_makes_what_kustomize_makes(helm_program, mode, path):
    made = charted(helm_program, "--set", f"mode={mode}")
    for other in path.parent.glob("*.yaml"):
        body = body_of(other)
        if body["kind"] == "Kustomization":
            continue
        mine = made[body["kind"], body["metadata"]["name"]]
        if body["kind"] in ("CronJob", "Deployment"):
            image = pod_of(mine)["containers"][0].pop("image")
            assert image == f"registry.example/ml-reconciler:{reconciler.__version__}"
            pod_of(body)["containers"][0].pop("image")
        assert _settled(mine) == _settled(body)
    policy = body_of(DEPLOY / "kustomize/base/network-policy.yaml")
    assert made["NetworkPolicy", "reconciler"] == policy


VALUES = [
    ("a mode that is none", "mode=daemon"),
    ("a token in a URL", "config.repo=https://me:secret@git.example.org/x.git"),
    ("a scheme that git would run", "config.repo=ext::sh"),
    ("a digest that is none", "image.digest=latest"),
    ("a mistyped name", "cronjob.shedule=x"),
]


@pytest.mark.parametrize("value", [v for _, v in VALUES], ids=[n for n, _ in VALUES])
def test_the_chart_refuses(helm_program, value):
    code, _, said = helm.rendered(helm_program, CHART, "--set", value)
    assert code != 0
    assert "schema" in said


def test_the_chart_takes_a_token_and_a_digest(helm_program):
    digest = f"sha256:{'0' * 64}"
    made = charted(
        helm_program,
        *("--set", f"image.digest={digest}", "--set", "git.sshSecret="),
        *("--set", "git.tokenSecret=git-token", "--set", "config.environment="),
        *("--set", "extraArgs={--drift=report}"),
    )
    (container,) = pod_of(made["CronJob", "reconciler"])["containers"]
    assert container["image"].endswith(f"@{digest}")
    understood(container["args"])
    assert "--drift=report" in container["args"]
    assert not any("SSH" in entry["name"] for entry in container["env"])
    assert any(entry["name"] == "RECONCILER_GIT_TOKEN" for entry in container["env"])


# -- the image -------------------------------------------------------------------------------------


def test_the_image_is_built_of_what_is_there_and_runs_as_nobody():
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    copied = [line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY ")]
    sources = [s for row in copied for s in row if "--from" not in s and not s.startswith("/")]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in sources} <= set(kept)
    last = text[text.rindex("\nFROM ") :]
    assert "USER 65532:65532" in last
    assert 'ENTRYPOINT ["/opt/reconciler/bin/reconciler"]' in last
    (installed,) = re.findall(r"apt-get install -y --no-install-recommends ([\w -]+?) +&&", last)
    assert installed.split() == ["ca-certificates", "git", "openssh-client"]


# -- the guide -------------------------------------------------------------------------------------


def _quoted():
    """The commands of the guide's console blocks, a line each."""
    text = GUIDE.read_text().replace("\\\n", " ")
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            command = line.removeprefix("$ ").partition(" #")[0].partition(" | ")[0]
            command = command.partition(" > ")[0]
            if line.startswith("$ reconciler "):
                yield command.split()[1:]


@pytest.mark.parametrize("args", list(_quoted()), ids=" ".join)
def test_a_command_of_the_guide_is_understood(args):
    understood(args)


def test_the_guide_quotes_commands_and_its_links_lead_somewhere():
    assert len(list(_quoted())) >= 8
    for path in set(re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text())):
        assert (GUIDE.parent / path).exists(), path
