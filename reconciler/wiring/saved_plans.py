"""Saved plans on disk: writes them for their owner only, reads them, compares them with a new
plan."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from reconciler.adapters import files
from reconciler.apps.app import Selection
from reconciler.engine.review import Review
from reconciler.engine.views.report import Changes, Findings, Report
from reconciler.errors import ExitCode, UsageMistake
from reconciler.plan import saved_plan as plans
from reconciler.plan.change import Approvals
from reconciler.plan.saved_plan import SavedPlan
from reconciler.ports import Tree
from reconciler.wiring.common import CommonOptions

__all__ = ["bind_options", "find_moved", "read", "report_moved", "save"]

#: The differences of a stale plan that are shown.
_FEW = 5


def save(file: str, reviewed: Review, tree: Tree, chosen: Selection, approvals: Approvals) -> None:
    """Writes the plan atomically, with mode 0600. Raises UsageMistake."""
    text = _dump(reviewed, tree, chosen, approvals)
    try:
        files.replace(file, text.encode(), mode=0o600)
    except OSError as cause:
        raise UsageMistake(f"--out {file}: {(cause.strerror or str(cause)).lower()}") from cause


def read(file: str) -> SavedPlan:
    """The saved plan in a file. Raises UsageMistake and SavedPlanInvalid."""
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        why = getattr(cause, "strerror", None) or "not a text file"
        raise UsageMistake(f"{file}: {why.lower()}") from cause
    return plans.load(text, file)


def bind_options(common: CommonOptions, saved: SavedPlan) -> CommonOptions:
    """The options with the revision and the selection of the saved plan. Raises UsageMistake when
    the options give their own."""
    if common.environments or common.groups or common.models or common.apps or common.revision:
        raise UsageMistake(
            "a saved plan has its own selection and revision",
            hint="leave the selecting options and --revision out",
        )
    from_worktree = saved.label.startswith("worktree")
    return replace(
        common,
        environments=saved.selection.get("environments", ()),
        groups=saved.selection.get("groups", ()),
        models=saved.selection.get("models", ()),
        apps=saved.selection.get("apps", ()),
        revision=None if from_worktree else saved.commit,
        worktree=from_worktree,
    )


def find_moved(
    saved: SavedPlan, reviewed: Review, tree: Tree, chosen: Selection
) -> tuple[str, ...]:
    """One line per difference between the saved plan and the new one."""
    return plans.find_moved(saved, _dump(reviewed, tree, chosen, saved.approvals))


def report_moved(reviewed: Review, different: tuple[str, ...]) -> Report:
    """The report of a saved plan that no longer holds: the differences and the new plan."""
    assert reviewed.plan is not None
    lines = [f"moved: {line}" for line in different[:_FEW]]
    rest = len(different) - _FEW
    lines += [f"moved: and {rest} more (--output json lists them)"] if rest > 0 else []
    return Report(
        "apply",
        (Findings(reviewed.diagnostics, reviewed.findings), Changes(reviewed.plan)),
        (*lines, "Nothing was written, because the plan no longer holds. Plan again."),
        ExitCode.REFUSED,
        {"moved": list(different)},
        reviewed.fleet.label,
    )


def _dump(reviewed: Review, tree: Tree, chosen: Selection, approvals: Approvals) -> str:
    assert reviewed.plan is not None
    return plans.dump(
        reviewed.plan,
        inputs=_digest(tree, ("environments/", "models/")),
        policies=_digest(tree, ("policies/",)),
        selection={
            "environments": tuple(chosen.environments),
            "groups": tuple(chosen.groups),
            "models": tuple(chosen.models),
            "apps": tuple(map(str, chosen.units)),
        },
        approvals=approvals,
    )


def _digest(tree: Tree, folders: tuple[str, ...]) -> str:
    """One digest of all files in the folders, by their content ids."""
    total = hashlib.sha256()
    for path, blob in tree.blobs().items():
        if path.startswith(folders):
            total.update(f"{path}\0{blob.blob_id}\n".encode())
    return f"sha256:{total.hexdigest()}"
