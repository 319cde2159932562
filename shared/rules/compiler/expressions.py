"""Rule expressions compiled."""

from collections.abc import Callable, Sequence
from typing import Any

from bson.code import Code

from shared.operators import REFERENCE
from shared.rules.comparisons import OPERATORS
from shared.rules.compiler.members import quoted
from shared.rules.compiler.operands import (
    CONVERTERS,
    FUNCTION,
    Constants,
    Scope,
    compile_call,
    compile_key,
    compile_value,
    literal,
)
from shared.rules.conditions import All, AnyOf, Comparison, Exists, Function, Not
from shared.rules.expressions import Constant, Expression, Operand
from shared.rules.functions import missing_of, outcomes
from shared.rules.report import Report

_DEEPEST = 100
_NEGATED = {"ne": "eq", "neq": "eq", "nin": "in"}
_LISTS = frozenset({"and", "or", "nor"})
_FIELD_OPERATORS = frozenset(OPERATORS) | frozenset(_NEGATED) | {"exists"}


def compile_expression(
    source: Any, scope: Scope, constants: Constants, report: Report, denied: str | None = "it counts as false"
) -> Expression:
    """Compile an expression: true, false, an expansion, or an object; what it cannot be is a problem in the report.

    `denied` says what it means that a function which is not there has no answer; None if the caller reports that.
    """
    expression = _Compiler(scope, constants).expression(source, report, 0)
    names = missing_of(expression)
    if names and denied is not None:
        found = outcomes(expression)
        limit = ", where the rest of the condition does not decide" if found.holds or found.fails else ""
        report.unsupported(not_there(names), denied + limit)
    return expression


def not_there(names: Sequence[str]) -> str:
    """Return the sentence that names functions which a condition asks, and the app does not have."""
    if len(names) == 1:
        return f"function {quoted(names)} is not there: add it to the app's functions, or correct its name"
    return f"functions {quoted(names)} are not there: add them to the app's functions, or correct their names"


def _operator(key: str) -> str | None:
    """Return an operator's name without its prefix; expansions start with %% and are none."""
    return key[1:] if key[:1] in {"%", "$"} and key[:2] != "%%" else None


class _Compiler:
    """Compiles the expressions of one place."""

    def __init__(self, scope: Scope, constants: Constants) -> None:
        self.scope = scope
        self.constants = constants

    def expression(self, source: Any, report: Report, depth: int) -> Expression:
        if type(source) is bool:
            return Constant(source)
        if isinstance(source, str) and not isinstance(source, Code) and source.startswith("%%"):
            return self._compared("eq", self._key(source, report), True, report)
        if not isinstance(source, dict):
            report.problem("an expression must be true, false or an object")
            return Constant(False)
        if depth > _DEEPEST:
            report.problem(f"the expression is nested more than {_DEEPEST} levels deep")
            return Constant(False)
        parts = [self._member(key, value, report.at(key), depth + 1) for key, value in source.items()]
        return _joined(All, parts)

    def _member(self, key: str, value: Any, report: Report, depth: int) -> Expression:
        name = _operator(key)
        if name is None:
            return self._under_key(key, value, report, depth)
        if name in _LISTS:
            return self._list(name, value, report, lambda each, at: self.expression(each, at, depth))
        if name == "not":
            return _negated(self.expression(value, report, depth))
        if name == FUNCTION:
            return Function(compile_call(value, self.scope, self.constants, report))
        report.problem(f"'{key}' is not an operator that can stand here")
        return Constant(False)

    def _under_key(self, key: str, value: Any, report: Report, depth: int) -> Expression:
        is_assertion = key in {"%%true", "%%false"}
        if is_assertion and isinstance(value, dict) and not _is_field_form(value):
            inner = self.expression(value, report, depth)
            return inner if key == "%%true" else _negated(inner)
        return self._field(self._key(key, report), value, report, depth)

    def _key(self, key: str, report: Report) -> Operand:
        return compile_key(key, self.scope, self.constants, report)

    def _field(self, key: Operand, value: Any, report: Report, depth: int) -> Expression:
        """Compile what a key is compared with: a value, or an object of operators that all apply to it."""
        if depth > _DEEPEST:
            report.problem(f"the expression is nested more than {_DEEPEST} levels deep")
            return Constant(False)
        if not isinstance(value, dict) or not value or not any(_is_operator_of_field(name) for name in value):
            return self._compared("eq", key, value, report)
        parts = [self._applied(key, name, operand, report.at(name), depth + 1) for name, operand in value.items()]
        return _joined(All, parts)

    def _applied(self, key: Operand, written: str, operand: Any, report: Report, depth: int) -> Expression:
        name = _operator(written)
        if name in _LISTS:
            return self._list(name, operand, report, lambda each, at: self._field(key, each, at, depth))
        if name == "not":
            return _negated(self._field(key, operand, report, depth))
        if name == "exists":
            if operand not in (True, False, "%%true", "%%false"):
                report.problem("'exists' takes true or false")
            found: Expression = Exists(key)
            return found if operand in (True, "%%true") else _negated(found)
        if name in OPERATORS or name in _NEGATED:
            compared = self._compared(_NEGATED.get(name, name), key, operand, report)
            return _negated(compared) if name in _NEGATED else compared
        if name == FUNCTION:
            answer = compile_call(operand, self.scope, self.constants, report)
            return Comparison(key, answer, OPERATORS["eq"])
        report.problem(f"'{written}' is not an operator that can stand here")
        return Constant(False)

    def _compared(self, name: str, key: Operand, operand: Any, report: Report) -> Expression:
        value = literal(operand) if type(operand) is bool else self._value(operand, report)
        is_known = isinstance(operand, list) or str(operand).startswith("%%") or value.called
        if name == "in" and not is_known:
            report.problem("'in' takes an array, or an expansion to one")
        return Comparison(key, value, OPERATORS[name])

    def _value(self, source: Any, report: Report) -> Operand:
        if isinstance(source, dict):
            for name in source:
                is_value = (found := _operator(name)) is None or found in CONVERTERS or found == FUNCTION
                if name[0] == "%" and (not is_value or (found == FUNCTION and len(source) > 1)):
                    report.problem(f"'{name}' is not an operator that can stand here")
        return compile_value(source, self.scope, self.constants, report)

    def _list(
        self, name: str, operand: Any, report: Report, compile_one: Callable[[Any, Report], Expression]
    ) -> Expression:
        if not isinstance(operand, list):
            report.problem(f"'{name}' takes an array of expressions")
            return Constant(False)
        parts = [compile_one(each, report.at(position)) for position, each in enumerate(operand)]
        if name == "and":
            return _joined(All, parts)
        found = _joined(AnyOf, parts)
        return found if name == "or" else _negated(found)


def _is_operator_of_field(name: str) -> bool:
    found = _operator(name)
    return found is not None and found not in CONVERTERS and name not in REFERENCE


def _is_field_form(value: dict[str, Any]) -> bool:
    return any(_operator(name) in _FIELD_OPERATORS for name in value)


def _joined(kind: type[All | AnyOf], parts: Sequence[Expression]) -> Expression:
    """Join expressions; constants among them decide, or fall away."""
    deciding = kind is AnyOf
    if any(part.constant is deciding for part in parts):
        return Constant(deciding)
    rest = [part for part in parts if part.constant is None]
    if not rest:
        return Constant(not deciding)
    return rest[0] if len(rest) == 1 else kind(rest)


def _negated(part: Expression) -> Expression:
    return Not(part) if part.constant is None else Constant(not part.constant)
