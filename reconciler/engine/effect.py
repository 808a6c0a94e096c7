"""Finds the config lines that have no effect: no drawn object, decision or rule uses them.

Whether a line has an effect is measured, not declared: each leaf of a drawn object names the lines
that it comes from. So a backend need not say which fields it reads, and a field that it drops is
found. A few fields have other effects, or an effect that depends on their value; `ELSEWHERE` lists
these with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.apps.app import App, Fleet
from reconciler.backends import contract
from reconciler.diagnostics import Diagnostic, warning
from reconciler.engine.draw import UnitDrafts
from reconciler.objects.draft import list_embedded, list_leaves
from reconciler.origin import Branch, Node, Site, Value
from reconciler.unit import UnitId

__all__ = ["ELSEWHERE", "NOTHING", "find_without_effect"]

#: Path of a field, `*` for any key or element → why it has an effect though nothing is drawn of it.
ELSEWHERE = {
    "model": "names the type's layer; owner and description are for people",
    "environment": "promotion, clusters and windows",
    "group": "the group's own objects, and what its apps may use",
    "moved": "hands objects over",
    "suspend": "holds the app's writes",
    "manifests": "the objects of the files are drawn",
    "labels": "drawn on every object, unless the object sets the label itself",
    "dataset.path": "with dataset.uri alone it is checked by its own rule",
    "training.image": "required, though each candidate may have an image of its own",
    "training.runIn": "chooses the groups",
    "serving.runIn": "chooses the groups",
    "training.framework": "chooses the backend",
    "training.orchestrator": "chooses the backend",
    "serving.backend": "chooses the backend",
    "serving.router": "chooses the router",
    "serving.version": "the pointer",
    "serving.traffic": "the split",
    "serving.rollout": "decided over time; `_unused_rollout` judges it",
}
#: Values that mean the same as no value, so that nothing is drawn of them.
NOTHING = (None, False, 0, "", 1)

_Path = tuple[str, ...]


def find_without_effect(fleet: Fleet, units: Iterable[UnitDrafts]) -> Iterator[Diagnostic]:
    """A warning for each line, or block, without effect in every app that reads it.

    Needs the whole fleet: a line of a shared layer has an effect when one app uses it. Nothing is
    said while there are errors, because then some apps are not drawn. Cost: one pass over the
    leaves of all drafts and of all apps' values.
    """
    if fleet.errors:
        return
    used: set[Site] = set()
    apps: list[App] = []
    seen: set[int] = set()
    for item in units:
        for draft in item.drafts:
            _mark_used(list_leaves(draft.tree), used, seen)
            for _, inner in list_embedded(draft):
                _mark_used(list_leaves(inner.tree), used, seen)
        if isinstance(item.unit, App):
            apps.append(item.unit)
            used.update(_used_by_decisions(item))
    found: dict[tuple[Site, str], Diagnostic] = {}
    for app in apps:
        for path, node in _unused(app.tree, (), used):
            _add(found, path, node, app.id)
    yield from found.values()


def _mark_used(leaves: Iterable[Any], used: set[Site], seen: set[int]) -> None:
    for leaf in leaves:
        stack = [leaf.origin] if isinstance(leaf, Value) else []
        while stack:
            origin = stack.pop()
            if id(origin) not in seen:
                seen.add(id(origin))
                used.add(origin.site)
                stack.extend(origin.through)
                # A value that others override is their default, also where it happens to win.
                stack.extend([origin.under] if origin.under is not None else ())


def _used_by_decisions(item: UnitDrafts) -> Iterator[Site]:
    """The lines of an app that decide something without being drawn."""
    app = item.unit
    assert isinstance(app, App)
    for path in ELSEWHERE:
        node = app.find(path)
        if node is not None and path != "serving.rollout":
            yield from _sites(node)
    serving = app.spec.serving
    if serving is None:
        return
    router = contract.find_router(serving.router.value)
    if app.serves and serving.version is None and not serving.traffic:
        # The app waits for its first version; then everything is drawn.
        node = app.tree.get("serving")
        yield from _sites(node) if node is not None else ()
    elif app.serves and serving.version is not None and router.splits:
        node = app.find("serving.rollout")
        yield from _sites(node) if node is not None else ()


def _sites(node: Node) -> Iterator[Site]:
    if isinstance(node, Value):
        yield from node.origin.sites()
        return
    yield node.origin.site
    for child in node.children.values() if isinstance(node, Branch) else node.children:
        yield from _sites(child)


def _unused(node: Node, path: _Path, used: set[Site]) -> Iterator[tuple[_Path, Node]]:
    """The largest parts of a tree of which no leaf is used."""
    if isinstance(node, Value):
        if not _has_effect(node, path, used):
            yield path, node
        return
    if isinstance(node, Branch) and "$patch" in node.children:
        return  # an overlay removes an element; `backends.overlay` finds those that remove nothing
    steps: Iterable[tuple[str, Node]] = (
        node.children.items()
        if isinstance(node, Branch)
        else ((f"[{index}]", child) for index, child in enumerate(node.children))
    )
    inner = [(step, child, list(_unused(child, (*path, step), used))) for step, child in steps]
    is_all = bool(inner) and all(
        len(parts) == 1 and parts[0][0] == (*path, step) for step, _, parts in inner
    )
    if is_all and path:
        yield path, node
        return
    for _, _, parts in inner:
        yield from parts


def _has_effect(node: Value[Any], path: _Path, used: set[Site]) -> bool:
    if node.value in NOTHING and path[0] != "vars":
        return True
    return node.origin.site in used


def _add(found: dict[tuple[Site, str], Diagnostic], path: _Path, node: Node, app: UnitId) -> None:
    origin = node.origin
    text = ".".join(path).replace(".[", "[")
    key = (origin.site, text)
    item = found.get(key)
    if item is None:
        if path[0] == "vars":
            message, hint = (
                "no value refers to this",
                f"refer to it as ${{{{ {text} }}}}, or delete it",
            )
        else:
            message = "this has no effect in any app that reads it"
            hint = "delete it; it may belong to another backend, router or kind of dataset"
        item = warning("W_NO_EFFECT", message, origin.site, path=text, help=hint)
    found[key] = item.reaching(app)
