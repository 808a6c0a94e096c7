"""Kubeflow Training Operator v1 PyTorchJob: one Master, and `workers` - 1 Workers.

Argo cannot wait for an entry of a condition array, so the train step of this program waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from reconciler.apps.app import App
from reconciler.backends import pod, trainer
from reconciler.backends.contract import Framework
from reconciler.diagnostics import Diagnostic
from reconciler.objects.draft import Tree
from reconciler.objects.key import GroupKind
from reconciler.origin import Value, built_in
from reconciler.spec.constraint import Text
from reconciler.spec.training import Candidate

__all__ = ["FRAMEWORK"]


@dataclass(frozen=True, slots=True)
class Options:
    """`training.kubeflow-pytorchjob`"""

    clean_pod_policy: Value[Literal["None", "Running", "All"]] = built_in("Running")
    restart_policy: Value[Literal["Never", "OnFailure", "ExitCode"]] = built_in("OnFailure")
    processes_per_node: Value[Text] | None = None
    """`nprocPerNode`: auto, cpu, gpu or a number."""


def _draw(app: App, candidate: Candidate | None, name: Value[str]) -> Tree:
    training = trainer.training_of(app)
    options: Options = app.options.get("kubeflow-pytorchjob") or Options()
    template = trainer.template(app, candidate, "pytorch")
    replicas: dict[str, Tree] = {
        "Master": {"replicas": 1, "restartPolicy": options.restart_policy, "template": template}
    }
    if training.workers.value > 1:
        replicas["Worker"] = {
            "replicas": training.workers.map(lambda count: count - 1),
            "restartPolicy": options.restart_policy,
            "template": template,
        }
    spec: dict[str, Tree] = {
        "pytorchReplicaSpecs": replicas,
        "runPolicy": {
            "activeDeadlineSeconds": pod.seconds_of(training.deadline),
            "cleanPodPolicy": options.clean_pod_policy,
        },
    }
    if options.processes_per_node is not None:
        spec["nprocPerNode"] = options.processes_per_node
    return trainer.job("kubeflow.org/v1", "PyTorchJob", app, name, spec)


def _check(_app: App) -> Iterable[Diagnostic]:
    return ()


FRAMEWORK = Framework(
    "kubeflow-pytorchjob",
    GroupKind("kubeflow.org", "PyTorchJob"),
    _draw,
    _check,
    options=Options,
)
