"""A config repo of any size, the same bytes for the same size: layered as people write it.

Each model runs in three environments and comes to four objects in each, so 1,000 models make 12,000
objects of apps, besides three for each group. Four application types, so that no one backend
decides the figure:

    vision      KServe, route, pipeline of three candidates (KubeDL), a nightly schedule
    ranking     Deployment and Service, route, a plain ServiceMonitor beside the model
    forecast    KServe, route, pipeline (Kubeflow), a hashed schedule
    llm         two KServe versions under a static split, route, a plain ServiceMonitor
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ENVIRONMENTS", "OBJECTS_PER_APP", "expected_objects", "files", "write"]

ENVIRONMENTS = ("dev", "staging", "prod")
OBJECTS_PER_APP = 4
OBJECTS_PER_GROUP = 4
_TYPES = ("vision", "ranking", "forecast", "llm")
_TEAMS = ("ads", "feed", "fraud", "growth", "maps", "music", "news", "search", "shop", "video")

_LAYERS = """\
# The order of layers, lowest first.
apiVersion: ml-reconciler.dev/v1
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
# What holds everywhere. Owned by the platform team.
vars:
  registry: registry.example
  stepImage: !final registry.example/platform/ml-reconciler@sha256:{digest}

labels:
  app.kubernetes.io/part-of: ml-platform

serving:
  replicas: 1
  gateway: {{name: inference, namespace: gateways}}
  env:
  - {{name: LOG_LEVEL, value: info}}
  - {{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: "http://otel.observability:4317"}}
"""

_TYPE_FILES = {
    "vision": """\
# Image models: small, trained often.
training:
  orchestrator: argo
  stepImage: ${{ vars.stepImage }}
  deadline: 4h
  pool: gpu
  resources: {cpu: 4, memory: 8Gi, gpu: 1}
  select: {metric: accuracy, goal: maximize}
serving:
  backend: kserve
  router: gateway-api
  framework: tensorflow
  resources: {cpu: 2, memory: 4Gi}
  rollout:
    steps: [{weight: 10}, {pause: 10m}, {weight: 50}, {pause: 10m}]
    progressDeadline: 20m
""",
    "ranking": """\
# Search and recommendation: few releases, plain Deployments.
serving:
  backend: deployment
  router: gateway-api
  port: 8080
  probe: {path: /healthz}
  resources: {cpu: 8, memory: 16Gi}
  rollout:
    steps: [{weight: 5}, {pause: 30m}, {weight: 25}, {pause: 1h}, {weight: 50}, {pause: 1h}]
""",
    "forecast": """\
# Time series: cheap to train, served on few cores.
training:
  orchestrator: argo
  stepImage: ${{ vars.stepImage }}
  deadline: 2h
  resources: {cpu: 8, memory: 32Gi}
  select: {metric: mape, goal: minimize}
serving:
  backend: kserve
  router: gateway-api
  framework: xgboost
  resources: {cpu: 1, memory: 2Gi}
  rollout:
    steps: [{weight: 50}, {pause: 5m}]
""",
    "llm": """\
# Language models: several versions side by side, compared by a static split.
serving:
  backend: kserve
  router: gateway-api
  framework: huggingface
  pool: gpu
  resources: {cpu: 16, memory: 128Gi, gpu: 4}
  env:
  - {name: HF_HUB_OFFLINE, value: "1"}
""",
}

_TRAINING = """\
training:
  runIn: [{groups}]
  framework: {framework}
  image: ${{{{ vars.registry }}}}/{team}/{model}-train@sha256:{image}
  command: [python, /app/train.py]
  args: [--data=/data, --export=/models/{model}]
  workers: {workers}
  volumes:
  - {{pvc: models, path: /models}}
  candidates:
  - {{name: small, args: [--depth=4]}}
  - {{name: medium, args: [--depth=8]}}
  - {{name: large, args: [--depth=16, --dropout=0.2]}}
  select: {{minimum: {minimum}}}
  schedules:
  - {{name: {schedule}, cron: "{cron}", timeZone: Asia/Shanghai, startingDeadline: 1h}}
versions:
  registry: {registry}
  storage: {{pvc: models, path: /models/{model}}}
"""

_MONITOR = """\
# A plain Kubernetes file: policy, plan and prune treat it like everything else.
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {model}
spec:
  selector:
    matchLabels: {{app.kubernetes.io/name: {model}}}
  endpoints:
  - {{port: http, interval: 30s}}
"""


def expected_objects(models: int) -> int:
    """What a fleet of this size comes to, the groups' own objects included."""
    groups = len(ENVIRONMENTS) * min(models, len(_TEAMS))
    return models * len(ENVIRONMENTS) * OBJECTS_PER_APP + groups * OBJECTS_PER_GROUP


def files(models: int) -> dict[str, str]:
    """Every file of the repo by its path; the same for the same number of models."""
    out = {
        "environments/layers.yaml": _LAYERS,
        "environments/base.yaml": _BASE.format(digest=_digest("step")),
    }
    out.update((f"environments/types/{name}.yaml", text) for name, text in _TYPE_FILES.items())
    for rank, environment in enumerate(ENVIRONMENTS, 1):
        out[f"environments/{environment}/environment.yaml"] = _environment(environment, rank)
        for team in _TEAMS[:models]:
            path = f"environments/{environment}/{team}/group.yaml"
            out[path] = _group(environment, team)
    for number in range(models):
        out.update(_model(number))
    return dict(sorted(out.items()))


