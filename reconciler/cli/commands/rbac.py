"""`reconciler rbac`: the least rights that a run needs, for `kubectl apply`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

import reconciler
from reconciler.cli import options, terminal
from reconciler.errors import ExitCode

if TYPE_CHECKING:
    from reconciler.apps.app import Fleet, Selection
    from reconciler.engine.views.report import Report
    from reconciler.objects.key import GroupKind, ObjectKey
    from reconciler.ports import Discovery, KindServed, Tree
    from reconciler.wiring.common import CommonOptions

__all__ = ["COMMAND"]

_NAMES = {"reconcile": "reconciler", "plan": "reconciler-plan", "read-only": "reconciler-read"}
_UNKNOWN = "kinds that are recorded in a cluster and no longer in Git are unknown offline"


@click.command(
    "rbac",
    short_help="Print the least rights that a run needs.",
    epilog=options.examples(
        "reconciler rbac | kubectl apply --server-side -f -",
        "reconciler rbac --group prod/hz-a --name reconciler-hz-a",
        "reconciler rbac --for plan --user ci@example.org",
        "reconciler rbac --kubeconfig admin.yaml    # with the kinds that are recorded there",
    ),
)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(sorted(_NAMES)),
    default="reconcile",
    show_default=True,
    help="The run to give rights to: a reconcile, a plan with dry-runs, or a plan --read-only.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="The name of the service account and the roles.  [default: reconciler, "
    "reconciler-plan, reconciler-read]",
)
@click.option(
    "--namespace",
    metavar="NAMESPACE",
    default=reconciler.TOOL_NAMESPACE,
    show_default=True,
    help="The namespace of the service account.",
)
@click.option(
    "--user", metavar="USER", default="", help="Bind this user instead of a service account."
)
@partial(options.common, outputs=("yaml", "json"))
@options.selection
@options.cluster
def COMMAND(  # noqa: N802
    common: CommonOptions, purpose: str, name: str | None, namespace: str, user: str
) -> ExitCode:
    """Print roles and bindings for the kinds of the config's objects, without wildcards.

    With a cluster, the roles also hold the kinds that are recorded there and no longer in Git, and
    the cluster gives the plurals of kinds that the program does not know.
    """
    from reconciler.cli import reporting
    from reconciler.engine import load
    from reconciler.engine.use import rights
    from reconciler.engine.views.report import Report
    from reconciler.engine.views.rights import Identity, Purpose, Rights
    from reconciler.output.rights import yaml_of
    from reconciler.wiring import source
    from reconciler.wiring.common import selection

    tree, chosen = source.tree(common), selection(common)
    fleet = load.load_fleet(tree, chosen)
    if fleet.errors:
        shown = replace(common, output="text") if common.output == "yaml" else common
        return reporting.show(shown, _mistakes_report(common, tree, chosen), tree)
    recorded, served = _read_clusters(common, fleet, chosen)
    grant = rights.grant_rights(fleet, Purpose(purpose), recorded, served)
    notes = grant.notes
    if not common.names_cluster and purpose == "reconcile":
        notes += (_UNKNOWN,)
    found = Rights(grant, Identity(name or _NAMES[purpose], namespace, user), notes)
    if common.output == "json":
        return reporting.show(common, Report("rbac", (found,), revision=fleet.label), tree)
    for text in yaml_of(found):
        terminal.write(text)
    for note in notes:
        terminal.note(f"note: {note}")
    return ExitCode.DONE


def _mistakes_report(common: CommonOptions, tree: Tree, chosen: Selection) -> Report:
    """The mistakes of the config, in the report that `check` prints."""
    from reconciler.engine import review
    from reconciler.engine.run_options import RunOptions
    from reconciler.engine.views.reviews import check_report
    from reconciler.wiring.common import now

    run_options = RunOptions(plans=False, foresees=False)
    reviewed = review.review(tree, chosen, now(common), options=run_options)
    return replace(check_report(reviewed), command="rbac")


def _read_clusters(
    common: CommonOptions, fleet: Fleet, chosen: Selection
) -> tuple[list[tuple[str, ObjectKey]], Discovery | None]:
    """The objects that the clusters record for the selected units, each with the account that
    applies it, and all the kinds that the clusters serve; None without a cluster."""
    from reconciler.engine import observe
    from reconciler.engine.targets import split_fleet
    from reconciler.ports import Discovery
    from reconciler.wiring import clusters

    recorded: list[tuple[str, ObjectKey]] = []
    kinds: dict[GroupKind, KindServed] = {}
    with clusters.cluster(common) as found:
        if found is None:
            return [], None
        for place, _ in split_fleet(fleet, found.targets):
            client = found.targets.clients[place]
            kinds.update(client.discover().kinds)
            for unit, inventory in observe.read_inventories(client).items():
                if chosen.takes(*unit):
                    recorded += [(inventory.apply_as, m.key) for m in inventory.members]
    return recorded, Discovery(kinds, frozenset(), "")
