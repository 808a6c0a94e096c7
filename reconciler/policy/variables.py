"""The composed variables of a policy (`variables.x`), evaluated only when an expression reads them,
as in an API server."""

from __future__ import annotations

from reconciler.policy.cel import EvalResult, NotEvaluable, Program, Values
from reconciler.policy.rules import Policy

__all__ = ["VariableValues"]


class VariableValues:
    """The values of one evaluation. Each variable is computed once, when it is first read.

    A variable that fails is left out of the map `variables`. So only an expression that reads the
    variable has an error, and `&&`, `||` and `?:` may avoid reading it.
    """

    def __init__(self, policy: Policy, values: Values) -> None:
        self.programs = {
            v.name: v.program for v in policy.variables if isinstance(v.program, Program)
        }
        self.reasons = {
            v.name: v.program.reason
            for v in policy.variables
            if isinstance(v.program, NotEvaluable)
        }
        self.base = values
        self.outcomes: dict[str, EvalResult] = {}
        self._extended: dict[tuple[str, ...], Values] = {}

    def values_for(self, program: Program) -> Values:
        """The values with the variables that a program reads."""
        if "variables" not in program.names:
            return self.base
        wanted = program.variables
        names = tuple(sorted(wanted if wanted is not None else (*self.programs, *self.reasons)))
        # Expressions that read the same variables share one conversion into the engine.
        known = self._extended.get(names)
        if known is not None:
            return known
        data = {}
        for name in names:
            outcome = self._outcome(name)
            if not outcome.error:
                data[name] = outcome.value
        made = self._extended[names] = self.base.extended({"variables": data})
        return made

    def all_values(self) -> Values:
        """The values with all variables, for tracing."""
        data = {n: o.value for n in self.programs if not (o := self._outcome(n)).error}
        return self.base.extended({"variables": data})

    def _outcome(self, name: str) -> EvalResult:
        found = self.outcomes.get(name)
        if found is None:
            if name in self.reasons:
                found = EvalResult(error=self.reasons[name], offline=True)
            else:
                program = self.programs[name]
                found = program.run(self.values_for(program))
            self.outcomes[name] = found
        return found

    def run(self, program: Program) -> EvalResult:
        """The result of a program. The error of a failed variable names the variable."""
        outcome = program.run(self.values_for(program))
        if not outcome.error:
            return outcome
        # The engine reports "no such key" for a variable that has failed.
        failed = self.outcomes.get(outcome.error.removeprefix("no such key: "))
        if failed is not None and failed.error and outcome.error.startswith("no such key: "):
            name = outcome.error.removeprefix("no such key: ")
            return EvalResult(error=f"variables.{name}: {failed.error}", offline=failed.offline)
        return outcome
