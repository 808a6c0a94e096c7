"""The parts that all training jobs have: the trainer's pod template and the job's object."""

from __future__ import annotations

from typing import Any

from reconciler.apps.app import App
from reconciler.backends import overlay, pod
from reconciler.objects.draft import Placeholder, Tree
from reconciler.origin import Value
from reconciler.spec.training import Candidate, Training
from reconciler.spec.workload import Volume

__all__ = ["add_data_variables", "job", "mounts_of", "template", "training_of"]


def training_of(app: App) -> Training:
    assert app.spec.training is not None
    return app.spec.training


def template(app: App, candidate: Candidate | None, container: str, *, restart: str = "") -> Tree:
    """The pod template of one worker. `restart` is the pod's restart policy, for the kinds that
    read it from the pod; "" leaves the field out."""
    training = training_of(app)
    pool = pod.pool_of(app, training.pool)
    image = training.image
    args: list[Any] = list(training.args)
    if candidate is not None:
        image = image if candidate.image is None else candidate.image
        args += candidate.args
    mounts = mounts_of(app)
    sized = pod.resources(training.resources, pool)
    main = pod.container(
        container,
        image,
        command=training.command,
        args=args,
        variables=training.env,
        sized=sized,
        mounts=mounts,
    )
    add_data_variables(app, main)
    spec = pod.spec(app, [main], mounts=mounts, pool=pool)
    if training.shared_memory is not None:
        main.setdefault("volumeMounts", []).append({"name": "shm", "mountPath": "/dev/shm"})
        size = training.shared_memory.map(str)
        memory = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": size}}
        spec.setdefault("volumes", []).append(memory)
    if restart:
        spec["restartPolicy"] = restart
    parts = overlay.parts_of(app, pool, training.pod)
    return {"metadata": parts.metadata(pod.pod_labels(app)), "spec": parts.over_spec(spec)}


def mounts_of(app: App) -> list[Volume]:
    """The mounts of the trainer and of the user's `ingest` and `evaluate` steps: the dataset's
    claim, then the volumes of `training`."""
    volumes = list(training_of(app).volumes)
    dataset = app.spec.dataset
    if dataset is None or dataset.pvc is None or dataset.path is None:
        return volumes
    return [Volume(dataset.path, dataset.pvc), *volumes]


def add_data_variables(app: App, container: dict[str, Tree]) -> None:
    """Adds DATASET_URI and DATASET_REVISION to a container's variables. A variable of the user with
    the same name wins."""
    dataset = app.spec.dataset
    if dataset is None:
        return
    facts = {"DATASET_URI": dataset.uri, "DATASET_REVISION": dataset.revision}
    more = pod.facts(training_of(app).env, facts)
    if more:
        container["env"] = container.get("env", []) + more


def job(api_version: str, kind: str, app: App, name: Value[str], spec: Tree) -> Tree:
    """The whole object, as a step creates it. By its labels the exit handler finds the jobs that a
    run has left."""
    labels = {
        **app.spec.labels,
        "app.kubernetes.io/managed-by": "reconciler",
        "ml-reconciler.dev/environment": app.environment,
        "ml-reconciler.dev/group": app.group,
        "ml-reconciler.dev/model": app.model,
        "ml-reconciler.dev/owner": app.spec.model.owner,
        "workflows.argoproj.io/workflow": Placeholder("{{workflow.name}}"),
    }
    metadata = {"name": name, "namespace": app.spec.group.namespace, "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
