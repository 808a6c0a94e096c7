"""Compiles and evaluates CEL expressions.

The engine is `cel-expr-python` (Google's C++ evaluator). It is imported when the first expression
is compiled. It is set up like an API server: strings of version 2, optionals, Kubernetes'
functions, and nothing that a cluster would refuse (no `cel.bind`, no `math`). An expression that
needs more is reported as not evaluable.

Limits replace Kubernetes' cost model and are stricter: the length of the text and the depth of
loops are checked at compile time, the engine stops after 10,000 loop steps, and the product of
steps and the longest text that functions read is checked before a loop runs, and the bytes that an
evaluation may make are estimated before it. So an evaluation takes at most about 200 ms of CPU and
some 200 MB, and gives the same result on every machine, without a clock or a killed process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from reconciler.policy.cel import budget, facts, functions, references, syntax
from reconciler.policy.cel.budget import Bytes, Size
from reconciler.policy.cel.facts import Facts
from reconciler.policy.cel.syntax import Node, Parsed

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

EXPRESSION_BYTES = 8192
LOOP_DEPTH = 16
LOOP_STEPS = 10_000
#: Loop steps times characters. At this limit a search takes about 200 ms, the worst replace 1 s.
TEXT_STEPS = 25_000_000
#: The memory of one evaluation, as `budget` estimates it.
MEMORY_BYTES = 64_000_000
#: The memory of the lists that the loops of one evaluation gather.
LIST_BYTES = 128_000_000
#: Each optMap doubles the tree of its operand, before the engine counts nodes.
OPTIONAL_MAPS = 8

VARIABLES = ("object", "oldObject", "request", "params", "namespaceObject", "variables")
_KNOWN = frozenset(VARIABLES)

_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_PLACE = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_MISSING_KEY = re.compile(r'Key not found in map : "?(.*?)"?$')
_OPTIONAL_MAP = re.compile(r"\boptMap\b|\boptFlatMap\b")
_LIST_INDEX = re.compile(r"(?:I|lastI)ndexOf' applied to '\(list|\(list\)\.(?:i|lastI)ndexOf\(")
#: Fields of `request` that only a request in the cluster has, and why.
_CLUSTER_ONLY = {
    "userInfo": "the user of a request is known in the cluster only",
    "uid": "a request's id is known in the cluster only",
    "options": "a request's options are known in the cluster only",
}


_TOO_DEEP = "it nests deeper than this program evaluates"


class Mistake(NamedTuple):
    """A mistake in an expression. Line and column count from 1 inside the expression; 0 when
    unknown."""

    message: str
    line: int = 0
    column: int = 0


class NotEvaluable(NamedTuple):
    """An expression that only a cluster can evaluate, and the reason."""

    text: str
    reason: str


class EvalResult(NamedTuple):
    """The value, or the error. `offline`: a cluster could compute the value."""

    value: Any = None
    error: str = ""
    offline: bool = False


class _Unusable(ValueError):
    """A datum that expressions cannot use, for example an infinite number."""


class _Cleaned(NamedTuple):
    """A datum as the engine gets it, its size, its longest text by field, and why it cannot be
    used ("" where it can)."""

    datum: Any
    size: Size
    longest: Mapping[str, int]
    fault: str = ""


def _clean(datum: Any) -> _Cleaned:
    """A datum as the API server's decoder gives it, and its sizes. Raises _Unusable.

    The decoder turns an integer beyond 64 bits into a float; the engine would make it unsigned.
    """
    most = 0
    longest: dict[str, int] = {}

    def clean(node: Any, field: str) -> Any:
        nonlocal most
        kind = type(node)
        if kind is str:
            if len(node) > longest.get(field, 0):
                longest[field] = len(node)
        elif kind is dict:
            if len(node) > most:
                most = len(node)
            out = {}
            for key, child in node.items():
                # Most values are texts: no call for those.
                if type(child) is not str:
                    child = clean(child, key)  # noqa: PLW2901 - as clean
                elif len(child) > longest.get(key, 0):
                    longest[key] = len(child)
                out[key] = child
            return out
        elif kind is list:
            if len(node) > most:
                most = len(node)
            return [clean(child, field) for child in node]
        elif kind is int and not -(2**63) <= node < 2**63:
            return float(node)
        elif kind is float and not math.isfinite(node):
            raise _Unusable(f"{node} is not a finite number")
        return node

    cleaned = clean(datum, "")
    return _Cleaned(cleaned, Size(most, max(longest.values(), default=0)), longest)


class Values:
    """The values that expressions may read, by name. A value is cleaned when it is first read.
    Expressions that read the same names share one conversion into the engine's form."""

    __slots__ = ("_activations", "_engine", "_known", "_raw", "_sizes", "results")

    def __init__(self, engine: Engine, data: Mapping[str, Any]) -> None:
        self._engine = engine
        self._raw = data
        self._known: dict[str, _Cleaned] = {}
        self._activations: dict[frozenset[str], Any] = {}
        self._sizes: dict[frozenset[str], tuple[str, Size]] = {}
        #: What programs gave for these values; policies share conditions and variables.
        self.results: dict[Program, EvalResult] = {}

    def extended(self, more: Mapping[str, Any]) -> Values:
        """These values and `more`, with the conversions that do not depend on a name in `more`."""
        out = Values(self._engine, {**self._raw, **more})
        out._known = {name: known for name, known in self._known.items() if name not in more}
        out._activations = {
            names: found for names, found in self._activations.items() if not names & more.keys()
        }
        return out

    def _of(self, name: str) -> _Cleaned:
        entry = self._known.get(name)
        if entry is None:
            try:
                entry = _clean(self._raw[name])
            except _Unusable as fault:
                entry = _Cleaned(None, Size(), {}, str(fault))
            self._known[name] = entry
        return entry

    def _given(self, names: frozenset[str]) -> tuple[str, Size]:
        """Why one of the named values cannot be used, and their size."""
        found = self._sizes.get(names)
        if found is None:
            given = [self._of(n) for n in sorted(names) if n in self._raw]
            most = max((one.size.most for one in given), default=0)
            longest = max((one.size.longest for one in given), default=0)
            fault = next((one.fault for one in given if one.fault), "")
            found = self._sizes[names] = (fault, Size(most, longest))
        return found

    def fault(self, names: frozenset[str]) -> str:
        """Why one of the named values cannot be used; "" when all can."""
        return self._given(names)[0]

    def size(self, names: frozenset[str]) -> Size:
        """The lengths of the longest list or map and of the longest text in the named values."""
        return self._given(names)[1]

    def longest(self, names: frozenset[str], fields: frozenset[str] | None) -> int:
        """The length of the longest text in the named values: of any, or of those in `fields`."""
        if fields is None:
            return self.size(names).longest
        given = [self._of(n).longest for n in names if n in self._raw]
        return max((one.get(field, 0) for one in given for field in fields), default=0)

    def activation(self, names: frozenset[str]) -> Any:
        """The named values in the engine's form. Unknown names are left out."""
        found = self._activations.get(names)
        if found is None:
            data = {name: self._of(name).datum for name in sorted(names) if name in self._raw}
            found = self._activations[names] = self._engine.env.Activation(data)
        return found