def write(folder: Path, models: int) -> int:
    """Writes the fleet below a folder; the number of files."""
    found = files(models)
    for parent in sorted({(folder / path).parent for path in found}):
        parent.mkdir(parents=True, exist_ok=True)
    for path, text in found.items():
        (folder / path).write_text(text, encoding="utf-8")
    return len(found)


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


def _environment(environment: str, rank: int) -> str:
    cluster = "lab" if rank < 3 else "prod-hz"
    return (
        f"environment:\n  rank: {rank}\n  cluster: {cluster}\n"
        f"  description: the {environment} rung of the ladder\n"
        f"serving:\n  replicas: {rank}\n"
        f"vars:\n  domain: {environment}.example\n"
    )


def _group(environment: str, team: str) -> str:
    return (
        f"group:\n  namespace: ml-{environment}-{team}\n  serviceAccount: models\n"
        f"  description: models of {team}\n"
        "  pools: {gpu: {gpuResource: nvidia.com/gpu}}\n"
        "  quota:\n    requests.cpu: 512\n    requests.memory: 2Ti\n"
        "labels:\n"
        f"  cost-centre: {team}\n"
    )


def _model(number: int) -> Iterator[tuple[str, str]]:
    kind = _TYPES[number % len(_TYPES)]
    team = _TEAMS[number % len(_TEAMS)]
    model = f"{kind}-{number:04d}"
    yield f"models/{model}/model.yaml", _model_file(number, kind, team, model)
    for version in ("v1", "v2"):
        yield f"models/{model}/versions/{version}.yaml", _record(kind, team, model, version)
    if kind in ("ranking", "llm"):
        yield f"models/{model}/monitor.yaml", _MONITOR.format(model=model)
    for rank, environment in enumerate(ENVIRONMENTS):
        yield f"environments/{environment}/{model}.yaml", _pointer(number, kind, rank)
        own = _own(number, kind, rank)
        yield f"environments/{environment}/{team}/{model}.yaml", own


def _model_file(number: int, kind: str, team: str, model: str) -> str:
    text = (
        f"# Owned by {team}; the {number}th model of the fleet.\n"
        f"model:\n  type: {kind}\n  owner: {team}\n  description: {kind} of {team}\n"
    )
    groups = ", ".join(f"{environment}/{team}" for environment in ENVIRONMENTS)
    serving = [f'  hostnames: ["{model}.${{{{ vars.domain }}}}"]']
    if kind in ("vision", "forecast"):
        text += f"dataset:\n  pvc: {team}-data\n  path: /data\n"
        text += f'  revision: "2026-{number % 12 + 1:02d}-01"\n'
        text += _TRAINING.format(
            groups=groups,
            framework="kubedl-tfjob" if kind == "vision" else "kubeflow-pytorchjob",
            team=team,
            model=model,
            image=_digest(f"{model}-train"),
            workers=1 + number % 4,
            minimum=0.9 if kind == "vision" else 0.12,
            schedule="nightly" if kind == "vision" else "weekly",
            cron=f"{number % 60} {number % 24} * * *" if kind == "vision" else "H H(1-4) * * 6",
            registry="kubedl" if kind == "vision" else "configmap",
        )
        serving.append(f"  runIn: [{groups}]")
    else:
        text += "manifests: [monitor.yaml]\n"
    if kind == "ranking":
        image = _digest(f"{model}-server")
        serving.append(f"  image: ${{{{ vars.registry }}}}/{team}/{model}@sha256:{image}")
        serving.append("  command: [/app/serve]")
        serving.append("  env:")
        serving.append(f'  - {{name: CACHE_MB, value: "{256 * (1 + number % 4)}"}}')
    return text + "serving:\n" + "\n".join(serving) + "\n"


def _record(kind: str, team: str, model: str, version: str) -> str:
    digest = _digest(f"{model}-{version}")
    metric = "mape" if kind == "forecast" else "accuracy"
    return (
        f'version: "{version}"\ndigest: sha256:{digest}\n'
        f"storageUri: pvc://models/{model}/{version}\n"
        f"metrics: {{{metric}: 0.9{int(digest[:3], 16) % 89 + 11}7}}\n"
        f'lineage: {{run: {model}-nightly-17909{digest[:2]}, dataset: "2026-10-01"}}\n'
        f'trainedAt: "2026-10-02T02:41:07+08:00"\n'
        f"# Published by the pipeline of {team}.\n"
    )


def _pointer(number: int, kind: str, rank: int) -> str:
    if kind == "llm":
        return "serving:\n  traffic: {v1: 90, v2: 10}\n"
    version = "v1" if rank == 2 and number % 3 else "v2"
    return f'# The pointer that promotion moves.\nserving:\n  version: "{version}"\n'


def _own(number: int, kind: str, rank: int) -> str:
    """Most are empty: the file's existence makes the app. Some override a few lines."""
    if (number + rank) % 3:
        return "# As in the environment.\n"
    text = f"serving:\n  replicas: !override {2 + number % 5}\n"
    if kind == "ranking":
        text += "  resources: {memory: 32Gi}\n  env:\n  - {name: LOG_LEVEL, value: debug}\n"
    return text
