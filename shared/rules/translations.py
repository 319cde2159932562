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
