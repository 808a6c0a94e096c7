"""A config repo of plain manifests: ten objects an app in one namespace, and the namespace.

The same files go to `kubectl`. Quantities are written as people do and not as the server keeps
them, Services leave out their protocol: who compares texts sees changes where there are none.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["OBJECTS_PER_APP", "Repo", "write"]

OBJECTS_PER_APP = 10

_FIXED = {
    "environments/layers.yaml": """\
layers:
- {name: base, file: environments/base.yaml}
- {name: type, file: "environments/types/{type}.yaml"}
- {name: model, file: "models/{model}/model.yaml"}
- {name: environment, file: "environments/{environment}/environment.yaml"}
- {name: group, file: "environments/{environment}/{group}/group.yaml"}
- {name: own, file: "environments/{environment}/{group}/{model}.yaml"}
""",
    "environments/base.yaml": "model: {description: generated}\n",
    "environments/types/plain.yaml": "manifests: [objects.yaml]\n",
    "environments/prod/environment.yaml": "environment: {rank: 1, cluster: main}\n",
}
_CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {app}-{name}}}
data:
  owner: team-{number}
  settings.yaml: |
    batch: {number}
    names: [{name}-a, {name}-b, {name}-c]
    endpoint: http://{app}-api.example.org:8080/v1
"""
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {app}-{name}
  labels: {{app: {app}, tier: {name}}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: {app}, tier: {name}}}
  template:
    metadata:
      labels: {{app: {app}, tier: {name}}}
    spec:
      serviceAccountName: {app}
      containers:
      - name: server
        image: registry.example/{app}/{name}:1.{number}
        args: [--port=8080, --config=/etc/app/settings.yaml]
        ports:
        - {{name: http, containerPort: 8080}}
        env:
        - {{name: TIER, value: {name}}}
        - name: POD_NAME
          valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}
        resources:
          requests: {{cpu: 0.5, memory: 1024Mi}}
          limits: {{cpu: 1000m, memory: 2048Mi}}
        readinessProbe:
          httpGet: {{path: /healthz, port: http}}
        volumeMounts:
        - {{name: config, mountPath: /etc/app}}
      volumes:
      - name: config
        configMap: {{name: {app}-{name}}}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {app}-{name}}}
spec:
  selector: {{app: {app}, tier: {name}}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
"""
_ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {app}}}
rules:
- {{apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}}
- {{apiGroups: [batch], resources: [jobs], verbs: [create]}}
"""
_ACCOUNT = """\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: {app}}}
"""
_CRON = """\
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {app}-nightly}}
spec:
  schedule: "{minute} 2 * * *"
  concurrencyPolicy: Forbid
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: job
            image: registry.example/{app}/job:1.{number}
            resources:
              requests: {{cpu: 0.25, memory: 512Mi}}
"""
_PARTS = (
    (_CONFIG, "api"),
    (_CONFIG, "worker"),
    (_CONFIG, "rules"),
    (_DEPLOYMENT, "api"),
    (_DEPLOYMENT, "worker"),
    (_SERVICE, "api"),
    (_SERVICE, "worker"),
    (_ROLE, ""),
    (_ACCOUNT, ""),
    (_CRON, ""),
)


class Repo:
    """The repo's folder and the apps in it; a Git repository with one commit."""

    def __init__(self, folder: Path, apps: tuple[str, ...], namespace: str) -> None:
        self.folder = folder
        self.apps = apps
        self.namespace = namespace

    def objects(self, app: str) -> Path:
        """The file of an app's objects."""
        return self.folder / "models" / app / "objects.yaml"

    def namespace_file(self, name: str) -> Path:
        """A file with the namespace alone, for `kubectl`."""
        path = self.folder.parent / f"{name}.yaml"
        path.write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
        return path

    def drop(self, app: str) -> None:
        """Takes an app out of Git."""
        (self.folder / "environments/prod/main" / f"{app}.yaml").unlink()

    def commit(self) -> None:
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        for words in (("add", "-A"), (*who, "commit", "-q", "-m", "bench")):
            subprocess.run(("git", *words), cwd=self.folder, check=True, capture_output=True)


def write(folder: Path, apps: int, namespace: str) -> Repo:
    """Writes the repo. Deterministic."""
    names = tuple(f"app-{number:03}" for number in range(apps))
    files = dict(_FIXED)
    files["environments/prod/main/group.yaml"] = f"group: {{namespace: {namespace}}}\n"
    for number, app in enumerate(names):
        files[f"environments/prod/main/{app}.yaml"] = ""
        files[f"models/{app}/model.yaml"] = f"model: {{type: plain, owner: team-{number % 7}}}\n"
        files[f"models/{app}/objects.yaml"] = "---\n".join(_documents(number, app))
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    subprocess.run(("git", "init", "-q", "-b", "main"), cwd=folder, check=True)
    made = Repo(folder, names, namespace)
    made.commit()
    return made


def _documents(number: int, app: str) -> Iterator[str]:
    for template, name in _PARTS:
        yield template.format(app=app, name=name, number=number, minute=number % 60)
