"""A plain batch/v1 Job: one pod, or several with an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.apps.app import App
from reconciler.backends import pod, trainer
from reconciler.backends.contract import Framework
from reconciler.diagnostics import Diagnostic
from reconciler.objects.draft import Tree
from reconciler.objects.key import GroupKind
from reconciler.origin import Value, built_in, derive
from reconciler.spec.constraint import Count
from reconciler.spec.training import Candidate

__all__ = ["FRAMEWORK"]


@dataclass(frozen=True, slots=True)
class Options:
    """`training.job`"""

    backoff_limit: Value[Count] = built_in(0)
    """How many times a failed pod is tried again."""


def _draw(app: App, candidate: Candidate | None, name: Value[str]) -> Tree:
    training = app.spec.training
    assert training is not None
    options: Options = app.options.get("job") or Options()
    template = trainer.template(app, candidate, "trainer", restart="Never")
    spec: dict[str, Tree] = {
        "backoffLimit": options.backoff_limit,
        "activeDeadlineSeconds": pod.seconds_of(training.deadline),
        "template": template,
    }
    if training.workers.value > 1:
        spec["completionMode"] = derive("Indexed", training.workers)
        spec["completions"] = training.workers
        spec["parallelism"] = training.workers
    return trainer.job("batch/v1", "Job", app, name, spec)


def _check(_app: App) -> Iterable[Diagnostic]:
    return ()


FRAMEWORK = Framework(
    "job",
    GroupKind("batch", "Job"),
    _draw,
    _check,
    options=Options,
)
