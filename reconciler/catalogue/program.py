"""Codes of the command line and of the program itself."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_EXTENSION",
        "A capability's file lacks its constant, or the constant carries another name than the "
        "file. Only people who change the program see this.",
        "Follow the help of the message; docs/extending.md shows each capability.",
        "error[E_EXTENSION]: reconciler/backends/frameworks/toy.py has no constant FRAMEWORK; "
        "every file of this folder defines it\n   help: define FRAMEWORK in it, or move it away",
    ),
    Entry(
        "E_INTERNAL",
        "The program has a defect. Nothing of this kind is the user's mistake.",
        "Run again with RECONCILER_DEBUG=1 and report what it prints.",
        "error[E_INTERNAL]: this is a defect of the program: KeyError: 'spec'\n"
        "   help: run again with RECONCILER_DEBUG=1 and report what it prints",
    ),
    Entry(
        "E_MEMORY",
        "There is not enough memory for this run.",
        "Give the program more memory, or select fewer apps (`--environment`, `--group`).",
        "error[E_MEMORY]: there is not enough memory for this\n"
        "   help: give it more, or fewer apps at once (--environment, --group)",
    ),
    Entry(
        "E_NO_APPS",
        "With `--fail-on empty`: the config has no app.",
        "Add an app: a file environments/<environment>/<group>/<model>.yaml, which may be empty.",
    ),
    Entry(
        "E_NO_POLICIES",
        "With `--fail-on empty`: the config has no policy.",
        "Add ValidatingAdmissionPolicy files with bindings to policies/.",
    ),
    Entry(
        "E_OUTPUT",
        "Standard output could not take what the command prints, for example because a disk is "
        "full. The command did its work before.",
        "Send the output elsewhere, or read the result in a file of `--report`.",
        "error[E_OUTPUT]: standard output cannot be written to: no space left on device",
    ),
    Entry(
        "E_SELECTION",
        "The options select no app.",
        "Correct the names; the help lists the apps.",
    ),
    Entry(
        "E_USAGE",
        "An option or argument cannot be used like this.",
        "Follow the help of the message, or read `reconciler COMMAND --help`.",
    ),
    Entry(
        "W_NO_APPS",
        "The config has no app, so there is nothing to do.",
        "Add an app: a file environments/<environment>/<group>/<model>.yaml, which may be empty.",
    ),
)
