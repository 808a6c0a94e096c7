"""Argo Workflows: one WorkflowTemplate per app, and one CronWorkflow per schedule, which refers to
the template.

Facts from Argo's source that shape these objects:
- `schedules` is used, because v4 has no `schedule`. The time zone is always given.
- Parameters are strings.
- `failFast: false` lets the other candidates finish when one fails.
- The aggregate of a fan-out holds only the children that succeeded, so each result names its
  candidate.
- An item becomes part of its node's name, so an item is only a candidate's name. The jobs'
  manifests are variables of the train step (`MANIFEST_<CANDIDATE>`).
- `successCondition` cannot read condition arrays, so the steps that judge a result run the image
  of this program (`reconciler step train|select|publish`).

A run without a winner succeeds and skips `publish`. A pipeline publishes versions; it never
patches serving objects, because Git owns these.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.apps.app import App
from reconciler.backends import overlay, pod, trainer, workflow_pod
from reconciler.backends.contract import (
    Framework,
    Lookup,
    Orchestrator,
    check_name_fits,
    find_framework,
)
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.lifecycle import schedule as schedules
from reconciler.objects.draft import Draft, Embedded, Placeholder, Tree, show_path, walk
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.status import mapping_of, mappings_of
from reconciler.origin import BUILT_IN, Value, built_in, derive, plain
from reconciler.spec.constraint import Duration
from reconciler.spec.training import Evaluate, Ingest, Schedule, Training

__all__ = ["ORCHESTRATOR"]

_GROUP = "argoproj.io"
_VERSION = "argoproj.io/v1alpha1"
_DOMAIN = reconciler.API_DOMAIN
_STEP_IMAGE = built_in(f"ghcr.io/{reconciler.DISTRIBUTION}/reconciler:{reconciler.__version__}")
_MEMO_KEY = re.compile(r"[^a-zA-Z0-9-]+")


@dataclass(frozen=True, slots=True)
class Options:
    """`training.argo`"""

    keep: Value[Duration] = built_in("24h")
    """How long a finished Workflow stays in the cluster."""


def _draw(app: App, framework: Framework) -> tuple[Draft, ...]:
    return (_template(app, framework), *_crons(app))


# -- the pipeline ----------------------------------------------------------------------------------


def _template(app: App, framework: Framework) -> Draft:
    training = trainer.training_of(app)
    name = f"{app.model}-train"
    options: Options = app.options.get("argo") or Options()
    templates = [
        _dag(training),
        *_ingest(app, training),
        _train(app, training, framework),
        *_evaluate(app, training),
        _select(app, training),
        _publish(app, training),
        _finish(app, training),
    ]
    spec: dict[str, Tree] = {
        "entrypoint": "pipeline",
        "onExit": "finish",
        "activeDeadlineSeconds": pod.seconds_of(training.deadline),
        "ttlStrategy": {"secondsAfterCompletion": pod.seconds_of(options.keep)},
        "podGC": {"strategy": "OnPodSuccess"},
        "podMetadata": {"labels": pod.pod_labels(app)},
        "templates": templates,
    }
    account = app.spec.group.service_account
    if account is not None:
        spec["serviceAccountName"] = account
    if claims := pod.volumes(trainer.mounts_of(app)):
        spec["volumes"] = claims
    spec |= workflow_pod.fields_of_workflow(overlay.parts_of(app, None, training.pod))
    metadata = {"name": name, "annotations": _contract(training)}
    key = ObjectKey(_GROUP, "WorkflowTemplate", app.namespace, name)
    return Draft(key, _VERSION, {"metadata": metadata, "spec": spec}, "argo")


def _contract(training: Training) -> dict[str, Tree]:
    """The annotations that say how a winner is chosen; people and the steps read them."""
    out: dict[str, Tree] = {f"{_DOMAIN}/framework": training.framework}
    if training.select is not None:
        out[f"{_DOMAIN}/metric"] = training.select.metric
        out[f"{_DOMAIN}/goal"] = training.select.goal
        if training.select.minimum is not None:
            out[f"{_DOMAIN}/minimum"] = training.select.minimum.map(str)
    return out


def _dag(training: Training) -> Tree:
    tasks: list[Tree] = []
    train: dict[str, Tree] = {
        "name": "train",
        "template": "train",
        "arguments": {"parameters": [{"name": "candidate", "value": "{{item}}"}]},
        # Only names: an item's text becomes part of its node's name.
        "withItems": list(_candidate_names(training)),
    }
    if training.ingest is not None:
        tasks.append({"name": "ingest", "template": "ingest"})
        train["depends"] = "ingest"
    tasks.append(train)
    results = "{{tasks.train.outputs.parameters.result}}"
    ready = "train.AnySucceeded"
    if training.evaluate is not None:
        tasks.append(_task("evaluate", ready, results=results))
        results, ready = "{{tasks.evaluate.outputs.parameters.result}}", "evaluate.Succeeded"
    tasks.append(_task("select", ready, results=results))
    publish = _task(
        "publish", "select.Succeeded", winner="{{tasks.select.outputs.parameters.winner}}"
    )
    publish["when"] = "{{tasks.select.outputs.parameters.promote}} == true"
    tasks.append(publish)
    return {"name": "pipeline", "dag": {"failFast": False, "tasks": tasks}}


def _task(name: str, depends: str, **parameters: str) -> dict[str, Tree]:
    values = [{"name": key, "value": value} for key, value in parameters.items()]
    return {
        "name": name,
        "template": name,
        "depends": depends,
        "arguments": {"parameters": values},
    }


def _manifests(app: App, training: Training, framework: Framework) -> Iterator[Tree]:
    """One variable per candidate, which holds the whole job. Argo fills in only the run's name."""
    names = _candidate_names(training)
    for candidate, candidate_name in zip(training.candidates or (None,), names, strict=True):
        name: Value[str] = candidate_name.map(
            lambda text: Placeholder(f"{{{{workflow.name}}}}-{text}")
        )
        tree = framework.draw(app, candidate, name)
        key = ObjectKey(*framework.kind, app.namespace, str(name.value))
        job = Draft(key, plain(tree["apiVersion"]), tree, framework.name)
        variable = candidate_name.map(lambda text: f"MANIFEST_{text.upper().replace('-', '_')}")
        yield {"name": variable, "value": Embedded(candidate_name.value, job)}


