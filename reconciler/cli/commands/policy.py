"""`reconciler policy test`: the cases of policies/tests/."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.errors import ExitCode

__all__ = ["COMMAND"]


@click.command(
    "policy",
    short_help="Run the tests of the policies.",
    epilog=options.examples(
        "reconciler policy test", "reconciler policy test --report junit=policies.xml"
    ),
)
@click.argument("action", type=click.Choice(["test"]))
@options.reporting
@options.common
def COMMAND(common: options.CommonOptions, action: str) -> ExitCode:  # noqa: N802, ARG001
    """Run policies/tests/*.yaml: each case is an object and what its policy must say of it.

    Exit 1 when a case fails; a policy without a test is named.
    """
    from reconciler.cli import reporting
    from reconciler.engine.use.policy_tests import run_policy_tests
    from reconciler.wiring import source

    tree = source.tree(common)
    return reporting.show(common, run_policy_tests(tree), tree)
