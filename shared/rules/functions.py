"""Which functions of the app a condition asks, and what it can come to."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.rules.conditions import All, AnyOf, Comparison, Function, Not
from shared.rules.expressions import Called, Context, Expression
from shared.rules.translations import EVERYTHING, NOTHING


class Outcomes(NamedTuple):
    """Whether there could be a document, and without a context a caller, for which a condition comes to each."""

    holds: bool
    fails: bool
    is_open: bool
    """It depends on a function that is not there, and so has no answer."""


def functions_of(expression: Expression) -> tuple[str, ...]:
    """Return the names of the functions that an expression asks."""
    return tuple(dict.fromkeys(each.name for each in _functions(expression)))


def missing_of(expression: Expression) -> tuple[str, ...]:
    """Return the names of those that the app does not have."""
    return tuple(dict.fromkeys(each.name for each in _functions(expression) if not each.is_there))


def _functions(expression: Expression) -> Iterator[Called]:
    if isinstance(expression, Function | Comparison):
        yield from expression.called
    for part in _parts(expression):
        yield from _functions(part)


def _parts(expression: Expression) -> list[Expression]:
    if isinstance(expression, Not):
        return [expression.part]
    return list(expression.parts) if isinstance(expression, All | AnyOf) else []


def outcomes(expression: Expression, context: Context | None = None) -> Outcomes:
    """Return what an expression can come to, for one call if its context is given."""
    parts = [outcomes(each, context) for each in _parts(expression)]
    if isinstance(expression, Function | Comparison) and not all(each.is_there for each in expression.called):
        return Outcomes(holds=False, fails=False, is_open=True)
    if isinstance(expression, Not):
        return Outcomes(parts[0].fails, parts[0].holds, parts[0].is_open)
    if isinstance(expression, All):
        is_open = any(each.is_open for each in parts) and all(each.is_open or each.holds for each in parts)
        return Outcomes(all(each.holds for each in parts), any(each.fails for each in parts), is_open)
    if isinstance(expression, AnyOf):
        is_open = any(each.is_open for each in parts) and all(each.is_open or each.fails for each in parts)
        return Outcomes(any(each.holds for each in parts), all(each.fails for each in parts), is_open)
    known = None if context is None else expression.query(context)
    return Outcomes(
        expression.constant is not False and known != NOTHING,
        expression.constant is not True and known != EVERYTHING,
        is_open=False,
    )
