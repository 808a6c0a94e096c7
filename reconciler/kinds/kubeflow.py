"""Kubeflow's training operator, v1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.objects.job import job_readiness, replicated_job
from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Kind, PruneClass
from reconciler.objects.listkeys import POD_LISTS

__all__ = ["KINDS"]

_LABELS = "training.kubeflow.org/"


def _jobs() -> Iterator[Kind]:
    # Kind, plural, field of the replicas, types whose first pod decides.
    rows: tuple[tuple[str, str, str, Sequence[str]], ...] = (
        ("PyTorchJob", "pytorchjobs", "pytorchReplicaSpecs", ("Master",)),
        ("TFJob", "tfjobs", "tfReplicaSpecs", ("Chief", "Master")),
        ("MPIJob", "mpijobs", "mpiReplicaSpecs", ("Launcher",)),
        ("XGBoostJob", "xgboostjobs", "xgbReplicaSpecs", ("Master",)),
        ("PaddleJob", "paddlejobs", "paddleReplicaSpecs", ("Master",)),
        ("JAXJob", "jaxjobs", "jaxReplicaSpecs", ()),
    )
    for name, plural, replicas, chiefs in rows:
        job = replicated_job(replicas, chiefs, _LABELS, "runPolicy")
        yield Kind(
            GroupKind("kubeflow.org", name),
            plural,
            "v1",
            job_readiness(job),
            prune=PruneClass.RUN,
            list_keys=POD_LISTS,
            longest_name=63,
            longest_suffix=10,
            service_name=True,
            job=job,
        )


KINDS = tuple(_jobs())
