"""Bodies of a training pipeline as the Argo orchestrator draws it, shortened."""

import json
from datetime import timedelta

from reconciler import kinds
from reconciler.simulation.outcomes import Outcomes

HALF_HOUR = timedelta(minutes=30)


def outcomes(**more):
    return Outcomes(shortest=HALF_HOUR, longest=HALF_HOUR, **more)


def pods(container, **more):
    spec = {"containers": [{"name": container, "image": "t:1"}]}
    return {"replicas": 2, "restartPolicy": "Never", "template": {"spec": spec}, **more}


def state(town, key):
    return kinds.readiness(town.world.cluster.get(key)).state


DOMAIN = "ml-reconciler.dev"


def own(step, *args):
    return {
        "image": "registry.example/reconciler:1",
        "command": ["reconciler"],
        "args": ["step", step, "--app=prod/train/mnist", *args],
    }


def manifest(candidate):
    return json.dumps(
        {
            "apiVersion": "training.kubedl.io/v1alpha1",
            "kind": "TFJob",
            "metadata": {
                "name": f"{{{{workflow.name}}}}-{candidate}",
                "namespace": "ml",
                "labels": {"workflows.argoproj.io/workflow": "{{workflow.name}}"},
            },
            "spec": {"tfReplicaSpecs": {"Worker": pods("tensorflow")}},
        }
    )


def pipeline(candidates=("a", "b"), registry="kubedl", **spec):
    train = {
        "name": "train",
        "template": "train",
        "depends": "ingest",
        "withItems": [{"name": c, "manifest": manifest(c)} for c in candidates],
        "arguments": {
            "parameters": [
                {"name": "candidate", "value": "{{item.name}}"},
                {"name": "manifest", "value": "{{item.manifest}}"},
            ]
        },
    }
    select = {
        "name": "select",
        "template": "select",
        "depends": "train.AnySucceeded",
        "arguments": {
            "parameters": [
                {"name": "results", "value": "{{tasks.train.outputs.parameters.result}}"}
            ]
        },
    }
    publish = {
        "name": "publish",
        "template": "publish",
        "depends": "select.Succeeded",
        "when": "{{tasks.select.outputs.parameters.promote}} == true",
        "arguments": {
            "parameters": [
                {"name": "winner", "value": "{{tasks.select.outputs.parameters.winner}}"}
            ]
        },
    }
    tasks = [{"name": "ingest", "template": "ingest"}, train, select, publish]
    publish_args = (f"--registry={registry}", "--pvc=models", "--path=/models/mnist")
    templates = [
        {"name": "pipeline", "dag": {"failFast": False, "tasks": tasks}},
        {"name": "ingest", "container": {"image": "i:1", "command": ["x"]}},
        {"name": "train", "container": own("train")},
        {"name": "select", "container": own("select", "--candidates=1")},
        {"name": "publish", "container": own("publish", *publish_args)},
        {"name": "finish", "container": own("finish")},
    ]
    return {"entrypoint": "pipeline", "onExit": "finish", "templates": templates, **spec}


def template(town, minimum="0.9", metric="accuracy", goal="maximize", **spec):
    contract = {"metric": metric, "goal": goal, "minimum": minimum}
    annotations = {f"{DOMAIN}/{name}": value for name, value in contract.items()}
    town.put(
        "argoproj.io/v1alpha1",
        "WorkflowTemplate",
        "mnist-train",
        pipeline(**spec),
        annotations=annotations,
    )


def workflow(town, name="run"):
    spec = {"workflowTemplateRef": {"name": "mnist-train"}}
    return town.put("argoproj.io/v1alpha1", "Workflow", name, spec)


def phases(town, key):
    return {node["displayName"]: node["phase"] for node in town.status(key)["nodes"].values()}
