"""The expression language of policies: an engine behind an interface, its functions, its trees."""

from reconciler.policy.cel.engine import (
    VARIABLES,
    Compiled,
    Engine,
    EvalResult,
    Mistake,
    NotEvaluable,
    Program,
    Values,
)

__all__ = [
    "VARIABLES",
    "Compiled",
    "Engine",
    "EvalResult",
    "Mistake",
    "NotEvaluable",
    "Program",
    "Values",
]
