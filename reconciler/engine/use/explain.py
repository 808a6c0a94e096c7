"""The commands `explain` and `layers`: which config lines a value comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from reconciler.apps.app import App, Selection, Unit
from reconciler.engine import load, review
from reconciler.engine.draw import UnitDrafts
from reconciler.engine.run_options import RunOptions
from reconciler.engine.targets import Targets
from reconciler.engine.views.layers import Layers, UnitLayers
from reconciler.engine.views.report import Chain, Chains, Findings, Report
from reconciler.errors import ExitCode
from reconciler.layers import chains
from reconciler.objects.draft import Draft, Embedded, show_path, walk
from reconciler.origin import Branch, Origin, Value, plain
from reconciler.ports import ClusterReader, Tree
from reconciler.unit import UnitId

__all__ = ["explain_all", "explain_at", "explain_object", "explain_path", "layers"]

_NO_PLAN = RunOptions(plans=False)


def explain_path(tree: Tree, selection: Selection, path: str, now: datetime) -> Report:
    """The lines that set a path, newest first, and the fields that the value reaches.

    Exit 1 where no app has a value at the path, even if the chain of a deleted path is shown."""
    reviewed = review.review(tree, selection, now, options=_NO_PLAN)
    found: list[Chain] = []
    for item in _select_units(reviewed, selection):
        if not _reads_path(item.unit, path):
            continue
        node, origin = chains.find_path(item.unit.tree, path)
        if node is None and origin is None:
            continue
        found.append(
            Chain(
                path,
                plain(node) if node is not None else None,
                origin,
                item.unit.id,
                gone=node is None,
                locked=chains.find_lock(item.unit.locks, path),
                used_by=tuple(_used_by(item, origin)) if origin is not None else (),
            )
        )
    is_found = any(not chain.gone for chain in found)
    return _make_report(reviewed, found, is_found, f"no app has a value at {path}")


def explain_all(tree: Tree, selection: Selection, now: datetime) -> Report:
    """The chain of every leaf, map entry, list element and deleted path of the selected apps."""
    reviewed = review.review(tree, selection, now, options=_NO_PLAN)
    found = []
    for item in _select_units(reviewed, selection):
        unit = item.unit
        for path, origin in chains.list_origins(unit.tree).items():
            if not _reads_path(unit, path):
                continue
            node, _ = chains.find_path(unit.tree, path)
            value = plain(node) if node is not None else None
            lock = chains.find_lock(unit.locks, path)
            found.append(Chain(path, value, origin, unit.id, gone=node is None, locked=lock))
    return _make_report(reviewed, found, bool(found), "nothing is selected")


def explain_at(tree: Tree, selection: Selection, file: str, line: int, now: datetime) -> Report:
    """The paths, apps and objects that a config line reaches, or the line that overrides it. A line
    of a file with plain manifests reaches the object of its document."""
    reviewed = review.review(tree, selection, now, options=_NO_PLAN)
    found: list[Chain] = []
    for item in _select_units(reviewed, selection):
        for path, origin, wins in chains.find_at_line(item.unit.tree, file, line):
            if _reads_path(item.unit, path):
                found.append(_chain_at(item, item.unit.tree, path, origin, wins))
        found += _manifest_chains(item, file, line)
    return _make_report(reviewed, found, bool(found), f"no app reads anything from {file}:{line}")


def _chain_at(item: UnitDrafts, tree: Branch, path: str, origin: Origin, wins: bool) -> Chain:
    node, winner = chains.find_path(tree, path)
    lost = f"overridden by {winner.site}" if winner is not None else "has no effect"
    return Chain(
        path,
        plain(node) if node is not None else None,
        origin,
        item.unit.id,
        gone=node is None,
        used_by=tuple(_used_by(item, origin)) if wins else (),
        note="" if wins else lost,
    )


def _manifest_chains(item: UnitDrafts, file: str, line: int) -> Iterator[Chain]:
    """The chains of a line in the app's plain manifests; each path begins with `Kind/name`."""
    for manifest in item.unit.manifests if isinstance(item.unit, App) else ():
        if manifest.file != file:
            continue
        body = plain(manifest.root)
        name = (body.get("metadata") or {}).get("name", "")
        for path, origin, wins in chains.find_at_line(manifest.root, file, line):
            chain = _chain_at(item, manifest.root, path, origin, wins)
            yield replace(chain, path=f"{body.get('kind', '')}/{name} {path}")


def explain_object(
    tree: Tree,
    selection: Selection,
    target: str,
    field: str,
    now: datetime,
    reader: ClusterReader | Targets[ClusterReader] | None = None,
) -> Report:
    """The config line or the decision that a field of a drawn object comes from.

    `field` "" means all fields. With a cluster the weights are the present ones. `target` may be
    an embedded object, by its own name or by that of its candidate."""
    reviewed = review.review(tree, selection, now, reader=reader, options=_NO_PLAN)
    found: list[Chain] = []
    for item in reviewed.units:
        for draft in item.drafts:
            found += _find_fields(item, draft, draft, target, field)
    return _make_report(
        reviewed, found, bool(found), f"no drawn object {target} has a field {field}"
    )


