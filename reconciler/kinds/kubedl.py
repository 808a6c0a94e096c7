"""KubeDL v0.5: training jobs, models and their versions, inference, crons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.objects.job import job_readiness, replicated_job
from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Body, Kind, PruneClass, Readiness, Wave
from reconciler.objects.status import (
    READY,
    always_ready,
    count_of,
    failed,
    mapping_of,
    mappings_of,
    progressing,
    status_of,
    text_of,
)

__all__ = ["KINDS"]

_VERSION = "v1alpha1"
#: KubeDL's CRDs, made with an old generator, give keys to only these lists of a pod template.
_LISTS = {
    "ports": ("containerPort", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}


def _model_version(body: Body) -> Readiness:
    status = status_of(body)
    match status.get("imageBuildPhase"):
        case "ImageBuildSucceeded":
            if not text_of(status, "image"):
                return failed("built without an image: the tag was used before")
            return READY
        case "ImageBuildFailed":
            return failed(text_of(status, "message") or "the build failed")
        case _:
            return progressing("the image is being built")


def _inference(body: Body) -> Readiness:
    """An Inference has no conditions: it is ready when every predictor has its replicas ready."""
    predictors = mappings_of(mapping_of(body, "spec"), "predictors")
    statuses = {p.get("name"): p for p in mappings_of(status_of(body), "predictorStatuses")}
    for predictor in predictors:
        wanted = count_of(predictor, "replicas", 1)
        ready = count_of(statuses.get(predictor.get("name")), "readyReplicas")
        if ready < wanted:
            return progressing(f"{ready} of {wanted} ready")
    return READY if predictors else progressing("it has no predictor")


def _jobs() -> Iterator[Kind]:
    # Kind, plural, field of the replicas, types whose first pod decides, field of the run policy.
    rows: tuple[tuple[str, str, str, Sequence[str], str], ...] = (
        ("TFJob", "tfjobs", "tfReplicaSpecs", ("Chief", "Master"), ""),
        ("PyTorchJob", "pytorchjobs", "pytorchReplicaSpecs", ("Master",), ""),
        ("XGBoostJob", "xgboostjobs", "xgbReplicaSpecs", ("Master",), ""),
        ("XDLJob", "xdljobs", "xdlReplicaSpecs", ("Scheduler",), ""),
        ("MPIJob", "mpijobs", "mpiReplicaSpecs", ("Launcher",), "runPolicy"),
        ("MarsJob", "marsjobs", "marsReplicaSpecs", ("Scheduler",), ""),
        ("ElasticDLJob", "elasticdljobs", "elasticdlReplicaSpecs", ("Master",), ""),
    )
    for name, plural, replicas, chiefs, policy in rows:
        job = replicated_job(replicas, chiefs, policy=policy)
        yield Kind(
            GroupKind("training.kubedl.io", name),
            plural,
            _VERSION,
            job_readiness(job),
            prune=PruneClass.RUN,
            list_keys=_LISTS,
            longest_name=63,
            longest_suffix=10,
            service_name=True,
            job=job,
        )


KINDS = (
    *_jobs(),
    Kind(
        GroupKind("apps.kubedl.io", "Cron"),
        "crons",
        _VERSION,
        always_ready,
        prune=PruneClass.SCHEDULE,
        ready_at_once=True,
    ),
    Kind(
        GroupKind("model.kubedl.io", "Model"),
        "models",
        _VERSION,
        always_ready,
        Wave.CONFIG,
        prune=PruneClass.STATEFUL,
        ready_at_once=True,
    ),
    Kind(
        GroupKind("model.kubedl.io", "ModelVersion"),
        "modelversions",
        _VERSION,
        _model_version,
        Wave.CONFIG,
        prune=PruneClass.STATEFUL,
        has_status_subresource=False,
    ),
    Kind(
        GroupKind("serving.kubedl.io", "Inference"),
        "inferences",
        _VERSION,
        _inference,
        list_keys=_LISTS,
        longest_name=63,
        longest_suffix=10,
        service_name=True,
    ),
)
