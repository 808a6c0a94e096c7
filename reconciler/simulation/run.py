"""Runs one Workflow through its tasks, and records them in `status.nodes` as Argo does.

All state is in the nodes, so a later process goes on where this one stopped.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from reconciler.simulation import memoization, pipeline, training
from reconciler.simulation.controller import ControllerClient, moment
from reconciler.simulation.depends import (
    DependsInvalid,
    TaskState,
    evaluate,
    expression_of,
    list_tasks,
)
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.object_bodies import Body, stamp

__all__ = ["Run"]

_VARIABLE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_COMPARISON = re.compile(r"\s*'?(.*?)'?\s*(==|!=)\s*'?(.*?)'?\s*")
_FINISHED = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")
_EXIT = "onExit"
_JOB_POLL = timedelta(minutes=5)

Node = dict[str, Any]


class Run:
    """One Workflow's run. Changes `status` in place; the caller writes it to the server."""

    def __init__(self, client: ControllerClient, body: Body, status: dict[str, Any]) -> None:
        self.client = client
        self.name = str(body["metadata"]["name"])
        self.namespace = str(body["metadata"]["namespace"])
        self.status = status
        self.spec: Mapping[str, Any] = status.get("storedWorkflowTemplateSpec") or body["spec"]
        self.templates = {t["name"]: t for t in self.spec.get("templates") or ()}
        self.scheduled = str(
            (body["metadata"].get("annotations") or {}).get(
                "workflows.argoproj.io/scheduled-time", status["startedAt"]
            )
        )
        reference = body["spec"].get("workflowTemplateRef") or {}
        template = client.get(
            ("argoproj.io", "WorkflowTemplate"), self.namespace, reference.get("name", "")
        )
        annotations = ((template or body)["metadata"].get("annotations")) or {}
        self.contract = pipeline.Contract.of(annotations)
        self.tasks = list(self._entry_tasks())

    # -- the whole run -----------------------------------------------------------------------------

    def advance(self) -> datetime | None:
        """Does what is due by now. Returns when to advance again; None when the run has ended, and
        when nothing will ever end it."""
        if self._hangs():
            return None
        limit = self._deadline()
        if limit is not None and self.client.now >= limit and not self._is_closing():
            self.stop("Step exceeded its deadline")
        due = [self._advance_task(task) for task in self.tasks]
        while any(d is not None and d <= self.client.now for d in due):
            due = [self._advance_task(task) for task in self.tasks]
        due_times = [d for d in due if d is not None]
        done = sum(1 for node in self._leaves() if node["phase"] in _FINISHED)
        self.status["progress"] = f"{done}/{len(list(self._leaves()))}"
        if self._hangs():
            return min(due_times, default=None)
        if due_times:
            return min([*due_times, limit] if limit is not None else due_times)
        return self._exit()

    def _hangs(self) -> bool:
        """Whether a memo hit keeps the run from ending, and nothing else is under way."""
        stuck = any(memoization.hangs(node) for node in self.nodes.values())
        return stuck and all(node["phase"] in _FINISHED for node in self.nodes.values())

    def stop(self, why: str) -> None:
        """Fails the running tasks and omits those that have not begun. Jobs go on."""
        for node in self.nodes.values():
            if node["phase"] not in _FINISHED and node["displayName"] != _EXIT:
                self._end(node, "Failed", why)
        for task in self.tasks:
            if self._find(task["name"]) is None:
                self._end(self._node(task["name"], "Skipped", task["template"]), "Omitted", why)

    def close(self, phase: str, message: str = "") -> None:
        self.status |= {"phase": phase, "finishedAt": stamp(self.client.now)}
        if message:
            self.status["message"] = message
        self.status["conditions"] = [{"type": "Completed", "status": "True"}]

    def _deadline(self) -> datetime | None:
        seconds = self.spec.get("activeDeadlineSeconds")
        if seconds is None:
            return None
        return moment(self.status["startedAt"]) + timedelta(seconds=int(seconds))

    def _is_closing(self) -> bool:
        return all(self._phase(task["name"]) in _FINISHED for task in self.tasks)

    def _exit(self) -> datetime | None:
        """Runs the exit handler, then ends the run."""
        phase, message = self._verdict()
        handler = self.spec.get("onExit")
        if handler in self.templates:
            task = {"name": _EXIT, "template": handler}
            due = self._advance_task(task)
            if due is not None:
                return due
        self.close(phase, message)
        return None

    def _verdict(self) -> tuple[str, str]:
        """The run's phase and message. A branch ends like its last task that was not omitted."""
        needed = {name for task in self.tasks for name in list_tasks(expression_of(task))}
        ends = [task["name"] for task in self.tasks if task["name"] not in needed]
        for name in ends:
            found = self._branch(name)
            if found in ("Failed", "Error"):
                failed_node = (n for n in self.nodes.values() if n["phase"] == found)
                return found, next((n["message"] for n in failed_node if n.get("message")), "")
        return "Succeeded", ""

    def _branch(self, name: str) -> str:
        phase = self._phase(name)
        if phase != "Omitted":
            return phase
        task = next(t for t in self.tasks if t["name"] == name)
        above = [self._branch(other) for other in sorted(list_tasks(expression_of(task)))]
        return next((p for p in above if p in ("Failed", "Error")), "Failed" if not above else "")

    # -- tasks -------------------------------------------------------------------------------------

    def _entry_tasks(self) -> Iterator[dict[str, Any]]:
        """The entrypoint's tasks; each group of `steps` depends on the group before."""
        entry = self.templates[self.spec["entrypoint"]]
        if "dag" in entry:
            yield from entry["dag"].get("tasks") or ()
        elif "steps" in entry:
            before: list[str] = []
            for group in entry["steps"]:
                for task in group:
                    yield {**task, "dependencies": before} if before else task
                before = [task["name"] for task in group]
        else:
            yield {"name": entry["name"], "template": entry["name"]}

    def _advance_task(self, task: Mapping[str, Any]) -> datetime | None:
        """Advances one task. Returns when to call again; None for one that waits or is done."""
        node = self._find(task["name"])
        if node is None:
            node = self._begin(task)
            if node is None:
                return None
            return self.client.now  # other tasks may depend on this one's start
        if node["phase"] in _FINISHED:
            return None
        children = [self.nodes[child] for child in node.get("children") or ()]
        if not children:
            due = self._advance_leaf(node)
            return self.client.now if node["phase"] in _FINISHED else due
        due_times = [self._advance_leaf(c) for c in children if c["phase"] not in _FINISHED]
        if all(child["phase"] in _FINISHED for child in children):
            failed_node = next((c for c in children if c["phase"] in ("Failed", "Error")), None)
            self._end(
                node,
                failed_node["phase"] if failed_node else "Succeeded",
                (failed_node or {}).get("message", ""),
            )
            return self.client.now
        return min(w for w in due_times if w is not None)

    def _begin(self, task: Mapping[str, Any]) -> Node | None:
        """The task's new node when the tasks that it depends on have ended; None before."""
        expression = expression_of(task)
        states = {name: self._state(name) for name in list_tasks(expression)}
        if any(state.phase not in _FINISHED for state in states.values()):
            return None
        if any(self._has_no_end(name) for name in states):
            return None
        name, template = task["name"], task.get("template", "")
        try:
            wanted = evaluate(expression, states)
        except DependsInvalid as invalid:
            return self._end(self._node(name, "Skipped", template), "Error", str(invalid))
        if not wanted:
            text = "omitted: depends condition not met"
            return self._end(self._node(name, "Skipped", template), "Omitted", text)
        when = self._substitute(str(task["when"])) if "when" in task else ""
        if when and not _is_true(when):
            text = f"when '{when}' evaluated false"
            return self._end(self._node(name, "Skipped", template), "Skipped", text)
        if "withItems" not in task:
            return self._start(name, task, None)
        group = self._node(name, "TaskGroup", template)
        for index, item in enumerate(task["withItems"]):
            label = item.get("name", index) if isinstance(item, dict) else item
            child = self._start(f"{name}({index}:{label})", task, item)
            group.setdefault("children", []).append(child["id"])
        return group if group.get("children") else self._end(group, "Skipped")

    def _start(self, name: str, task: Mapping[str, Any], item: Any) -> Node:
        """The node of a pod. For a train step, also creates the training job."""
        node = self._node(name, "Pod", task.get("template", ""))
        template = self.templates.get(task.get("template", ""))
        if template is None:
            return self._end(node, "Error", f"template {task.get('template')} undefined")
        parameters = [
            {"name": p["name"], "value": self._substitute(str(p.get("value", "")), item)}
            for p in (task.get("arguments") or {}).get("parameters") or ()
        ]
        if parameters:
            node["inputs"] = {"parameters": parameters}
        memoize = template.get("memoize")
        if memoize is not None:
            try:
                hit = memoization.look_up(self.client, memoize, self._memo_key(node, memoize))
            except memoization.MemoInvalid as invalid:
                return self._end(node, "Error", str(invalid))
            if hit is not None:
                return self._take_memo(node, template, hit)
        if pipeline.step(template) == "train":
            try:
                pipeline.create_job(self.client, self.namespace, self._manifest(node))
            except (ApiFault, ValueError) as refused:
                return self._end(node, "Failed", str(refused))
        return node

    # -- memos -------------------------------------------------------------------------------------

    def _memo_key(self, node: Node, memoize: Mapping[str, Any]) -> str:
        known = {p["name"]: p["value"] for p in (node.get("inputs") or {}).get("parameters") or ()}

        def fill(found: re.Match[str]) -> str:
            name = found[1].removeprefix("inputs.parameters.")
            return str(known[name]) if found[1] != name and name in known else found[0]

        return self._substitute(_VARIABLE.sub(fill, str(memoize.get("key", ""))))

    def _take_memo(self, node: Node, template: Mapping[str, Any], outputs: dict[str, Any]) -> Node:
        """Ends a node with the outputs of an earlier run."""
        cache = template["memoize"]["cache"]["configMap"]["name"]
        key = self._memo_key(node, template["memoize"])
        node["memoizationStatus"] = {"hit": True, "key": key, "cacheName": cache}
        if outputs:
            node["outputs"] = outputs
        if template.get("retryStrategy") is not None:
            node["type"] = "Retry"
        return self._end(node, "Succeeded")

    def _has_no_end(self, name: str) -> bool:
        """Whether nothing can follow a task, because a memo hit left it without an outbound
        node."""
        node = self._find(name)
        if node is None:
            return False
        members = [node, *(self.nodes[child] for child in node.get("children") or ())]
        return any(memoization.hangs(member) for member in members)

    # -- pods --------------------------------------------------------------------------------------

    def _advance_leaf(self, node: Node) -> datetime | None:
        template = self.templates[node["templateName"]]
        step = pipeline.step(template)
        if step == "train":
            return self._advance_training(node)
        settings = self.client.settings
        duration = settings.steps.get(node["templateName"], settings.other_steps)
        end = moment(node["startedAt"]) + duration
        if self.client.now < end:
            return end
        if self.client.outcomes.step_fails(self.name, node["templateName"]):
            self._end(node, "Failed", "Error (exit code 1)")
            return None
        match step:
            case "select":
                best = pipeline.select(self._results(), self.contract, template)
                text = orjson.dumps(best, option=orjson.OPT_SORT_KEYS).decode()
                _output(node, winner=text, promote="true" if best else "false")
            case "publish":
                winner = _input(node, "winner")
                pipeline.publish(self.client, self.namespace, self.name, template, winner)
            case "finish":
                pipeline.sweep(self.client, self.namespace, self.name)
            case _:
                _output(node, **{p: self._plain_output(p) for p in _outputs(template)})
        self._end(node, "Succeeded")
        memoize = template.get("memoize")
        if memoize is not None:
            memoization.remember(self.client, memoize, self._memo_key(node, memoize), node)
        return None

    def _advance_training(self, node: Node) -> datetime | None:
        """Ends a train step when its job's conditions say that the job has ended."""
        job = pipeline.find_job(self.client, self.namespace, self._manifest(node))
        if job is None:
            self._end(node, "Failed", "the job was deleted")
            return None
        match training.state_of(job):
            case "Succeeded":
                candidate = _input(node, "candidate")
                result = pipeline.result_of(self.client, job, candidate, self.contract)
                _output(node, result=result)
                self._end(node, "Succeeded")
            case "Failed":
                text = f"{job['kind']} {job['metadata']['name']} failed"
                self._end(node, "Failed", text)
            case _:
                return self.client.now + _JOB_POLL
        return None

    def _manifest(self, node: Node) -> str:
        """The job's text of a train step: its parameter `manifest`, else that of its candidate."""
        if manifest_parameter := _input(node, "manifest"):
            return manifest_parameter
        template = self.templates[node["templateName"]]
        return self._substitute(pipeline.manifest(template, _input(node, "candidate")))

    def _plain_output(self, name: str) -> str:
        """An output of a container that is no pipeline step; `result` lists trainings' results."""
        return f"[{','.join(self._results())}]" if name == "result" else ""

    def _results(self) -> list[str]:
        return [
            p["value"]
            for node in self.nodes.values()
            if node["phase"] == "Succeeded"
            and pipeline.step(self.templates.get(node["templateName"], {})) == "train"
            for p in (node.get("outputs") or {}).get("parameters") or ()
        ]

    # -- nodes -------------------------------------------------------------------------------------

    @property
    def nodes(self) -> dict[str, Node]:
        found: dict[str, Node] = self.status["nodes"]
        return found

    def _leaves(self) -> Iterator[Node]:
        return (node for node in self.nodes.values() if node["type"] == "Pod")

    def _node(self, name: str, kind: str, template: str) -> Node:
        full = f"{self.name}.{name}"
        ident = f"{self.name}-{zlib.crc32(full.encode())}"
        self.nodes[ident] = node = {
            "id": ident,
            "name": full,
            "displayName": name,
            "type": kind,
            "templateName": template,
            "phase": "Running",
            "startedAt": stamp(self.client.now),
        }
        return node

    def _end(self, node: Node, phase: str, message: str = "") -> Node:
        node |= {"phase": phase, "finishedAt": stamp(self.client.now)}
        if message:
            node["message"] = message
        return node

    def _find(self, name: str) -> Node | None:
        full = f"{self.name}.{name}"
        return self.nodes.get(f"{self.name}-{zlib.crc32(full.encode())}")

    def _phase(self, name: str) -> str:
        node = self._find(name)
        return str(node["phase"]) if node is not None else ""

    def _state(self, name: str) -> TaskState:
        node = self._find(name)
        if node is None:
            return TaskState("")
        phases = [self.nodes[child]["phase"] for child in node.get("children") or ()]
        failed = [p in ("Failed", "Error") for p in phases]
        return TaskState(str(node["phase"]), "Succeeded" in phases, bool(phases) and all(failed))

    def _substitute(self, text: str, item: Any = None) -> str:
        """Substitutes the known variables; unknown ones stay. An item may hold variables itself."""
        for _ in range(2):
            text = _VARIABLE.sub(lambda variable: self._variable(variable, item), text)
        return text

    def _variable(self, variable: re.Match[str], item: Any) -> str:
        path = variable[1]
        known = {
            "workflow.name": self.name,
            "workflow.namespace": self.namespace,
            "workflow.scheduledTime": self.scheduled,
        }
        if path in known:
            return known[path]
        if path == "item":
            return str(item)
        if path.startswith("item.") and isinstance(item, dict):
            return str(item.get(path[5:], variable[0]))
        match path.split("."):
            case ["tasks" | "steps", task, "outputs", "parameters", name]:
                return self._outputs_of(task, name, variable[0])
            case _:
                return variable[0]

    def _outputs_of(self, task: str, name: str, unknown: str) -> str:
        node = self._find(task)
        if node is None:
            return unknown
        members = [self.nodes[child] for child in node.get("children") or ()] or [node]
        values = [
            p["value"]
            for member in members
            for p in (member.get("outputs") or {}).get("parameters") or ()
            if p["name"] == name
        ]
        if node["type"] == "TaskGroup":
            return orjson.dumps(values).decode()
        return values[0] if values else unknown


def _is_true(condition: str) -> bool:
    match = _COMPARISON.fullmatch(condition)
    if match is None:
        return condition.strip() == "true"
    return (match[1] == match[3]) == (match[2] == "==")


def _input(node: Node, name: str) -> str:
    parameters = (node.get("inputs") or {}).get("parameters") or ()
    return next((str(p["value"]) for p in parameters if p["name"] == name), "")


def _outputs(template: Mapping[str, Any]) -> list[str]:
    return [p["name"] for p in (template.get("outputs") or {}).get("parameters") or ()]


def _output(node: Node, **values: str) -> None:
    if values:
        node["outputs"] = {"parameters": [{"name": k, "value": v} for k, v in values.items()]}