def _candidate_names(training: Training) -> tuple[Value[str], ...]:
    """The candidates' names, which end the names of a run's jobs; `main` without candidates."""
    return tuple(c.name for c in training.candidates) or (built_in("main"),)


def _program_container(app: App, training: Training, step: str, args: list[Any]) -> dict[str, Tree]:
    """A container that runs `reconciler step <step>`."""
    image = _STEP_IMAGE if training.step_image is None else training.step_image
    pool = pod.pool_of(app, training.pool)
    sized = pod.resources(training.step_resources, pool) or {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "1", "memory": "256Mi"},
    }
    tree = pod.container("main", image, sized=sized)
    tree["command"] = ["reconciler"]
    tree["args"] = ["step", step, f"--app={app.id}", *args]
    return tree


def _train(app: App, training: Training, framework: Framework) -> Tree:
    args = ["--candidate={{inputs.parameters.candidate}}", "--output=/tmp/result.json"]
    container = _program_container(app, training, "train", args)
    container["env"] = list(_manifests(app, training, framework))
    return {
        "name": "train",
        "inputs": {"parameters": [{"name": "candidate"}]},
        "outputs": {"parameters": [_file("result", "/tmp/result.json")]},
        "container": container,
    }


def _file(name: str, path: str, default: str | None = None) -> Tree:
    value: dict[str, Tree] = {"path": path}
    if default is not None:
        value["default"] = default
    return {"name": name, "valueFrom": value}


def _ingest(app: App, training: Training) -> Iterator[Tree]:
    ingest = training.ingest
    if ingest is None:
        return
    tree: dict[str, Tree] = {
        "name": "ingest",
        **_user_step(app, ingest, list(ingest.args)),
    }
    if ingest.retry is not None:
        tree["retryStrategy"] = {
            "limit": ingest.retry.limit.map(str),
            # OnError does not retry a container that fails (Argo 4.1.2).
            "retryPolicy": "Always",
            "backoff": {"duration": pod.go_duration(ingest.retry.backoff)},
        }
        if ingest.memoize is not None:
            # With both on one template, a memo hit makes the Workflow hang (Argo 3.7 to 4.1.2). So
            # the outer template remembers, and the inner one tries again.
            yield {**tree, "name": "ingest-data"}
            inner = [{"name": "data", "template": "ingest-data"}]
            tree = {"name": "ingest", "dag": {"tasks": inner}}
    if ingest.memoize is not None:
        # Argo finds a cache ConfigMap by its name only. With environment, group and model in the
        # name, two teams never share entries. Dots separate them: `a-b/c` and `a/b-c` differ.
        cache = f"{app.environment}.{app.group}.{app.model}.ingest"
        tree["memoize"] = {
            "key": ingest.memoize.key.map(_memo_key),
            "maxAge": pod.go_duration(ingest.memoize.max_age),
            "cache": {"configMap": {"name": cache}},
        }
    yield tree


