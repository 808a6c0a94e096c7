"""KubeDL TFJob, drawn as KubeDL's controller needs it.

KubeDL is archived upstream and will not change, so a config that it cannot run is refused at its
line. The main container must be called `tensorflow`. A job's model storage must be local, with a
mount path and a non-empty node name, which the controller replaces by the real node; other
storages crash KubeDL's manager. The feature gate JobCoordinator crashes on any TFJob and must be
off (docs/kubedl.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from reconciler.apps.app import App
from reconciler.backends import kubedl_pods, pod, trainer
from reconciler.backends.contract import Framework
from reconciler.diagnostics import Diagnostic, error
from reconciler.objects.draft import Tree
from reconciler.objects.key import GroupKind
from reconciler.origin import Value, built_in
from reconciler.spec.constraint import AbsolutePath, Text
from reconciler.spec.training import Candidate

__all__ = ["FRAMEWORK"]


@dataclass(frozen=True, slots=True)
class Options:
    """`training.kubedl-tfjob`"""

    clean_pod_policy: Value[Literal["None", "Running", "All"]] = built_in("Running")
    """Which pods are deleted when the job is over. The job succeeds with its first worker, and the
    other workers would run on."""
    restart_policy: Value[Literal["Never", "OnFailure", "ExitCode"]] = built_in("Never")
    export_path: Value[AbsolutePath] = built_in("/kubedl-model")
    """Where the trainer writes the model inside its container."""
    node: Value[Text] = built_in("any")
    """A placeholder that the controller replaces by the worker's node; it must not be empty."""


def _draw(app: App, candidate: Candidate | None, name: Value[str]) -> Tree:
    training = trainer.training_of(app)
    options: Options = app.options.get("kubedl-tfjob") or Options()
    worker = {
        "replicas": training.workers,
        "restartPolicy": options.restart_policy,
        "template": trainer.template(app, candidate, "tensorflow"),
    }
    spec: dict[str, Tree] = {
        "cleanPodPolicy": options.clean_pod_policy,
        "activeDeadlineSeconds": pod.seconds_of(training.deadline),
        "tfReplicaSpecs": {"Worker": worker},
    }
    versions = app.spec.versions
    if versions is not None and versions.registry.value == "kubedl":
        model: dict[str, Tree] = {"modelName": app.model}
        if versions.image_repo is not None:
            model["imageRepo"] = versions.image_repo
        if versions.storage is not None and versions.storage.local_path is not None:
            local = {
                "path": versions.storage.local_path,
                "mountPath": options.export_path,
                "nodeName": options.node,
            }
            model["storage"] = {"localStorage": local}
            spec["modelVersion"] = model
    return trainer.job("training.kubedl.io/v1alpha1", "TFJob", app, name, spec)


def _check(app: App) -> Iterable[Diagnostic]:
    options: Options = app.options.get("kubedl-tfjob") or Options()
    versions = app.spec.versions
    if not options.node.value:
        yield error(
            "E_KUBEDL",
            "an empty node leaves the ModelVersion in an error loop",
            options.node.site,
            path="training.kubedl-tfjob.node",
            help="leave it out, or give any non-empty text",
        )
    storage = versions.storage if versions is not None else None
    candidates = trainer.training_of(app).candidates
    if storage is not None and storage.local_path is not None and len(candidates) > 1:
        yield error(
            "E_KUBEDL",
            f"with local storage each of the {len(candidates)} candidates' jobs would publish a "
            "version, not only the best",
            storage.local_path.site,
            path="versions.storage.localPath",
            help="use versions.storage.pvc or .claim: then the publish step makes the version",
        )


FRAMEWORK = Framework(
    "kubedl-tfjob",
    GroupKind("training.kubedl.io", "TFJob"),
    _draw,
    _check,
    options=Options,
    lacks=kubedl_pods.LACKS,
)
