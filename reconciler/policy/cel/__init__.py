"""CEL, the expression language of policies: the engine, Kubernetes' functions, and syntax trees."""

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
