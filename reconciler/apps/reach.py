"""Which units a mistake reaches that is in the names of a tree: in its layout, or in an entry that
cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.apps.app import Selection
from reconciler.apps.layer_reader import LayerReader
from reconciler.apps.left_out import LeftOut
from reconciler.apps.repository import AppFiles, Layout
from reconciler.diagnostics import Diagnostic
from reconciler.unit import UnitId

__all__ = ["NOT_FOUND", "layout_mistakes", "stop_readers"]

#: What the layout says of a file that is missing: not true where the tree cannot be read.
NOT_FOUND = frozenset({"E_FILE_MISSING", "E_MODEL_UNKNOWN", "W_UNUSED_FILE"})


def stop_readers(
    left_out: LeftOut, reader: LayerReader, apps: list[AppFiles], groups: list[tuple[str, str]]
) -> frozenset[UnitId]:
    """The units that read an entry which cannot be used. Each is blocked by the entry's error, and
    the mistakes in its other files are shown too. Cost: nothing in a tree without such an entry."""
    if not left_out:
        return frozenset()
    read: dict[UnitId, list[str]] = {
        app.id: [*(path for _, path in reader.paths(app)), *_named_files(app, reader.layout)]
        for app in apps
    }
    for group in groups:
        paths = [path for _, path in reader.group_paths(*group)]
        read[UnitId.foundation(*group)] = [*paths, reader.layout.groups[group]]
    stopped: set[UnitId] = set()
    for unit, paths in read.items():
        faults = [item for path in paths if (item := left_out.find(path)) is not None]
        if not faults:
            continue
        stopped.add(unit)
        reader.mistakes.add(faults, unit)
        for path in paths:
            if (parsed := reader.documents.get(path)) is not None:
                reader.mistakes.add(parsed.diagnostics, unit)
    return frozenset(stopped)


def _named_files(app: AppFiles, layout: Layout) -> Iterator[str]:
    """The files that an app reads besides its layers and its manifests."""
    yield app.file
    yield f"environments/{app.environment}/{app.group}/group.yaml"
    yield f"models/{app.model}/model.yaml"
    yield f"models/{app.model}/versions"
    yield from layout.records.get(app.model, ())


def layout_mistakes(
    layout: Layout, selection: Selection, selected: list[AppFiles]
) -> Iterator[tuple[Diagnostic, list[UnitId]]]:
    """The mistakes of the layout, each with the selected units that the file reaches. Cost: one
    look-up per mistake; only a path that cannot be (E_PATH) is compared with every app."""
    readers: dict[str, list[UnitId]] = {}
    for (environment, group), file in layout.groups.items():
        if selection.takes(environment, group):
            readers.setdefault(file, []).append(UnitId.foundation(environment, group))
    for app in selected:
        head = f"environments/{app.environment}"
        for file in (
            app.file,
            f"models/{app.model}/",
            f"{head}/{app.group}/group.yaml",
            f"{head}/environment.yaml",
        ):
            readers.setdefault(file, []).append(app.id)
    for item in layout.diagnostics:
        path = item.site.file if item.site else ""
        folder = path.rpartition("/")[0]
        reached = [*readers.get(path, ()), *readers.get(f"{folder}/", ())]
        if item.code == "E_PATH":
            reached += [app.id for app in selected if _is_read_below(path, app)]
        yield item, reached


def _is_read_below(path: str, app: AppFiles) -> bool:
    """Whether an app may read a file or folder, or a file below it."""
    own = (
        app.file,
        f"models/{app.model}/",
        f"environments/{app.environment}/{app.group}/group.yaml",
        f"environments/{app.environment}/environment.yaml",
        f"environments/{app.environment}/{app.model}.yaml",
    )
    return any(f"{file}/".startswith(f"{path}/") for file in own) or path.startswith(own[1])
