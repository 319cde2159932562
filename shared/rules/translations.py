"""Rule expressions as queries that MongoDB can run: they may find more than an expression holds for, never less."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from shared.rules.values import Order, is_scalar


class Translation(NamedTuple):
    """An expression as a query: every document it holds for is found, and if `exact` no other."""

    query: dict[str, Any]
    exact: bool


type Translate = Callable[[str, Any], Translation]

EVERYTHING = Translation({}, exact=True)
NOTHING = Translation({"$nor": [{}]}, exact=True)
UNKNOWN = Translation({}, exact=False)


def all_of(translations: Sequence[Translation]) -> Translation:
    """Return the query for documents that all of these find."""
    if NOTHING in translations:
        return NOTHING
    queries = [each.query for each in translations if each.query]
    exact = all(each.exact for each in translations)
    if len(queries) < 2:
        return Translation(queries[0] if queries else {}, exact)
    return Translation({"$and": queries}, exact)


def any_of(translations: Sequence[Translation]) -> Translation:
    """Return the query for documents that at least one of these finds."""
    found = [each for each in translations if each != NOTHING]
    if not found:
        return NOTHING
    if EVERYTHING in found:
        return EVERYTHING
    if any(not each.query for each in found):
        return UNKNOWN
    exact = all(each.exact for each in found)
    return Translation(found[0].query if len(found) == 1 else {"$or": [each.query for each in found]}, exact)


def negation(translation: Translation) -> Translation:
    """Return the query for documents that this does not find; nothing is known of what is not exact."""
    if not translation.exact:
        return UNKNOWN
    if translation == EVERYTHING:
        return NOTHING
    if translation == NOTHING:
        return EVERYTHING
    return Translation({"$nor": [translation.query]}, exact=True)


def equals_query(field: str, value: Any) -> Translation:
    """Translate a field that is a known value, or whose array holds it."""
    if is_scalar(value):
        return Translation({field: {"$eq": value}}, exact=True)
    if value is None:
        return Translation({field: {"$eq": None}}, exact=False)  # a missing field, too
    if isinstance(value, list):
        return in_query(field, value, exact=False)
    return NOTHING if _is_nan(value) else UNKNOWN


def in_query(field: str, value: Any, *, exact: bool = True) -> Translation:
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


def order_query(order: Order) -> Translate:
    """Return how a field that is before or after a known value is translated."""

    def translate(field: str, value: Any) -> Translation:
        if is_scalar(value):
            return Translation({field: {f"${order}": value}}, exact=True)
        return NOTHING if _is_nan(value) else UNKNOWN

    return translate


def element_query(field: str, value: Any) -> Translation:
    """Translate a known key that is in a field's array."""
    return Translation({field: {"$eq": value}}, exact=False) if is_scalar(value) else UNKNOWN


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | int) and value != value  # noqa: PLR0124
