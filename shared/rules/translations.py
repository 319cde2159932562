"""Rule expressions as queries that MongoDB can run: they may find more than an expression holds for, never less."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Translation(NamedTuple):
    """An expression as a query: every document it holds for is found, and if `exact` no other."""

    query: dict[str, Any]
    exact: bool


EVERYTHING = Translation({}, exact=True)
NOTHING = Translation({"$nor": [{}]}, exact=True)
UNKNOWN = Translation({}, exact=False)
UNANSWERED = Translation(NOTHING.query, exact=False)
"""What has no answer, whatever the document: it holds for none, and its negation does not either."""


def all_of(translations: Sequence[Translation]) -> Translation:
    """Return the query for documents that all of these find."""
    if NOTHING in translations:
        return NOTHING
    if any(each.query == NOTHING.query for each in translations):
        return Translation(NOTHING.query, exact=False)
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
    exact = all(each.exact for each in found)
    found = [each for each in found if each.query != NOTHING.query]
    if not found:
        return Translation(NOTHING.query, exact=False)
    if any(not each.query for each in found):
        return UNKNOWN
    return Translation(found[0].query if len(found) == 1 else {"$or": [each.query for each in found]}, exact)


def negation(translation: Translation) -> Translation:
    """Return the query for documents that this does not find; nothing is known of what is not exact."""
    if translation is UNANSWERED:
        return UNANSWERED
    if not translation.exact:
        return UNKNOWN
    if translation == EVERYTHING:
        return NOTHING
    if translation == NOTHING:
        return EVERYTHING
    return Translation({"$nor": [translation.query]}, exact=True)


def under_any_collation(translation: Translation) -> Translation:
    """Return a query that finds no less where MongoDB compares texts in another way than rules do.

    Equal texts are equal in every collation, so that equality finds no less; order is another, and what is not equal
    may be more.
    """
    if translation.query == NOTHING.query:
        return translation
    query = _kept(translation.query)
    return Translation(query, exact=translation.exact and query == {} == translation.query)


def _kept(query: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, operand in query.items():
        if name == "$nor":
            continue
        if name in {"$and", "$or"}:
            parts = [_kept(each) for each in operand]
            if name == "$and" or all(parts):
                kept[name] = [each for each in parts if each]
        elif not any(operator in _ORDERS and isinstance(value, str) for operator, value in operand.items()):
            kept[name] = operand
    return {name: operand for name, operand in kept.items() if operand}


_ORDERS = frozenset({"$gt", "$gte", "$lt", "$lte"})
