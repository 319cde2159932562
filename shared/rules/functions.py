"""What a condition can come to where it asks functions of the app, which cannot run."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.rules.conditions import All, AnyOf, Function, Not
from shared.rules.expressions import Context, Expression
from shared.rules.translations import EVERYTHING, NOTHING


class Outcomes(NamedTuple):
    """Whether there could be a document, and without a context a caller, for which a condition comes to each."""

    holds: bool
    fails: bool
    is_open: bool
    """It depends on a function."""


def functions_of(expression: Expression) -> tuple[str, ...]:
    """Return the names of the functions that an expression asks."""
    return tuple(dict.fromkeys(_functions(expression)))


def _functions(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Function):
        yield expression.name
    for part in _parts(expression):
        yield from _functions(part)


def _parts(expression: Expression) -> list[Expression]:
    if isinstance(expression, Not):
        return [expression.part]
    return list(expression.parts) if isinstance(expression, All | AnyOf) else []


def outcomes(expression: Expression, context: Context | None = None) -> Outcomes:
    """Return what an expression can come to, for one call if its context is given."""
    parts = [outcomes(each, context) for each in _parts(expression)]
    if isinstance(expression, Function):
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
