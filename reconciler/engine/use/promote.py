"""The command `promote`: an edit of one line, which sets the version of an environment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from reconciler.apps.app import App, Fleet, Selection
from reconciler.engine import load
from reconciler.engine.use.edited_tree import EditedTree
from reconciler.engine.views.promotion import Promotion
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.layers import edit
from reconciler.origin import Value
from reconciler.ports import Tree

__all__ = ["PromotionRefused", "plan_promotion"]


class PromotionRefused(ReconcilerError):
    """A rule forbids the promotion; nothing was edited."""

    code = "E_PROMOTE"
    exit_code = ExitCode.REFUSED


def plan_promotion(
    tree: Tree,
    model: str,
    environment: str,
    version: str = "",
    group: str = "",
    skip_rung: str = "",
) -> Promotion:
    """The edit that `promote MODEL --to ENV` writes.

    `version` "" means the version that the next lower environment of the ladder serves. With
    `group` the edit is for that group only; without it, a group that overrides the pointer is a
    reason to refuse. So is a version that the next lower environment does not serve, unless
    `skip_rung` gives a reason, and an edit that `check` would refuse. Raises PromotionRefused.
    """
    fleet = load.load_fleet(tree, Selection(models=frozenset({model})))
    ladder = _ladder(fleet)
    apps = [a for a in fleet.apps if a.environment == environment and a.serves]
    _refuse_unknown(tree, fleet, model, environment, ladder, apps)
    wanted = version or _version_below(fleet, ladder, model, environment)
    record = apps[0].records.get(wanted)
    if record is None:
        known = ", ".join(sorted(apps[0].records)) or "none"
        raise PromotionRefused(
            f"{model} has no record of version {wanted!r}",
            hint=f"recorded versions: {known}; a record is models/{model}/versions/<version>.yaml",
        )
    path = f"environments/{environment}/{model}.yaml"
    if group:
        path = f"environments/{environment}/{group}/{model}.yaml"
        apps = [a for a in apps if a.group == group]
        if not apps:
            raise PromotionRefused(f"{environment}/{group} does not serve {model}")
    else:
        _refuse_overrides(apps, path)
    before = _pointer(apps)
    if all(_served_version(app) == wanted for app in apps):
        raise PromotionRefused(
            f"{environment} serves {model} {wanted} already", hint="name another --version"
        )
    skipped = _skipped_rung(fleet, ladder, model, environment, wanted)
    if skipped and not skip_rung:
        raise PromotionRefused(
            f"{skipped} does not serve {model} {wanted}, and a version moves up rung by rung",
            hint=f"promote it to {skipped} first; for a hotfix or a way back: --skip-rung REASON",
        )
    text = _read_text(tree, path)
    edited = edit.set_scalar(text, "serving.version", wanted, path)
    _refuse_mistakes(tree, model, {path: edited.encode()})
    return Promotion(
        model,
        environment,
        before,
        wanted,
        record.digest.value,
        {path: edited.encode()},
        _diff(path, text, edited, is_new=path not in tree.blobs()),
        skipped=f"{skipped} is skipped: {skip_rung}" if skipped else "",
    )


def _ladder(fleet: Fleet) -> dict[str, int]:
    return {a.environment: a.spec.environment.rank.value for a in fleet.apps}


def _refuse_unknown(
    tree: Tree,
    fleet: Fleet,
    model: str,
    environment: str,
    ladder: Mapping[str, int],
    apps: list[App],
) -> None:
    if f"models/{model}/model.yaml" not in tree.blobs():
        raise PromotionRefused(f"there is no model {model!r}")
    if fleet.errors:
        first = fleet.errors[0]
        raise PromotionRefused(
            f"the config of {model} has {len(fleet.errors)} errors, the first: {first.message} "
            f"({first.site})",
            hint="run `reconciler check`",
        )
    if not apps:
        known = ", ".join(sorted({a.environment for a in fleet.apps if a.serves})) or "nowhere"
        raise PromotionRefused(
            f"no group of {environment!r} serves {model}", hint=f"it is served in: {known}"
        )
    assert environment in ladder


def _served_version(app: App) -> str:
    serving = app.spec.serving
    return serving.version.value if serving is not None and serving.version is not None else ""


def _version_below(fleet: Fleet, ladder: Mapping[str, int], model: str, environment: str) -> str:
    """The version of the next lower environment. Refuses where that serves none or several."""
    rank = ladder[environment]
    lower = {env: r for env, r in ladder.items() if r < rank}
    if not lower:
        raise PromotionRefused(
            f"{environment} is the lowest rung of the ladder", hint="name the --version"
        )
    source = max(sorted(lower), key=lambda env: lower[env])
    served = sorted(
        {_served_version(a) for a in fleet.apps if a.environment == source and a.serves} - {""}
    )
    if len(served) != 1:
        shown = ", ".join(served) or "none"
        raise PromotionRefused(
            f"{source} serves {len(served)} versions of {model} ({shown})",
            hint="name the --version",
        )
    return served[0]


def _skipped_rung(
    fleet: Fleet, ladder: Mapping[str, int], model: str, environment: str, wanted: str
) -> str:
    """The next lower environment that serves the model, when no group of it serves the version; ""
    when one does, or there is no lower environment."""
    served: dict[str, set[str]] = {}
    for app in fleet.apps:
        if app.model == model and app.serves and ladder[app.environment] < ladder[environment]:
            versions = served.setdefault(app.environment, set())
            serving = app.spec.serving
            versions |= {_served_version(app), *(serving.traffic if serving is not None else ())}
    below = max(sorted(served), key=lambda env: ladder[env], default="")
    return "" if not below or wanted in served[below] else below


def _refuse_mistakes(tree: Tree, model: str, edits: Mapping[str, bytes]) -> None:
    """Refuses an edit after which `check` would show an error, for example a pointer under a static
    split of a lower layer."""
    after = load.load_fleet(EditedTree(tree, edits), Selection(models=frozenset({model})))
    if after.errors:
        first = after.errors[0]
        raise PromotionRefused(
            f"with this edit the config of {model} would be wrong: {first.message} ({first.site})",
            hint=first.help,
        )


def _refuse_overrides(apps: list[App], path: str) -> None:
    """Refuses where a group overrides the pointer or has a static split."""
    stubborn: list[str] = []
    for app in apps:
        pointer = app.spec.serving.version if app.spec.serving is not None else None
        home = f"environments/{app.environment}/{app.group}/"
        if isinstance(pointer, Value) and pointer.site.file.startswith(home):
            stubborn.append(f"{app.group_id} ({pointer.site})")
        if app.spec.serving is not None and app.spec.serving.traffic:
            raise PromotionRefused(
                f"{app.id} has a static split; a pointer and a split exclude each other",
                hint="edit serving.traffic, or delete it first",
            )
    if stubborn:
        raise PromotionRefused(
            f"the pointer in {path} is overridden in {', '.join(stubborn)}",
            hint="promote that group with --group, or delete its pointer",
        )


def _pointer(apps: list[App]) -> str:
    """The version that the pointer names before the edit; "" without a pointer."""
    for app in apps:
        pointer = app.spec.serving.version if app.spec.serving is not None else None
        if pointer is not None:
            return pointer.value
    return ""


def _read_text(tree: Tree, path: str) -> str:
    if path not in tree.blobs():
        return ""
    ((_, data),) = tree.read((path,))
    return data.decode()


def _diff(path: str, before: str, after: str, *, is_new: bool) -> str:
    """The edit as a unified diff; for a new file the old one is `/dev/null`."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            "/dev/null" if is_new else f"a/{path}",
            f"b/{path}",
            n=2,
        )
    )