class Program:
    """A compiled expression. `names` are the names that it reads, and `variables` the names after
    `variables.`; None when it reads `variables` as a whole. `gives` is the type of the result;
    `loops` is the depth of its loops."""

    __slots__ = (
        "_engine",
        "_estimates",
        "_expression",
        "_facts",
        "_parsed",
        "_parts",
        "_texts",
        "gives",
        "loops",
        "names",
        "text",
        "variables",
    )

    def __init__(
        self, engine: Engine, text: str, expression: Any, facts: Facts | None, parsed: Parsed | None
    ) -> None:
        """`facts` is None where the text alone does not tell them; then `parsed` is given."""
        self._engine = engine
        self._expression = expression
        self._facts = facts
        self._parsed = parsed
        self._parts: dict[bytes, Any] = {}
        self._estimates: dict[tuple[bytes, Size], Bytes] = {}
        self._texts: dict[bytes, frozenset[str] | None] = {}
        self.text = text
        self.gives: str = expression.return_type().name()
        if facts is not None:
            self.names, self.loops = facts.names, facts.loops
            self.variables: frozenset[str] | None = facts.variables
        else:
            root = self.parsed.root
            self.names = syntax.names_of(root) & _KNOWN
            self.loops = syntax.depth_of_loops(root)
            self.variables = syntax.selected(root, "variables")

    @property
    def parsed(self) -> Parsed:
        """The tree of the expression. It is built when it is first read, which takes about as long
        as compiling the expression."""
        if self._parsed is None:
            self._parsed = syntax.parse(self._expression.serialize())
        return self._parsed

    def run(self, values: Values) -> EvalResult:
        """The value or the error, computed once for the same values. Never raises, whatever the
        expression and the values are."""
        found = values.results.get(self)
        if found is None:
            found = values.results[self] = self._run(values)
        return found

    def _run(self, values: Values) -> EvalResult:
        fault = values.fault(self.names)
        if not fault and not self._is_surely_within_limits(values):
            fault = self._find_excess(self.parsed.root, self.names, self.loops, values)
        if fault:
            return EvalResult(error=fault)
        return _evaluate(self._expression, values.activation(self.names))

    def run_part(self, node: Node, values: Values) -> EvalResult:
        """The result of a part of the expression. `values` must hold its loop variables too."""
        expression = self._parts.get(node.raw)
        if expression is None:
            raw = syntax.wrapped(self.parsed, node)
            expression = self._parts[node.raw] = self._engine.env.deserialize(raw)
        names, loops = syntax.names_of(node), syntax.depth_of_loops(node)
        fault = values.fault(names) or self._find_excess(node, names, loops, values)
        if fault:
            return EvalResult(error=fault)
        return _evaluate(expression, values.activation(names))

    def _is_surely_within_limits(self, values: Values) -> bool:
        """Whether what the text says of the expression is enough to know that an evaluation stays
        within the limits. Where it is not, the tree decides."""
        facts = self._facts
        if facts is None or facts.elements is None:
            return False
        size = values.size(self.names)
        if not _fits(budget.bound_of(facts.elements, _rough(size).most, LOOP_STEPS)):
            return False
        if not self.loops or LOOP_STEPS * size.longest <= TEXT_STEPS:
            return True
        if facts.texts is None:
            return False
        return LOOP_STEPS * values.longest(self.names, facts.texts) <= TEXT_STEPS

    def _find_excess(self, node: Node, names: frozenset[str], loops: int, values: Values) -> str:
        """Which limit an evaluation of `node` may pass; "" for none."""
        size = values.size(names)
        memory = self._bytes_of(node, size)
        if memory.made > MEMORY_BYTES:
            return "over budget: the texts that it makes are too long"
        if memory.gathered > LIST_BYTES:
            return "over budget: the lists that it makes are too long"
        if loops:
            steps = min(max(1, size.most) ** loops, LOOP_STEPS)
            if steps * values.longest(names, self._texts_of(node)) > TEXT_STEPS:
                return "over budget: the object's lists and texts are too long"
        return ""

    def _texts_of(self, node: Node) -> frozenset[str] | None:
        if node.raw not in self._texts:
            self._texts[node.raw] = budget.texts_read(node)
        return self._texts[node.raw]

    def _bytes_of(self, node: Node, size: Size) -> Bytes:
        """The memory of an evaluation. Sizes are rounded up, so that objects of similar size share
        one estimate: nearly all objects share the rough one, which is enough when it is within the
        limits."""
        rough = self._estimate(node, _rough(size))
        if _fits(rough):
            return rough
        return self._estimate(node, Size(_round(size.most), _round(size.longest)))

    def _estimate(self, node: Node, size: Size) -> Bytes:
        found = self._estimates.get((node.raw, size))
        if found is None:
            found = self._estimates[node.raw, size] = budget.bytes_of(node, size, LOOP_STEPS)
        return found


