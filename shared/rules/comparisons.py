"""How the values of rules are compared: in one document, and in a query."""

from collections.abc import Callable
from typing import Any, NamedTuple

from shared.rules.translations import NOTHING, UNKNOWN, Translation
from shared.rules.values import Many, Order, contains, holds_any, identity, is_scalar, matches, matching, ordered

type Test = Callable[[Any, Any], bool]
type Translate = Callable[[str, Any], Translation]


def _is_in(key: Any, operand: Any) -> bool:
    return contains(_members(operand), key)


def _within(operand: Any) -> Callable[[Any], bool]:
    members = _members(operand)
    if not isinstance(members, list):
        return lambda _key: False
    identities = {identity(each) for each in members}
    return lambda key: holds_any(identities, key)


def _members(operand: Any) -> Any:
    """Return the array that a key may be in: of several at once, each counts, and all that they hold."""
    if type(operand) is not Many:
        return operand
    return [*operand, *(member for each in operand if isinstance(each, list) for member in each)]


class Operator(NamedTuple):
    """How a key is compared with a value, in one document and in a query."""

    test: Test
    translate: Translate
    against: Callable[[Any], Callable[[Any], bool]] | None = None
    """How the keys of many documents are tested against one value, where that is sooner done together."""


def _order(order: Order) -> Operator:
    return Operator(lambda key, value: ordered(key, order, value), _order_query(order))


def _equals_query(field: str, value: Any) -> Translation:
    """Translate a field that is a known value, or whose array holds it."""
    if is_scalar(value):
        return Translation({field: {"$eq": value}}, exact=True)
    if value is None:
        return Translation({field: {"$eq": None}}, exact=False)  # a missing field, too
    if isinstance(value, list):
        return _in_query(field, value, exact=False)
    return NOTHING if _is_nan(value) else UNKNOWN


def _in_query(field: str, value: Any, *, exact: bool = True) -> Translation:
    """Translate a field that is in a known array."""
    if not isinstance(value, list):
        return NOTHING
    comparable = [each for each in value if not _is_nan(each)]
    if not all(is_scalar(each) for each in comparable):
        return UNKNOWN
    found: dict[str, Any] = {field: {"$in": comparable}}
    if not exact:  # or the arrays are equal
        found = {"$or": [found, {field: {"$eq": value}}]}
    return Translation(found, exact)


def _order_query(order: Order) -> Translate:
    """Return how a field that is before or after a known value is translated."""

    def translate(field: str, value: Any) -> Translation:
        if is_scalar(value):
            return Translation({field: {f"${order}": value}}, exact=True)
        return NOTHING if _is_nan(value) else UNKNOWN

    return translate


def _element_query(field: str, value: Any) -> Translation:
    """Translate a known key that is in a field's array."""
    return Translation({field: {"$eq": value}}, exact=False) if is_scalar(value) else UNKNOWN


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | int) and value != value  # noqa: PLR0124


SWAPPED: dict[Test, Translate] = {matches: _equals_query, _is_in: _element_query}
"""How a known key is translated that is compared with a field."""

_ORDERS: tuple[Order, ...] = ("gt", "gte", "lt", "lte")
OPERATORS: dict[str, Operator] = {
    "eq": Operator(matches, _equals_query, matching),
    "in": Operator(_is_in, _in_query, _within),
    **{order: _order(order) for order in _ORDERS},
}
"""What compares a field, or any other key, with a value."""