def _user_step(app: App, step: Ingest | Evaluate, args: list[Any]) -> dict[str, Tree]:
    """The container of a user's step. It has the trainer's variables, claims and data. A step that
    asks for a GPU also gets to the nodes of the trainer's pool."""
    training = trainer.training_of(app)
    pool = pod.pool_of(app, training.pool)
    wants = step.resources.gpu if step.resources is not None else None
    main = pod.container(
        "main",
        step.image,
        command=step.command,
        args=args,
        variables=training.env,
        sized=pod.resources(step.resources, pool),
        mounts=trainer.mounts_of(app),
    )
    trainer.add_data_variables(app, main)
    on_pool = pod.asked_for(pool, wants)
    inputs = [wants] if pool is not None and wants is not None else []
    parts = overlay.parts_of(app, on_pool, training.pod)
    placed = pod.placement(on_pool) if on_pool is not None else {}
    return {
        "container": parts.over_container(main),
        **overlay.join(workflow_pod.fields_of_template(parts, *inputs), placed),
    }


def _memo_key(text: str) -> str:
    """A memoization key. Argo allows letters, digits and dashes; a key that loses characters gets a
    digest of the whole text, so that two keys stay different."""
    clean = _MEMO_KEY.sub("-", text).strip("-")
    if clean == text:
        return text
    return f"{clean[:50]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}".lstrip("-")


def _evaluate(app: App, training: Training) -> Iterator[Tree]:
    step = training.evaluate
    if step is None:
        return
    args = [*step.args, "--results={{inputs.parameters.results}}", "--output=/tmp/result.json"]
    yield {
        "name": "evaluate",
        "inputs": {"parameters": [{"name": "results"}]},
        "outputs": {"parameters": [_file("result", "/tmp/result.json")]},
        **_user_step(app, step, args),
    }


def _select(app: App, training: Training) -> Tree:
    args: list[Any] = ["--results={{inputs.parameters.results}}"]
    if training.select is not None:
        select = training.select
        args.append(pod.text("--metric={}", select.metric))
        args.append(pod.text("--goal={}", select.goal))
        args.append(pod.text("--candidates={}", select.candidates))
        if select.minimum is not None:
            args.append(pod.text("--minimum={}", select.minimum))
    args.append("--output=/tmp/select")
    return {
        "name": "select",
        "inputs": {"parameters": [{"name": "results"}]},
        "outputs": {
            "parameters": [
                _file("winner", "/tmp/select/winner.json", "{}"),
                _file("promote", "/tmp/select/promote", "false"),
            ]
        },
        "container": _program_container(app, training, "select", args),
    }


def _publish(app: App, training: Training) -> Tree:
    args: list[Any] = [
        "--winner={{inputs.parameters.winner}}",
        "--run={{workflow.name}}",
        "--scheduled={{workflow.scheduledTime}}",
    ]
    versions = app.spec.versions
    if versions is not None:
        args.append(pod.text("--registry={}", versions.registry))
        if versions.image_repo is not None:
            args.append(pod.text("--image-repo={}", versions.image_repo))
        if versions.storage is not None and versions.storage.path is not None:
            args.append(pod.text("--path={}", versions.storage.path))
        if versions.storage is not None and versions.storage.pvc is not None:
            args.append(pod.text("--pvc={}", versions.storage.pvc))
    if app.spec.dataset is not None and app.spec.dataset.revision is not None:
        args.append(pod.text("--dataset={}", app.spec.dataset.revision))
    return {
        "name": "publish",
        "inputs": {"parameters": [{"name": "winner"}]},
        "container": _program_container(app, training, "publish", args),
    }


def _finish(app: App, training: Training) -> Tree:
    """The exit handler: it deletes the jobs of the run, which it finds by their label."""
    args: list[Any] = ["--run={{workflow.name}}", "--status={{workflow.status}}"]
    return {"name": "finish", "container": _program_container(app, training, "finish", args)}


# -- schedules -------------------------------------------------------------------------------------


