"""Documents in the order of a cursor: what MongoDB sorted each by, and what it ordered alike (pure)."""

from collections.abc import Callable
from itertools import pairwise
from secrets import token_hex
from typing import NamedTuple

from shared.access.continuation import Key
from shared.documents import order
from shared.documents.elements import Element, spans
from shared.errors import InvalidParameterError
from shared.turns import Steps

MARK = f"dozen_sort_key_{token_hex(8)}"
"""The member in which MongoDB says what it sorts a document by: nobody can have stored one of its name."""

NOT_UNIQUE = "'cursor': the documents have no '_id' that only one of them has, so there is no place to go on from"

_MARK, _LENGTH = MARK.encode(), 4
_EMPTY = 5  # bytes of an array without elements
_AT_ONCE = 50  # documents that are compared in a step
_MARK_STARTS = b"\x04%b\0" % _MARK
_PLAIN = frozenset({0x07, 0x10, 0x12})
"""The BSON types of which values with other bytes are unlike, whatever the collation."""


class Found[T](NamedTuple):
    """What is made of a document, and where it stands."""

    made: T
    sorted_by: bytes
    """What its sort key is made of, if somebody asks for that."""
    identity: Element


type KeyOf = Callable[[bytes], Key]


def mark_of(document: bytes) -> tuple[int, int, int]:
    """Return where the mark of a document starts, where its value starts and where it ends.

    Where its bytes stand in a value, too, all members are gone through.
    """
    start = document.find(_MARK_STARTS)
    if start >= 0 and document.rfind(_MARK_STARTS) == start:
        value = start + len(_MARK_STARTS)
        end = value + int.from_bytes(document[value : value + _LENGTH], "little")
    else:
        start, value, end = next((each for name, *each in spans(document) if name == _MARK), (0, 0, 0))
    if end - value <= _EMPTY:
        raise InvalidParameterError("'cursor': this MongoDB does not say what it sorts a document by")
    return start, value, end


def is_together[T](one: Found[T], other: Found[T], key_of: KeyOf) -> bool:
    """Tell whether MongoDB orders two documents alike; most of them are told apart by their `_id`."""
    first, second = one.identity, other.identity
    if first.kind == second.kind and first.kind in _PLAIN and first.value != second.value:
        return False
    return is_equal(key_of(one.sorted_by), key_of(other.sorted_by))


def is_equal(one: Key, other: Key) -> bool:
    """Tell whether MongoDB orders two keys alike."""
    return all(order.order(mine) == order.order(its) for mine, its in zip(one, other, strict=True))


def ordered[T](found: list[Found[T]], key_of: KeyOf) -> Steps[list[Found[T]] | None]:
    """Put what MongoDB orders alike into the order of `_id` as it is stored, byte for byte.

    Return None where there is no such order.
    """
    together: list[Found[T]] = []
    start = 0
    for place in range(1, len(found) + 1):
        if place % _AT_ONCE == 0:
            yield
        if place < len(found) and is_together(found[place - 1], found[place], key_of):
            continue
        if place - start > 1:
            equal = sorted(found[start:place], key=lambda each: order.order(each.identity))
            if any(order.order(one.identity) == order.order(next_.identity) for one, next_ in pairwise(equal)):
                return None
            together += equal
        else:
            together.append(found[start])
        start = place
    return together


def without_last[T](found: list[Found[T]], key_of: KeyOf) -> list[Found[T]]:
    """Leave out the last and what MongoDB orders like it, of which there may be more."""
    end = len(found)
    while end and is_together(found[end - 1], found[-1], key_of):
        end -= 1
    return found[:end]