def _select_units(reviewed: review.Review, selection: Selection) -> Iterator[UnitDrafts]:
    """The units of the selection, by the ranks of their environments; foundations only where the
    selection names no model."""
    for item in sorted(reviewed.units, key=_in_rank_order):
        if not selection.names_models or selection.takes(*item.unit.id):
            yield item


def _in_rank_order(item: UnitDrafts) -> tuple[bool, int, UnitId]:
    unit = item.unit
    environment = unit.spec.environment if isinstance(unit, App) else unit.environment_spec
    return isinstance(unit, App), environment.rank.value, unit.id


def _reads_path(unit: Unit, path: str) -> bool:
    """Whether a unit reads a path. A foundation reads only `environment` and `group`."""
    return isinstance(unit, App) or path.split(".")[0] in ("environment", "group")


def _find_fields(
    item: UnitDrafts, draft: Draft, carrier: Draft, target: str, field: str, short: str = ""
) -> Iterator[Chain]:
    """The chains of a field of the draft that a target (`Kind/name`, `kind/name`) names. The draft
    is the carrier itself or embedded in it; `short` is a second name of an embedded draft."""
    kind, names = draft.key.kind, (draft.key.name, short)
    if any(target in (f"{kind}/{name}", f"{kind.lower()}/{name}") for name in names):
        yield from _fields(item, draft, carrier, field)
    for _, leaf in walk(draft.tree):
        if isinstance(leaf, Embedded):
            yield from _find_fields(item, leaf.draft, carrier, target, field, leaf.name)


def _name_of(draft: Draft, carrier: Draft) -> str:
    """`Kind/name`; for an embedded object also the object that embeds it."""
    return str(draft.key) if draft is carrier else f"{draft.key} (in {carrier.key})"


def _fields(item: UnitDrafts, draft: Draft, carrier: Draft, field: str) -> Iterator[Chain]:
    """One chain per leaf. The leaves of an embedded object follow the text that is made of it."""
    decision = item.decided.decision
    for path, leaf in walk(draft.tree):
        shown = show_path(path)
        if field not in ("", shown) and not shown.startswith((field + ".", field + "[")):
            continue
        origin = leaf.origin if isinstance(leaf, Value) else None
        reasons: tuple[str, ...] = ()
        if decision is not None and shown.endswith(".weight"):
            reasons = (decision.verdict.value, *(r.text for r in decision.reasons))
        note = "" if origin is not None else f"a literal of the rule {draft.rule}"
        name = f"{_name_of(draft, carrier)} {shown}"
        yield Chain(name, plain(leaf), origin, item.unit.id, reasons=reasons, note=note)
        if isinstance(leaf, Embedded) and not leaf.is_written:
            yield from _fields(item, leaf.draft, carrier, "")


def _used_by(item: UnitDrafts, origin: Origin) -> Iterator[tuple[str, str]]:
    """(object, field) for each field of drawn and embedded objects that a config line reaches."""
    for draft in item.drafts:
        yield from _used_in(draft, draft, origin)


def _used_in(draft: Draft, carrier: Draft, origin: Origin) -> Iterator[tuple[str, str]]:
    for path, leaf in walk(draft.tree):
        if isinstance(leaf, Embedded) and not leaf.is_written:
            yield from _used_in(leaf.draft, carrier, origin)
        elif isinstance(leaf, Value) and _rests_on(leaf.origin, origin):
            yield _name_of(draft, carrier), show_path(path)


def _rests_on(origin: Origin, wanted: Origin, depth: int = 0) -> bool:
    if origin is wanted or (origin.site == wanted.site and origin.layer == wanted.layer):
        return True
    return depth < 20 and any(_rests_on(link, wanted, depth + 1) for link in origin.through)


def _make_report(
    reviewed: review.Review, found: list[Chain], is_found: bool, nothing: str
) -> Report:
    errors = tuple(d for d in reviewed.diagnostics if d.is_error)
    closing = () if found else (nothing,)
    code = ExitCode.DONE if is_found else ExitCode.ERROR
    return Report(
        "explain",
        (Findings(errors), Chains(tuple(found))),
        closing,
        code,
        revision=reviewed.fleet.label,
    )


def layers(tree: Tree, selection: Selection) -> Report:
    """The files that each unit reads, lowest layer first. Exit 1 where the config has mistakes."""
    fleet = load.load_fleet(tree, selection)
    files = Layers(tuple(UnitLayers(unit.id, unit.files) for unit in fleet.units() if unit.files))
    code = ExitCode.ERROR if fleet.errors else ExitCode.DONE
    return Report("layers", (Findings(fleet.diagnostics), files), (), code, revision=fleet.label)
