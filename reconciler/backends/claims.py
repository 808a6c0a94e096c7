"""Checks the claims that apps name logically: each group has the names that its apps use, training
and serving reach the same data through a name, and a claim can be mounted by all pods that do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconciler.apps import claims
from reconciler.apps.app import App
from reconciler.apps.claims import Reference
from reconciler.backends import contract, pod
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.spec.environment import Claim
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["check"]

_Found = tuple[Diagnostic, tuple[UnitId, ...]]
_ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})


class _User(NamedTuple):
    """An app and the logical names that it uses in its group: in training, and in serving."""

    app: App
    training: dict[str, Reference]
    serving: dict[str, Reference]


def check(apps: Iterable[App]) -> Iterator[_Found]:
    """The mistakes in the use of claims, each with the ids of the apps that it affects. Apps whose
    backends do not exist are left out by the caller. Cost: one pass over the apps; pairs of groups
    are compared for one model at a time."""
    models: dict[str, list[_User]] = {}
    groups: dict[str, list[App]] = {}
    for app in apps:
        models.setdefault(app.model, []).append(_read_uses(app))
        groups.setdefault(app.group_id, []).append(app)
    for users in models.values():
        yield from _check_known(users)
        yield from _check_created_once(users)
    for members in groups.values():
        yield from _check_modes(members)


def _read_uses(app: App) -> _User:
    training: dict[str, Reference] = {}
    serving: dict[str, Reference] = {}
    for one in claims.list_references(app):
        (serving if one.path.startswith("serving.") else training).setdefault(one.name, one)
    for one in _records_of(app):
        serving.setdefault(one.name, one)
    return _User(app, training, serving)


def _records_of(app: App) -> Iterator[Reference]:
    """The claims from which the app's server loads a version. Every record counts: during a
    rollout the stable version is drawn beside the new one."""
    serving = app.spec.serving
    if serving is None or not app.serves:
        return
    if contract.find_serving(serving.backend.value).reads_uri:
        for record in app.records.values():
            yield from claims.refer_of_uri("storageUri", record.storage_uri)


# -- names -----------------------------------------------------------------------------------------


def _check_known(users: list[_User]) -> Iterator[_Found]:
    """Errors for names that a group does not have. Where another group trains the model through the
    name, the error names that group too: serving would not read what training writes."""
    for user in users:
        group = user.app.spec.group
        for is_read, uses in ((False, user.training), (True, user.serving)):
            for name, one in uses.items():
                if name in group.claims:
                    continue
                writer = _find_writer(users, name) if is_read else None
                found = _unknown(user.app, one) if writer is None else _lost(user.app, one, writer)
                yield found, (user.app.id,)


def _find_writer(users: list[_User], name: str) -> App | None:
    """An app that trains the model through a claim of this name, which its group has."""
    trained = (u.app for u in users if name in u.training)
    return next((app for app in trained if name in app.spec.group.claims), None)


def _unknown(app: App, one: Reference) -> Diagnostic:
    known = app.spec.group.claims
    names = f"claims of the group: {', '.join(known) or 'none'}"
    return error(
        "E_CLAIM_UNKNOWN",
        f"the group {app.group_id} has no claim {one.name!r}",
        one.at.site,
        path=one.path,
        related=[Related(app.spec.group.namespace.site, f"the group {app.group_id}")],
        help=did_you_mean(one.name, known, also=names)
        if known
        else f"add it to the group: claims: {{{one.name}: {{claim: …}}}}",
    )


def _lost(app: App, one: Reference, writer: App) -> Diagnostic:
    return error(
        "E_CLAIM_REACH",
        f"{writer.group_id} trains the model through the claim {one.name!r}, and "
        f"{app.group_id}, which serves it, has no such claim",
        one.at.site,
        path=one.path,
        related=[
            Related(
                writer.spec.group.claims[one.name].claim.site, f"the claim of {writer.group_id}"
            ),
            Related(app.spec.group.namespace.site, f"the group {app.group_id}"),
        ],
        help=f"add claims: {{{one.name}: {{claim: …}}}} to {app.group_id}, for a claim that is "
        "bound to the same storage",
    )


def _check_created_once(users: list[_User]) -> Iterator[_Found]:
    """Errors for a name through which a model is trained and served, and for which several groups
    create a claim: each claim is a volume of its own, so serving reads what nobody wrote."""
    trained = {name for user in users for name in user.training}
    served = {name for user in users for name in user.serving}
    for name in sorted(trained & served):
        first: tuple[App, Claim] | None = None
        for user in users:
            entry = user.app.spec.group.claims.get(name)
            uses = name in user.training or name in user.serving
            if not uses or entry is None or entry.create is None:
                continue
            if first is None:
                first = user.app, entry
                continue
            other, other_entry = first
            assert other_entry.create is not None
            yield (
                error(
                    "E_CLAIM_REACH",
                    f"{other.group_id} and {user.app.group_id} each create a claim for {name!r}, "
                    "an empty volume of its own: serving would not read what training writes",
                    entry.create.size.site,
                    path=f"group.claims.{name}.create",
                    related=[Related(other_entry.create.size.site, f"created by {other.group_id}")],
                    help="create it in one group, and bind the claim of the other to the same "
                    "storage",
                ),
                tuple(sorted({other.id, user.app.id})),
            )


# -- access modes ----------------------------------------------------------------------------------


def _check_modes(members: list[App]) -> Iterator[_Found]:
    """Warnings for the claims of a group that more pods mount than their access modes allow."""
    for name, entry in members[0].spec.group.claims.items():
        modes = [mode.value for mode in entry.access_modes]
        users = {app.id: pods for app in members if (pods := _count_pods(app, entry.claim.value))}
        total = sum(users.values())
        if total > 1 and set(modes) <= _ONE_NODE:
            limit = "one pod" if modes == ["ReadWriteOncePod"] else "the pods of one node"
            who = ", ".join(f"{unit} ({pods})" for unit, pods in users.items())
            yield (
                warning(
                    "W_CLAIM_ACCESS",
                    f"{' and '.join(modes)} lets {limit} mount the claim {name!r}, and {total} "
                    f"pods mount it: {who}",
                    entry.access_modes[0].site,
                    path=f"group.claims.{name}.accessModes",
                    help="use storage with ReadWriteMany, or a claim for each pod",
                ),
                tuple(users),
            )


def _count_pods(app: App, claim: str) -> int:
    """How many pods of an app mount a claim at one time, outside of rollouts."""
    blocks = {
        block
        for block, mount in claims.list_mounts(app)
        if mount.pvc is not None and mount.pvc.value == claim
    }
    training, serving = app.spec.training, app.spec.serving
    total = 0
    if training is not None and "training" in blocks:
        total += training.workers.value * max(1, len(training.candidates))
    if serving is not None and app.serves:
        reads = contract.find_serving(serving.backend.value).reads_uri
        for version in pod.served_versions(serving):
            uri = pod.record_of(app, version).storage_uri if version in app.records else None
            loaded = reads and uri is not None and f"{uri.value}/".startswith(f"pvc://{claim}/")
            total += serving.replicas.value if loaded or "serving" in blocks else 0
    return total