def _evaluate(expression: Any, activation: Any) -> EvalResult:
    try:
        result = expression.eval(activation)
        kind = result.type().name()
        if kind == "ERROR":
            return _failed(str(result.value()))
        if kind == "NULL":
            return EvalResult(None)  # not converted: see `references`
        value = result.plain_value()
        if type(value) in (list, dict):
            references.give_back(value)
        return EvalResult(value)
    except TypeError:
        return EvalResult(error="the result is an optional or a type; use orValue()")
    except RuntimeError as fault_of_engine:
        return _failed(str(fault_of_engine))


def _fits(memory: Bytes) -> bool:
    return memory.made <= MEMORY_BYTES and memory.gathered <= LIST_BYTES


def _rough(size: Size) -> Size:
    """The size rounded up so far that nearly all objects have the same."""
    return Size(max(64, _round(size.most)), max(4096, _round(size.longest)))


def _round(size: int) -> int:
    """The size rounded up to a power of two."""
    return 1 << size.bit_length()


Compiled: TypeAlias = Program | NotEvaluable | Mistake


class Engine:
    """The CEL environment and a cache of compiled expressions. The constructor imports the CEL
    library, which takes 5 ms, or 50 ms from a cold disk."""

    def __init__(self) -> None:
        # The library has 14 MB, so only runs with policies import it.
        from cel_expr_python import cel
        from cel_expr_python.ext import ext_optional, ext_strings

        types = {
            "string": cel.Type.STRING,
            "map": cel.Type.MAP,
            "list": cel.Type.LIST,
            "int": cel.Type.INT,
            "double": cel.Type.DOUBLE,
            "bool": cel.Type.BOOL,
            "dyn": cel.Type.DYN,
        }
        declared: dict[str, list[Any]] = {}
        for number, function in enumerate(functions.FUNCTIONS):
            overload = cel.Overload(
                f"kubernetes_{number}",
                types[function.gives],
                [types[kind] for kind in function.takes],
                is_member=function.member,
                impl=function.run,
            )
            declared.setdefault(function.name, []).append(overload)
        self.env: Any = cel.NewEnv(
            variables=dict.fromkeys(VARIABLES, cel.Type.DYN),
            extensions=[ext_strings.ExtStrings(version=2), ext_optional.ExtOptional()],
            functions=[cel.FunctionDecl(name, items) for name, items in declared.items()],
        )
        self._cache: dict[str, Compiled] = {}

    def compile(self, text: str) -> Compiled:
        """The program of an expression, the mistake in it, or why only a cluster can evaluate
        it."""
        found = self._cache.get(text)
        if found is None:
            found = self._cache[text] = self._compile(text)
        return found

    def _compile(self, text: str) -> Compiled:
        size = len(text.encode())
        if size > EXPRESSION_BYTES:
            return Mistake(
                f"the expression has {size} bytes; at most {EXPRESSION_BYTES} are allowed"
            )
        if len(_OPTIONAL_MAP.findall(text)) > OPTIONAL_MAPS:
            return Mistake(f"optMap is used more than {OPTIONAL_MAPS} times in one expression")
        try:
            expression = self.env.compile(text)
            known = facts.read(text, _KNOWN)
            parsed = None
            if known is None or _needs_tree(known, text):
                known, parsed = None, syntax.parse(expression.serialize())
        except syntax.TooDeep:
            return NotEvaluable(text, _TOO_DEEP)
        except RuntimeError as refused:
            return _read_refusal(text, str(refused))
        reason = _find_cluster_only(parsed.root) if parsed is not None else ""
        if reason:
            return NotEvaluable(text, reason)
        program = Program(self, text, expression, known, parsed)
        if program.loops > LOOP_DEPTH:
            return Mistake(
                f"{program.loops} loops inside each other; at most {LOOP_DEPTH} are allowed"
            )
        return program


