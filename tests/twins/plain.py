"""Plain documents: what stands at a path, and what rules call equal. Read from the contract, not from the service."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128

type Document = dict[str, Any]


class Nothing:
    """What a path leads to that leads nowhere."""

    def __repr__(self) -> str:
        return "NOTHING"


NOTHING = Nothing()
NEW = "<new>"
"""Stands for ids and times that were made just now."""

REFERENCE = ("$ref", "$id", "$db")


class Many(list[Any]):
    """What a path leads to in the elements of an array."""


def replacing(document: Document) -> list[Document]:
    """Return the pipeline of an update of many that puts a document in the place of each, as functions/call sends."""
    return [{"$replaceWith": {"$mergeObjects": [{"_id": "$_id"}, {"$literal": document}]}}]


def lookup(value: Any, parts: list[str]) -> Any:
    """Return what stands at a path; a number is a name and the place in an array, whichever leads somewhere."""
    if not parts:
        return value
    if isinstance(value, dict):
        return lookup(value[parts[0]], parts[1:]) if parts[0] in value else NOTHING
    if not isinstance(value, list):
        return NOTHING
    found = [lookup(each, parts) for each in value if isinstance(each, dict)]
    if parts[0].isdecimal() and int(parts[0]) < len(value):
        found.insert(0, lookup(value[int(parts[0])], parts[1:]))
    many = Many()
    for each in found:
        many += each if isinstance(each, Many) else [] if each is NOTHING else [each]
    return many or NOTHING


def number(value: Any) -> Any:
    """Return a number that Python compares, None for everything else and for NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal128):
        return None
    given: Any = value.to_decimal() if isinstance(value, Decimal128) else value
    return None if (given.is_nan() if isinstance(given, Decimal) else given != given) else given  # noqa: PLR0124


def equal(one: Any, other: Any) -> bool:
    """Compare two values: numbers by size, documents whatever the order of their members."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    first, second = number(one), number(other)
    if first is not None and second is not None:
        return bool(first == second)
    is_number = isinstance(one, int | float | Decimal128) and not isinstance(one, bool)
    return not is_number and type(one) is type(other) and bool(one == other)


def equal_or_in(found: Any, value: Any) -> bool:
    """Tell whether a key has its value: both are equal, or one is an array with the other in it."""
    if found is NOTHING or value is NOTHING:
        return False
    if isinstance(found, Many):
        return any(equal_or_in(each, value) for each in found)
    if isinstance(value, Many):
        return any(equal_or_in(found, each) for each in value)
    if isinstance(found, list):
        return equal(found, value) or any(equal(each, value) for each in found)
    return any(equal(found, each) for each in value) if isinstance(value, list) else equal(found, value)


def is_in(found: Any, operand: Any) -> bool:
    """Tell whether a key, or an element of one that is an array, is in an array."""
    if isinstance(operand, Many):
        return any(is_in(found, each) for each in operand) or is_in(found, list(operand))
    if found is NOTHING or not isinstance(operand, list):
        return False
    if isinstance(found, Many):
        return any(is_in(each, operand) for each in found)
    candidates = [found, *found] if isinstance(found, list) else [found]
    return any(equal(one, each) for one in candidates for each in operand)


def before(one: Any, other: Any) -> bool | None:
    """Tell whether one value is less than another; None if they are of two families, or their family has no order."""
    first, second = number(one), number(other)
    if first is not None and second is not None:
        return bool(first < second)
    if type(one) is type(other) and isinstance(one, str | bool | datetime):
        return bool(one < other)
    return None


def ordered(found: Any, operator: str, value: Any) -> bool:
    """Compare a key, or any element of one that is an array: gt, gte, lt, lte."""
    if isinstance(found, Many):
        return any(ordered(each, operator, value) for each in found)
    if isinstance(found, list):
        return any(ordered(each, operator, value) for each in found if not isinstance(each, list))
    less, more = before(found, value), before(value, found)
    if less is None or more is None:
        return False
    return {"gt": more, "gte": not less, "lt": less, "lte": not more}[operator]
