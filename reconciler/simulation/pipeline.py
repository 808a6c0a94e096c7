"""What the containers of a training pipeline would do: its steps run this program's own image
(`reconciler step train|select|publish|finish`), and their arguments say everything.

Other containers only take time.
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
    """How a winner is chosen: annotations on the WorkflowTemplate."""

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
    """Which of our own steps a template is, "" for any other container."""
    container = template.get("container") or {}
    args = [str(arg) for arg in container.get("args") or ()]
    own = (container.get("command") or [""])[0] == reconciler.FIELD_MANAGER and args[:1] == ["step"]
    return args[1] if own and len(args) > 1 else ""


def options(template: Mapping[str, Any]) -> dict[str, str]:
    """`--name=value` arguments by name."""
    pairs = (str(a).partition("=") for a in (template.get("container") or {}).get("args") or ())
    return {name[2:]: value for name, _, value in pairs if name.startswith("--")}


# -- train -----------------------------------------------------------------------------------------


def manifest(template: Mapping[str, Any], candidate: str) -> str:
    """A candidate's job, a variable of the train step; "" when there is none."""
    variable = f"MANIFEST_{candidate.upper().replace('-', '_')}"
    variables = (template.get("container") or {}).get("env") or ()
    return next((str(v.get("value", "")) for v in variables if v.get("name") == variable), "")


def create_job(desk: ControllerClient, namespace: str, manifest: str) -> Body:
    """Creates the job of one candidate; one that is already there is taken up again. Raises
    ApiFault when it is refused, ValueError for text that is no manifest."""
    body = orjson.loads(manifest)
    if not isinstance(body, dict) or "kind" not in body:
        raise ValueError("the manifest is no object")
    body.setdefault("metadata", {}).setdefault("namespace", namespace)
    return desk.create(body, _MANAGER)


def find_job(desk: ControllerClient, namespace: str, manifest: str) -> Body | None:
    body = orjson.loads(manifest)
    group, _ = split_version(body["apiVersion"])
    place = body["metadata"].get("namespace", namespace)
    return desk.server.get(ObjectKey(group, body["kind"], place, body["metadata"]["name"]))


def result_of(desk: ControllerClient, job: Body, candidate: str, contract: Contract) -> str:
    """What the train step writes: JSON that names its candidate."""
    outcome = training.trained(desk, job, contract.metric or "accuracy")
    result = {
        "candidate": candidate,
        "job": job["metadata"]["name"],
        "metrics": dict(outcome.metrics),
        "digest": outcome.digest,
    }
    return orjson.dumps(result, option=orjson.OPT_SORT_KEYS).decode()


def sweep(desk: ControllerClient, namespace: str, run: str) -> None:
    """Deletes the run's jobs, found by their label."""
    for kind in desk.job_kinds():
        if desk.serves(kind):
            for job in desk.list(kind, namespace, {training.RUN_LABEL: run}):
                desk.delete(job)


# -- select and publish ----------------------------------------------------------------------------


def select(results: list[str], contract: Contract, template: Mapping[str, Any]) -> dict[str, Any]:
    """The best candidate's result, {} when none is good enough or too few have finished."""
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
    desk: ControllerClient, namespace: str, run: str, template: Mapping[str, Any], winner: str
) -> str:
    """Makes the model version; its name, "" when the training jobs publish themselves."""
    given = options(template)
    result = orjson.loads(winner or "{}")
    if given.get("registry") == "kubedl" and "path" not in given and "pvc" not in given:
        return ""
    facts = dict(_facts(desk, run, given, result))
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
    if given.get("registry") == "kubedl" and desk.serves(_MODEL_VERSION):
        annotations = {f"{_DOMAIN}/{name}": value for name, value in facts.items()}
        image = f"{given['image-repo']}:{run}" if "image-repo" in given else ""
        spec = {"modelName": model, "createdBy": run, "imageTag": run}
        if image:
            spec["imageRepo"] = given["image-repo"]
        # Its kind has no status subresource: a finished build can be written along.
        status = {
            "image": image or facts.get("storage-uri", ""),
            "imageBuildPhase": "ImageBuildSucceeded",
            "message": "Image build succeeded.",
            "finishTime": stamp(desk.now),
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
    desk.create(body, _MANAGER)
    return run


def _facts(
    desk: ControllerClient, run: str, given: Mapping[str, str], result: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    yield "run", run
    yield "candidate", str(result.get("candidate", ""))
    metrics = result.get("metrics", {})
    yield "metrics", orjson.dumps(metrics, option=orjson.OPT_SORT_KEYS).decode()
    yield "digest", str(result.get("digest", ""))
    yield "trained-at", stamp(desk.now)
    if "dataset" in given:
        yield "dataset", given["dataset"]
    if "pvc" in given and "path" in given:
        path = given["path"].strip("/").removeprefix(f"{given['pvc']}/")
        yield "storage-uri", f"pvc://{given['pvc']}/{path}/{run}"