def _read_refusal(text: str, message: str) -> Mistake | NotEvaluable:
    for name in _UNDECLARED.findall(message):
        for known in (name, name.split(".")[0]):
            if known in functions.OFFLINE_MISSING:
                return NotEvaluable(text, f"{known}: {functions.OFFLINE_MISSING[known]}")
    if _LIST_INDEX.search(message):
        return NotEvaluable(text, "indexOf of lists is not built in")
    if "recursion" in message or "node count" in message:
        return NotEvaluable(text, _TOO_DEEP)
    place = _PLACE.search(message)
    if place is None:
        return Mistake(message.splitlines()[0])
    return Mistake(_shorten(place[3]), max(0, int(place[1])), max(0, int(place[2])))


def _shorten(message: str) -> str:
    short = re.sub(r" \(in container ''\)", "", message)
    return re.sub(r" expecting \{.*\}", "", short).strip()


def _needs_tree(known: Facts, text: str) -> bool:
    """Whether an expression may be too deep, or read what only a cluster has."""
    if known.depth > syntax.DEPTH or known.loops > LOOP_DEPTH:
        return True
    return "request" in known.names and any(field in text for field in _CLUSTER_ONLY)


def _find_cluster_only(node: Node) -> str:
    if isinstance(node, syntax.Select) and isinstance(node.operand, syntax.Ident):
        if node.operand.name == "request" and node.field in _CLUSTER_ONLY:
            return f"request.{node.field}: {_CLUSTER_ONLY[node.field]}"
        return ""
    return next((r for r in map(_find_cluster_only, syntax.children(node)) if r), "")


def _failed(message: str) -> EvalResult:
    """The result for an error of the engine, in the API server's words if it has some."""
    text = re.sub(r"^[A-Z_]+: ", "", message)
    text = re.sub(r" \[[A-Z_]+\]$", "", text)
    if _LIST_INDEX.search(text):
        return EvalResult(error="indexOf of lists is not built in", offline=True)
    if missing := _MISSING_KEY.search(text):
        return EvalResult(error=f"no such key: {missing[1]}")
    if text.startswith("No matching overloads found : "):
        return EvalResult(error=f"no such overload: {text.partition(' : ')[2]}")
    if "Applying SELECT" in text:
        return EvalResult(error="a field is read from a value that is no map")
    if "Iteration budget" in text:
        return EvalResult(error=f"over budget: more than {LOOP_STEPS} loop steps")
    return EvalResult(error=text)