def _crons(app: App) -> Iterator[Draft]:
    for entry in trainer.training_of(app).schedules:
        name = _cron_name(app, entry)
        key = ObjectKey(_GROUP, "CronWorkflow", app.namespace, name.value)
        spec: dict[str, Tree] = {
            "schedules": [derive(schedules.resolve_cron(app, entry, entry.cron.value), entry.cron)],
            "timezone": entry.time_zone,
            "concurrencyPolicy": entry.concurrency,
            "startingDeadlineSeconds": pod.seconds_of(entry.starting_deadline),
            "successfulJobsHistoryLimit": entry.history,
            "failedJobsHistoryLimit": entry.history,
            # Always written: the program compares only fields that it owns, and would not see a
            # `suspend` that a person sets.
            "suspend": entry.suspend,
            "workflowMetadata": {
                "labels": {
                    f"{_DOMAIN}/model": app.model,
                    f"{_DOMAIN}/schedule": entry.name,
                }
            },
            "workflowSpec": {"workflowTemplateRef": {"name": f"{app.model}-train"}},
        }
        yield Draft(key, _VERSION, {"metadata": {"name": name}, "spec": spec}, "argo")


def _cron_name(app: App, entry: Schedule) -> Value[str]:
    return entry.name.map(lambda text: f"{app.model}-{text}")


def _check(app: App) -> Iterable[Diagnostic]:
    training = trainer.training_of(app)
    if not app.trains:
        return
    yield from _check_braces(app, training)
    job = find_framework(training.framework.value).kind
    for entry in training.schedules:
        if entry.concurrency.value == "Replace":
            yield warning(
                "W_ARGO_REPLACE",
                "Replace ends the earlier run without its exit handler: its job runs on beside the "
                "new job until the deadline",
                entry.concurrency.site,
                path=f"training.schedules[name={entry.name.value}].concurrency",
                help="use Forbid, or allow for both jobs' devices",
            )
        name = _cron_name(app, entry).value
        yield from check_name_fits(GroupKind(_GROUP, "CronWorkflow"), name, entry.name)
        for candidate_name in _candidate_names(training):
            # A run is <cron>-<unix seconds>, and its jobs <run>-<candidate>.
            source = entry.name if candidate_name.origin is BUILT_IN else candidate_name
            yield from check_name_fits(job, f"{name}-{'0' * 10}-{candidate_name.value}", source)


def _check_braces(app: App, training: Training) -> Iterator[Diagnostic]:
    """Errors for `{{` in the containers that Argo starts itself: Argo reads it as a placeholder of
    its own, and the CronWorkflow then has the condition SpecError. In a job the text is escaped."""
    steps = (("ingest", training.ingest), ("evaluate", training.evaluate))
    for name, step in steps:
        if step is None:
            continue
        for field, texts in (("command", step.command), ("args", step.args)):
            for index, text in enumerate(texts):
                if "{{" in text.value:
                    yield _braces(text, f"training.{name}.{field}[{index}]")
    if training.ingest is not None or training.evaluate is not None:
        parts = overlay.parts_of(app, None, training.pod)
        for block in (parts.spec, parts.container, parts.labels, parts.annotations):
            for path, leaf in walk(block):
                if isinstance(leaf, Value) and isinstance(leaf.value, str) and "{{" in leaf.value:
                    yield _braces(leaf, f"training.pod: {show_path(path)}")
        for variable in training.env:
            value = variable.value
            if isinstance(value.value, str) and "{{" in value.value:
                yield _braces(value, f"training.env[name={variable.name.value}].value")


def _braces(text: Value[Any], path: str) -> Diagnostic:
    return error(
        "E_ARGO_BRACES",
        "Argo reads `{{` as a placeholder of its own, and no such placeholder exists here",
        text.site,
        path=path,
        help="a reference of this config is written `${{ … }}`; a step gets values by variables",
    )


def _kinds(app: App) -> frozenset[GroupKind]:
    crons = {GroupKind(_GROUP, "CronWorkflow")} if trainer.training_of(app).schedules else set()
    return frozenset({GroupKind(_GROUP, "WorkflowTemplate"), *crons})


def _live_candidates(app: App, lookup: Lookup) -> tuple[str, ...]:
    live = lookup(ObjectKey(_GROUP, "WorkflowTemplate", app.namespace, f"{app.model}-train"))
    for template in mappings_of(mapping_of(live.body or {}, "spec"), "templates"):
        for task in mappings_of(mapping_of(template, "dag"), "tasks"):
            items = task.get("withItems")
            if task.get("template") == "train" and isinstance(items, list):
                return tuple(item for item in items if isinstance(item, str))
    return ()


ORCHESTRATOR = Orchestrator("argo", _draw, _check, _kinds, _live_candidates, Options)
