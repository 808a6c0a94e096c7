"""Nothing that a terminal or a log would act on comes out, in any format. (F19, F21, F23)"""

import json
import re

import pytest

from reconciler import kinds
from reconciler.objects.key import ObjectKey
from reconciler.output import format as formats
from reconciler.simulation.cluster import EmbeddedCluster
from tests.cli.conftest import Repo
from tests.support import small

OWN = "environments/prod/one/web.yaml"
NASTY = 'a\x1b]0;x\x07\x1b[2J\r\u202eb\u200b\u2028c\x9bd\n::error::forged\n{"level": "info"}'
ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
#: What Markdown puts between a sigil and its word is ours.
OURS = {"markdown": "\u200b", "summary": "\u200b"}


def checked(name, out):
    found = ACTS.search(out.replace(OURS.get(name, "\0"), ""))
    assert found is None, (name, found)
    if name in ("text", "github"):
        assert not any(
            line.startswith(("::error::forged", '{"level"')) for line in out.splitlines()
        )
    if name in ("json", "gitlab", "sarif"):
        json.loads(out)


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path, small().files)


@pytest.mark.parametrize("name", formats.names())
def test_a_value_of_the_config(repo, name):
    repo.write(OWN, f"serving:\n  env:\n  - {{name: SAID, value: {json.dumps(NASTY)}}}\n")
    for command in (("plan", "--base", "HEAD"), ("explain", "serving.env"), ("check",)):
        _, out = repo.run(*command, "-o", name)
        checked(name, out)
    if name in ("text", "json", "markdown"):
        assert "]0;x" in repo.run("plan", "--base", "HEAD", "-o", name)[1]


@pytest.mark.parametrize("name", formats.names())
def test_a_mistake_that_quotes_it(repo, name):
    repo.write(OWN, f"serving:\n  {json.dumps(NASTY)}: 1\n")
    code, out = repo.run("check", "-o", name)
    assert code == 1
    checked(name, out)


@pytest.mark.parametrize("name", formats.names())
def test_an_annotation_of_a_live_object(repo, name):
    repo.commit()
    assert repo.live("reconcile", "--once")[0] == 0
    cluster = EmbeddedCluster(str(repo.cluster), kinds=kinds.known())

    def hang(body):
        body["metadata"].setdefault("annotations", {})["note"] = NASTY
        body["spec"]["replicas"] = 9

    cluster.edit(ObjectKey("apps", "Deployment", "ml-one", "web-v1"), hang)
    cluster.close()
    for command in (("plan", "--all"), ("status",), ("reconcile", "--once")):
        _, out = repo.live(*command, "-o", name)
        checked(name, out)
