"""The files of a small config repo that passes `check`, for `reconciler init`."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.demo.stage import sample_folder
from reconciler.wiring import schemas

__all__ = ["CI", "files"]

#: CI system → pairs of a file of the sample and its path in the new repo.
CI: Mapping[str, tuple[tuple[str, str], ...]] = {
    "github": (("ci/github/workflow.yml", ".github/workflows/reconciler.yml"),),
    "gitlab": (("ci/gitlab/reconciler.gitlab-ci.yml", ".gitlab-ci.yml"),),
    "none": (),
}
_POLICIES = ("owner-label", "image-digest")

_LAYERS = """\
# yaml-language-server: $schema=../schemas/layers.json
# The order of layers, lowest first: later is more specific and wins.
apiVersion: ml-reconciler.dev/v1
requires: ">=0.1"
layers:
- {name: base, file: environments/base.yaml, owner: platform}
- {name: type, file: "environments/types/{type}.yaml", owner: platform}
- {name: model, file: "models/{model}/model.yaml"}
- {name: environment, file: "environments/{environment}/environment.yaml", owner: platform}
- {name: group, file: "environments/{environment}/{group}/group.yaml", owner: platform}
- {name: model-in-environment, file: "environments/{environment}/{model}.yaml", optional: true}
- {name: model-in-group, file: "environments/{environment}/{group}/{model}.yaml"}
lists:
  training.candidates: {by: name}
  training.schedules: {by: name}
  training.env: {by: name}
  serving.env: {by: name}
"""
_BASE = """\
# yaml-language-server: $schema=../schemas/layer.json
# What holds everywhere.
vars:
  registry: registry.example

serving:
  replicas: 1
  env:
  - {name: LOG_LEVEL, value: info}
"""
_TYPE = """\
# yaml-language-server: $schema=../../schemas/layer.json
# What all models of this type share. `reconciler schema layer` has every field.
serving:
  backend: deployment
  router: none
  port: 8080
  probe: {path: /healthz}
  resources: {cpu: 1, memory: 1Gi}
"""
_ENVIRONMENT = """\
# yaml-language-server: $schema=../../schemas/layer.json
environment:
  rank: {rank}
  cluster: {name}
  description: {text}

serving:
  replicas: {replicas}
"""
_GROUP = """\
# yaml-language-server: $schema=../../../schemas/layer.json
group:
  namespace: ml-{name}
  serviceAccount: models
"""
_POINTER = """\
# yaml-language-server: $schema=../../schemas/layer.json
# The version that this environment serves: `reconciler promote` moves it, one line per promotion.
serving:
  version: "v1"
"""
_APP = """\
# This file makes the application {name}/main/hello; what it says holds there alone.
"""
_MODEL = """\
# yaml-language-server: $schema=../../schemas/layer.json
# True of the model everywhere. The image is an example: put your server's here, by its digest.
model:
  type: service
  owner: my-team
  description: a model to start with

serving:
  image: ${{ vars.registry }}/hello@sha256:DIGEST
"""
_VERSION = """\
# yaml-language-server: $schema=../../../schemas/version-record.json
# A version never changes once it is here.
version: "v1"
digest: sha256:DIGEST
storageUri: pvc://models/hello/v1
image: registry.example/hello@sha256:DIGEST
"""
_README = """\
# Models and where they run

`reconciler` makes the clusters what these files say.

```console
$ reconciler check                                        # all mistakes and policy findings
$ reconciler plan --base main                             # what a branch would change
$ reconciler policy test                                  # the cases of policies/tests/
$ reconciler explain serving.replicas --app dev/main/hello  # where a value comes from
$ reconciler promote hello --to prod --version v2         # a one-line edit
$ reconciler reconcile --once --embedded try.db           # a try, on an embedded cluster
```

- `environments/`: what differs; `layers.yaml` has the order of the files
- `models/`: what is true of a model everywhere, and its versions
- `policies/`: what nobody may do; ValidatingAdmissionPolicy files as the cluster takes them
- `schemas/`: for editors; `reconciler schema --write schemas` makes them anew

To begin with, put your image into `models/hello/model.yaml`, and your clusters' names into
`environments/*/environment.yaml`.
"""
_IGNORED = """\
*.db
*.plan
/reconciler-report/
"""


def files(ci: str) -> dict[str, str]:
    """The files of a new config repo: path → text, sorted by path.

    `ci` is a key of `CI`. Policies and CI files are read from the sample.
    """
    out = {
        "README.md": _README,
        ".gitignore": _IGNORED,
        "environments/layers.yaml": _LAYERS,
        "environments/base.yaml": _BASE,
        "environments/types/service.yaml": _TYPE,
        "models/hello/model.yaml": _MODEL.replace("DIGEST", "0" * 64),
        "models/hello/versions/v1.yaml": _VERSION.replace("DIGEST", "0" * 64),
    }
    for rank, (name, text, replicas) in enumerate((("dev", "to try", 1), ("prod", "for users", 2))):
        folder = f"environments/{name}"
        values = {"name": name, "rank": rank + 1, "text": text, "replicas": replicas}
        out[f"{folder}/environment.yaml"] = _ENVIRONMENT.format(**values)
        out[f"{folder}/hello.yaml"] = _POINTER
        out[f"{folder}/main/group.yaml"] = _GROUP.format(**values)
        out[f"{folder}/main/hello.yaml"] = _APP.format(**values)
    shipped = sample_folder()
    for name in _POLICIES:
        for path in (f"policies/{name}.yaml", f"policies/tests/{name}.yaml"):
            out[path] = (shipped / path).read_text("utf-8")
    out["policies/README.md"] = (shipped / "policies/README.md").read_text("utf-8")
    for source, target in CI[ci]:
        out[target] = (shipped / source).read_text("utf-8")
    out |= {f"schemas/{name}": text for name, text in schemas.texts().items()}
    return dict(sorted(out.items()))
