"""Filters of a ruleset compiled."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from bson.code import Code
from bson.regex import Regex

from shared.errors import InvalidParameterError
from shared.operators import JAVASCRIPT
from shared.rules.compiler.expressions import compile_expression, not_there
from shared.rules.compiler.members import check_members
from shared.rules.compiler.operands import CONVERTERS, FUNCTION, Constants, Scope, compile_value
from shared.rules.expressions import Context, Operand
from shared.rules.filters import Filter
from shared.rules.projections import Projection, is_shown
from shared.rules.report import Report
from shared.rules.values import MISSING

_MEMBERS = frozenset({"name", "apply_when", "query", "projection", "project"})
_COMPUTED, _LITERAL = "$expr", "$literal"


def compile_filter(source: Mapping[str, Any], constants: Constants, report: Report, whose: str) -> Filter:
    """Compile a filter of the collection that `whose` names; what is wrong with it goes into the report."""
    check_members(source, "filter", _MEMBERS, "callers find no more and no less for it", report)
    condition, at = source.get("apply_when"), report.at("apply_when")
    denied = f"nobody finds or changes anything in {whose}"
    added = _compile_query(source.get("query"), constants, report.at("query"))
    missing = sorted({each.name for each in added.called if not each.is_there})
    if missing:
        report.at("query").unsupported(not_there(missing), f"{denied} where the filter applies")
    return Filter(
        str(source.get("name")),
        compile_expression(False if condition is None else condition, Scope.CALL, constants, at, denied),
        added,
        _projection(source, report),
    )


def _projection(source: Mapping[str, Any], report: Report) -> dict[str, bool]:
    given = source.get("projection", source.get("project"))
    if given is None:
        return {}
    at = report.at("projection")
    if not isinstance(given, dict):
        at.problem("a projection is an object")
        return {}
    visible: dict[str, bool] = {}
    for name, value in given.items():
        try:
            visible[name] = is_shown(name, value)
        except InvalidParameterError as error:
            at.problem(f"{error}, because a filter's projection must not compute anything")
    try:
        Projection(visible)
    except InvalidParameterError as error:
        at.problem(f"{error}: every call that the filter applies to would be refused")
    return visible


def _compile_query(source: Any, constants: Constants, report: Report) -> Operand:
    if source is None:
        source = {}
    if not isinstance(source, dict):
        report.problem("a filter's query is an object")
        source = {}
    return _part(source, constants, report)


def _part(source: Any, constants: Constants, report: Report, *, is_computed: bool = False) -> Operand:
    """Compile a part of a query: what is written in it is MongoDB's, what an expansion puts there is a value only.

    `is_computed` tells that it is part of what MongoDB computes, to which a text may be the name of a field.
    """
    if isinstance(source, str) and source.startswith("%%"):
        return _value_only(compile_value(source, Scope.CALL, constants, report), is_computed)
    if isinstance(source, list):
        elements = [
            _part(each, constants, report.at(position), is_computed=is_computed) for position, each in enumerate(source)
        ]
        return _assembled(elements, list)
    if not isinstance(source, dict):
        return compile_value(source, Scope.CALL, constants, report)
    if len(source) == 1 and (name := next(iter(source)))[:1] in {"%", "$"} and name[1:] in CONVERTERS:
        return compile_value(source, Scope.CALL, constants, report)
    if source.keys() == {f"%{FUNCTION}"}:
        return _value_only(compile_value(source, Scope.CALL, constants, report), is_computed)
    for name in source:
        if name.startswith("%"):
            report.at(name).problem("the names in a filter's query are fields and MongoDB's operators, no expansions")
        if name in JAVASCRIPT:
            report.at(name).problem("JavaScript on the server is refused everywhere")
    members = [
        _part(each, constants, report.at(name), is_computed=(is_computed or name == _COMPUTED) and name != _LITERAL)
        for name, each in source.items()
    ]
    return _assembled(members, lambda values: dict(zip(source, values, strict=True)))


def _assembled(members: list[Operand], build: Callable[[list[Any]], Any]) -> Operand:
    def get(context: Context) -> Any:
        values = [member.get(context) for member in members]
        return MISSING if any(value is MISSING for value in values) else build(values)

    return Operand(get, is_known=True, called=[each for member in members for each in member.called])


def _value_only(operand: Operand, is_computed: bool) -> Operand:
    def get(context: Context) -> Any:
        value = operand.get(context)
        if value is MISSING or not _is_plain(value):
            return MISSING
        return {_LITERAL: value} if is_computed else value

    return Operand(get, is_known=True, called=operand.called)


def _is_plain(value: Any) -> bool:
    """Tell whether MongoDB takes a value for nothing but a value: no operators in it, no pattern, no code."""
    if isinstance(value, Mapping):
        return all(not name.startswith("$") and _is_plain(each) for name, each in value.items())
    if isinstance(value, list):
        return all(_is_plain(each) for each in value)
    return not isinstance(value, Regex | Code | re.Pattern)
