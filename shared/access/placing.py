"""Documents in the order of a cursor: what MongoDB sorted each by, and what it ordered alike (pure)."""

from itertools import pairwise
from typing import NamedTuple

from shared.access.continuation import Key
from shared.documents import order
from shared.documents.elements import Element, spans
from shared.errors import InvalidParameterError

MARK = "dozen_sort_key"
"""The member in which MongoDB says what it sorts a document by."""

NOT_UNIQUE = "'cursor': the documents have no '_id' that only one of them has, so there is no place to go on from"

_MARK, _LENGTH = MARK.encode(), 4
_MARK_STARTS = b"\x04%b\0" % _MARK
_PLAIN = frozenset({0x02, 0x07, 0x10, 0x12})
"""The BSON types of which values with other bytes are unlike."""


class Found[T](NamedTuple):
    """What is made of a document, and where it stands."""

    made: T
    key: Key
    identity: Element


def mark_of(document: bytes) -> tuple[int, int, int]:
    """Return where the mark of a document starts, where its value starts and where it ends.

    Where its bytes stand in a value, too, all members are gone through.
    """
    start = document.find(_MARK_STARTS)
    if start >= 0 and document.rfind(_MARK_STARTS) == start:
        value = start + len(_MARK_STARTS)
        return start, value, value + int.from_bytes(document[value : value + _LENGTH], "little")
    for name, start, value, end in spans(document):
        if name == _MARK:
            return start, value, end
    raise InvalidParameterError("'cursor': this MongoDB does not say what it sorts a document by")


def is_equal(one: Key, other: Key) -> bool:
    """Tell whether MongoDB orders two keys alike; that of `_id` tells most of them apart."""
    first, second = one[-1], other[-1]
    if first.kind == second.kind and first.kind in _PLAIN and first.value != second.value:
        return False
    return all(order.order(mine) == order.order(its) for mine, its in zip(one, other, strict=True))


def ordered[T](found: list[Found[T]]) -> list[Found[T]]:
    """Put what MongoDB orders alike into the order of `_id` as it is stored, byte for byte.

    Raise InvalidParameterError where there is no such order.
    """
    together: list[Found[T]] = []
    start = 0
    for place in range(1, len(found) + 1):
        if place < len(found) and is_equal(found[place - 1].key, found[place].key):
            continue
        if place - start > 1:
            equal = sorted(found[start:place], key=lambda each: order.order(each.identity))
            if any(order.order(one.identity) == order.order(next_.identity) for one, next_ in pairwise(equal)):
                raise InvalidParameterError(NOT_UNIQUE)
            together += equal
        else:
            together.append(found[start])
        start = place
    return together


def without_last[T](found: list[Found[T]]) -> list[Found[T]]:
    """Leave out the last and what MongoDB orders like it, of which there may be more."""
    end = len(found)
    while end and is_equal(found[end - 1].key, found[-1].key):
        end -= 1
    return found[:end]
