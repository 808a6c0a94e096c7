"""Checks a user's own Argo objects for what Argo accepts and then never finishes.

A template with both `memoize` and `retryStrategy` runs well until its first memo hit: then the
retry has no child, nothing follows it, and the Workflow stays at Running for ever, without its exit
handler (tried on Argo 4.1.2: three of three hits).
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, warning
from reconciler.objects.key import GroupKind
from reconciler.origin import Branch, Items, Node, Value

__all__ = ["check_workflow"]

_GROUP = "argoproj.io"
#: Kind → the path of its Workflow's spec.
_SPECS = {
    "Workflow": ("spec",),
    "WorkflowTemplate": ("spec",),
    "ClusterWorkflowTemplate": ("spec",),
    "CronWorkflow": ("spec", "workflowSpec"),
}
_HELP = (
    "memoize an outer template, a `dag` with one task, and let the template of that task retry; "
    "or do without one of the two"
)


def check_workflow(root: Branch, kind: GroupKind) -> Iterator[Diagnostic]:
    """A warning at each `memoize` of a template that is tried again as well, by its own
    `retryStrategy` or by that of `templateDefaults`."""
    if kind.group != _GROUP or kind.kind not in _SPECS:
        return
    spec: Node | None = root
    for name in _SPECS[kind.kind]:
        spec = spec.get(name) if isinstance(spec, Branch) else None
    if not isinstance(spec, Branch):
        return
    path = ".".join(_SPECS[kind.kind])
    shared = _part(spec.get("templateDefaults"), "retryStrategy")
    for place, template in _list_templates(spec, path):
        memoize = _part(template, "memoize")
        if memoize is None:
            continue
        if _part(template, "retryStrategy") is not None:
            both = "`memoize` and `retryStrategy` stand on one template"
        elif shared is not None:
            both = f"`memoize` stands on a template that {path}.templateDefaults lets retry"
        else:
            continue
        yield warning(
            "W_ARGO_MEMO_RETRY",
            f"{both}: at a memo hit the Workflow never ends",
            memoize.origin.site,
            path=f"{place}.memoize",
            help=_HELP,
        )


def _list_templates(spec: Branch, path: str) -> Iterator[tuple[str, Branch]]:
    """Every template of a Workflow's spec with its path, also those that stand inside a task."""
    named = spec.get("templates")
    for index, template in _branches(named):
        place = f"{path}.templates[{index}]"
        yield place, template
        yield from _list_inline(template, place)


def _list_inline(template: Branch, place: str) -> Iterator[tuple[str, Branch]]:
    """The templates that stand inside the tasks of a `dag` or the groups of `steps`."""
    tasks: list[tuple[str, Branch]] = []
    dag = template.get("dag")
    if isinstance(dag, Branch):
        found = _branches(dag.get("tasks"))
        tasks += [(f"{place}.dag.tasks[{n}]", task) for n, task in found]
    groups = template.get("steps")
    for number, group in enumerate(groups.children if isinstance(groups, Items) else ()):
        tasks += [(f"{place}.steps[{number}][{n}]", task) for n, task in _branches(group)]
    for at, task in tasks:
        inline = task.get("inline")
        if isinstance(inline, Branch):
            yield f"{at}.inline", inline
            yield from _list_inline(inline, f"{at}.inline")


def _branches(node: Node | None) -> Iterator[tuple[int, Branch]]:
    for index, child in enumerate(node.children if isinstance(node, Items) else ()):
        if isinstance(child, Branch):
            yield index, child


def _part(node: Node | None, name: str) -> Node | None:
    """The value of a key; None where it is absent or null."""
    found = node.get(name) if isinstance(node, Branch) else None
    return None if isinstance(found, Value) and found.value is None else found
