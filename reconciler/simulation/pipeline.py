"""Simulates the containers of a training pipeline. Its steps run this program's own image
(`reconciler step train|select|publish|finish`); their arguments say what they do.

Any other container only takes time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

import reconciler
from reconciler.objects.key import ObjectKey, split_version
from reconciler.simulation import training
from reconciler.simulation.controller import ControllerClient
from reconciler.simulation.object_bodies import Body, stamp

__all__ = [
    "Contract",
    "create_job",
    "find_job",
    "manifest",
    "publish",
    "result_of",
    "select",
    "step",
    "sweep",
]

_DOMAIN = reconciler.API_DOMAIN
_MANAGER = f"{reconciler.FIELD_MANAGER}-step"
_MODEL_VERSION = ("model.kubedl.io", "ModelVersion")


class Contract(NamedTuple):
    """The rule that chooses the best candidate, from annotations of the WorkflowTemplate."""

    metric: str
    goal: str
    minimum: float | None

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> Contract:
        minimum = annotations.get(f"{_DOMAIN}/minimum")
        return cls(
            annotations.get(f"{_DOMAIN}/metric", ""),
            annotations.get(f"{_DOMAIN}/goal", "maximize"),
            float(minimum) if minimum is not None else None,
        )


def step(template: Mapping[str, Any]) -> str:
    """The pipeline step that a template runs, for example `train`; "" for any other container."""
    container = template.get("container") or {}
    args = [str(arg) for arg in container.get("args") or ()]
    own = (container.get("command") or [""])[0] == reconciler.FIELD_MANAGER and args[:1] == ["step"]
    return args[1] if own and len(args) > 1 else ""


def options(template: Mapping[str, Any]) -> dict[str, str]:
    """The arguments of the form `--name=value`, by name."""
    pairs = (str(a).partition("=") for a in (template.get("container") or {}).get("args") or ())
    return {name[2:]: value for name, _, value in pairs if name.startswith("--")}


# -- train -----------------------------------------------------------------------------------------


def manifest(template: Mapping[str, Any], candidate: str) -> str:
    """The text of a candidate's job, from a variable of the train step's container; "" for none."""
    variable = f"MANIFEST_{candidate.upper().replace('-', '_')}"
    variables = (template.get("container") or {}).get("env") or ()
    return next((str(v.get("value", "")) for v in variables if v.get("name") == variable), "")


def create_job(client: ControllerClient, namespace: str, manifest: str) -> Body:
    """Creates the job of one candidate, or returns the existing one. Raises ApiFault when the
    server refuses, ValueError for text that is not a manifest."""
    body = orjson.loads(manifest)
    if not isinstance(body, dict) or "kind" not in body:
        raise ValueError("the manifest is not an object")
    body.setdefault("metadata", {}).setdefault("namespace", namespace)
    return client.create(body, _MANAGER)


def find_job(client: ControllerClient, namespace: str, manifest: str) -> Body | None:
    body = orjson.loads(manifest)
    group, _ = split_version(body["apiVersion"])
    place = body["metadata"].get("namespace", namespace)
    return client.server.get(ObjectKey(group, body["kind"], place, body["metadata"]["name"]))


def result_of(client: ControllerClient, job: Body, candidate: str, contract: Contract) -> str:
    """The output of a train step: JSON with the candidate's name and metrics."""
    outcome = training.outcome_of(client, job, contract.metric or "accuracy")
    result = {
        "candidate": candidate,
        "job": job["metadata"]["name"],
        "metrics": dict(outcome.metrics),
        "digest": outcome.digest,
    }
    return orjson.dumps(result, option=orjson.OPT_SORT_KEYS).decode()


def sweep(client: ControllerClient, namespace: str, run: str) -> None:
    """Deletes the run's jobs, found by their label."""
    for kind in client.job_kinds():
        if client.serves(kind):
            for job in client.list(kind, namespace, {training.RUN_LABEL: run}):
                client.delete(job)


# -- select and publish ----------------------------------------------------------------------------


def select(results: list[str], contract: Contract, template: Mapping[str, Any]) -> dict[str, Any]:
    """The best candidate's result; {} when no candidate is good enough or too few have finished."""
    found = [orjson.loads(result) for result in results]
    if len(found) < int(options(template).get("candidates", "1")):
        return {}
    if not contract.metric:
        return found[0] if found else {}
    sign = 1 if contract.goal == "maximize" else -1
    rated = [r for r in found if contract.metric in r["metrics"]]
    if contract.minimum is not None:
        rated = [
            r for r in rated if sign * r["metrics"][contract.metric] >= sign * contract.minimum
        ]
    if not rated:
        return {}
    best: dict[str, Any] = max(rated, key=lambda r: sign * r["metrics"][contract.metric])
    return best


def publish(
    client: ControllerClient, namespace: str, run: str, template: Mapping[str, Any], winner: str
) -> str:
    """Creates the model version of a run and returns its name; "" when the training jobs publish
    versions themselves."""
    given = options(template)
    result = orjson.loads(winner or "{}")
    if given.get("registry") == "kubedl" and "path" not in given and "pvc" not in given:
        return ""
    facts = dict(_facts(client, run, given, result))
    environment, group, model = (*given.get("app", "").split("/"), "", "", "")[:3]
    metadata = {
        "name": run,
        "namespace": namespace,
        "labels": {
            f"{_DOMAIN}/environment": environment,
            f"{_DOMAIN}/group": group,
            f"{_DOMAIN}/model": model,
            f"{_DOMAIN}/published": "model-version",
        },
    }
    if given.get("registry") == "kubedl" and client.serves(_MODEL_VERSION):
        annotations = {f"{_DOMAIN}/{name}": value for name, value in facts.items()}
        image = f"{given['image-repo']}:{run}" if "image-repo" in given else ""
        spec = {"modelName": model, "createdBy": run, "imageTag": run}
        if image:
            spec["imageRepo"] = given["image-repo"]
        # The kind has no status subresource, so the object is created as already built.
        status = {
            "image": image or facts.get("storage-uri", ""),
            "imageBuildPhase": "ImageBuildSucceeded",
            "message": "Image build succeeded.",
            "finishTime": stamp(client.now),
        }
        body: Body = {
            "apiVersion": "model.kubedl.io/v1alpha1",
            "kind": "ModelVersion",
            "metadata": {**metadata, "annotations": annotations},
            "spec": spec,
            "status": status,
        }
    else:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": facts}
    client.create(body, _MANAGER)
    return run


def _facts(
    client: ControllerClient, run: str, given: Mapping[str, str], result: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    yield "run", run
    yield "candidate", str(result.get("candidate", ""))
    metrics = result.get("metrics", {})
    yield "metrics", orjson.dumps(metrics, option=orjson.OPT_SORT_KEYS).decode()
    yield "digest", str(result.get("digest", ""))
    yield "trained-at", stamp(client.now)
    if "dataset" in given:
        yield "dataset", given["dataset"]
    if "pvc" in given and "path" in given:
        path = given["path"].strip("/").removeprefix(f"{given['pvc']}/")
        yield "storage-uri", f"pvc://{given['pvc']}/{path}/{run}"
