"""BSON values as rules compare them, and paths into documents."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from decimal import Context, Decimal
from enum import Enum
from typing import Any, Final, Literal, final

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.timestamp import Timestamp

type Order = Literal["gt", "gte", "lt", "lte"]
type Path = tuple[str, ...]

_ORDERS: dict[Order, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_NUMBERS = {int, Int64, float, Decimal128}
_DATES = {datetime, DatetimeMS}
_BYTES = {bytes, Binary}
_ORDERED = {str, bool, ObjectId, Timestamp}
_EPOCH, _MILLISECOND = datetime(1970, 1, 1), timedelta(milliseconds=1)
_LONGEST_INDEX = 7  # digits: no array in a document has more elements


class Use(Enum):
    """For what a path is used."""

    READ = 0
    """By a condition or an order on documents, were it there or not."""

    ASKED = 1
    """By a condition of a write on what is there."""

    WRITTEN = 2
    """By a write, to which a number in it is a place where an array is, never a name."""


@final
class _Missing:
    """The value of a path that leads nowhere: equal to nothing, not even to itself."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Many(list[Any]):
    """What a path finds in the elements of an array: each counts on its own."""


def path(text: str) -> Path:
    """Return the parts of a dotted path."""
    return tuple(text.split("."))


def is_exact(name: str) -> bool:
    """Tell whether a field that is rendered under this name is stored under just its bytes.

    Where stored bytes are no UTF-8, U+FFFD is rendered in their place; a lone surrogate cannot be stored.
    """
    return "\ufffd" not in name and not any("\ud800" <= each <= "\udfff" for each in name)


def walk(value: Any, parts: Sequence[str]) -> Any:
    """Return what stands at a path: a value, MISSING, or Many if it leads through an array, as in MongoDB."""
    for position, part in enumerate(parts):
        if type(value) is dict:
            value = value.get(part, MISSING)
        elif type(value) is list:
            return _walk_elements(value, parts[position:])
        elif isinstance(value, Mapping):
            value = value.get(part, MISSING)
        else:
            return MISSING
    return value


def _walk_elements(elements: list[Any], parts: Sequence[str]) -> Any:
    found = Many()
    index = array_index(parts[0])
    if index is not None and index < len(elements):
        _collect(found, walk(elements[index], parts[1:]))
    for element in elements:
        if type(element) is dict:
            _collect(found, walk(element, parts))
    return found or MISSING


def _collect(found: Many, value: Any) -> None:
    if type(value) is Many:
        found += value
    elif value is not MISSING:
        found.append(value)


def array_index(part: str) -> int | None:
    """Return a path's part as the position in an array, if it can be one."""
    is_number = part.isascii() and part.isdigit() and len(part) <= _LONGEST_INDEX
    return int(part) if is_number and (part[0] != "0" or part == "0") else None


def is_index(part: str) -> bool:
    """Tell whether a path's part can be a position in an array."""
    return array_index(part) is not None


def has_number(parts: Path) -> bool:
    """Tell whether a path may name a place in an array."""
    return any(map(is_index, parts[1:]))


def matches(key: Any, value: Any) -> bool:
    """Tell whether an expression's key holds its value: equal, or one of both is an array that contains the other."""
    if type(key) is type(value) and type(key) in _PLAIN:
        return bool(key == value)
    if key is MISSING or value is MISSING:
        return False
    if type(key) is Many or type(value) is Many:
        return matching(value)(key)
    if type(key) is list:
        return any(equal(each, value) for each in key) or equal(key, value)
    if type(value) is list:
        return any(equal(key, each) for each in value)
    return equal(key, value)


def matching(value: Any) -> Callable[[Any], bool]:
    """Return `matches` for many keys and one value, of which what is in its arrays is prepared."""
    if type(value) is not list and type(value) is not Many:
        return lambda key: any(matches(each, value) for each in key) if type(key) is Many else matches(key, value)
    values = value if type(value) is Many else [value]
    wholes = {found for each in values if (found := identity(each)) is not None}
    members = {
        found for inner in values if type(inner) is list for each in inner if (found := identity(each)) is not None
    }

    def holds(key: Any) -> bool:
        return any(
            (own := identity(each)) in wholes
            or (any(identity(inner) in wholes for inner in each) if type(each) is list else own in members)
            for each in (key if type(key) is Many else [key])
            if each is not MISSING
        )

    return holds


def contains(operand: Any, key: Any) -> bool:
    """Tell whether an array holds a key, or any element of a key that is an array itself: `%in`."""
    if key is MISSING or not isinstance(operand, list):
        return False
    if type(key) is not list and type(key) is not Many:
        return any(equal(key, each) for each in operand)
    return holds_any({identity(each) for each in operand}, key)


def holds_any(identities: Set[bytes | None], key: Any) -> bool:
    """Tell whether a key, or any element of one that is an array, is among the values of these identities."""
    if type(key) is Many:
        return any(holds_any(identities, each) for each in key)
    own = identity(key)
    if own is not None and own in identities:
        return True
    return type(key) is list and any(
        (found := identity(element)) is not None and found in identities for element in key
    )


def equal(one: Any, other: Any) -> bool:
    """Compare by value within a family of types: numbers by size, documents whatever the order of their members."""
    if type(one) is type(other) and type(one) in _PLAIN:
        return bool(one == other)
    kind = family(one)
    if kind is not family(other):
        return False
    if kind in _COMPARED:
        first, second = comparable(one), comparable(other)
        return first is not None and second is not None and bool(first == second)
    if kind is list:
        return len(one) == len(other) and all(map(equal, one, other))
    if kind is dict:
        return _equal_documents(one, other)
    if kind is Code:  # a NaN in its scope is equal to nothing, not even to itself
        one, other = identity(one), identity(other)
    return one is not None and type(one) is type(other) and bool(one == other)


def _equal_documents(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())


def ordered(key: Any, order: Order, value: Any) -> bool:
    """Compare a key, or any element of one that is an array, with a value of the same family; others are false."""
    if type(key) in _QUICK and type(value) in _QUICK and (type(key) is str) is (type(value) is str):
        return bool(_ORDERS[order](key, value))
    if type(key) is Many:
        return any(ordered(each, order, value) for each in key)
    if type(key) is list:
        return any(ordered(each, order, value) for each in key if type(each) is not list)
    if key is MISSING or value is MISSING or family(key) is not family(value):
        return False
    first, second = comparable(key), comparable(value)
    return first is not None and second is not None and bool(_ORDERS[order](first, second))


def comparable(value: Any) -> Any:
    """Return what Python can order for a value of a family that has an order, else None: so is what is not a number."""
    kind = type(value)
    if kind in _NUMBERS:
        number = value.to_decimal() if kind is Decimal128 else value
        return None if (number.is_nan() if isinstance(number, Decimal) else number != number) else number  # noqa: PLR0124
    if kind in _DATES:
        return int(value) if kind is DatetimeMS else (value - _EPOCH) // _MILLISECOND
    if kind in _BYTES:
        return len(value), getattr(value, "subtype", 0), bytes(value)  # the order of MongoDB
    return value if kind in _ORDERED else None


def family(value: Any) -> type:
    """Return the type that stands for all those whose values are compared with each other."""
    kind = type(value)
    if kind in _NUMBERS:
        return int
    if kind in _DATES:
        return datetime
    if kind in _BYTES:
        return bytes
    if kind is not dict and isinstance(value, Mapping):
        return dict
    return kind


def is_scalar(value: Any) -> bool:
    """Tell whether MongoDB's `$eq` finds just what `equal` does: no null, no pattern, no document, no array, no NaN."""
    return comparable(value) is not None


def identity(value: Any) -> bytes | None:
    """Return bytes that are the same for two values just if they are equal; None for what is equal to nothing, as NaN.

    Bytes, because Python hashes them with a secret: whoever sends values could have numbers or tuples all collide.
    """
    kind = type(value)
    if kind is str:
        return b"s%b" % value.encode(errors="surrogatepass")
    if kind in _NUMBERS:
        return _number_identity(comparable(value))
    if kind is list:
        return _joined_identity(b"[", value, identity)
    if kind is Code:
        return _joined_identity(b"c", [str(value), value.scope], _python_identity)
    shared = family(value)
    if shared is dict:
        return _joined_identity(b"{", _in_order(value), identity)
    return f"{shared.__name__} {comparable(value) if shared in _COMPARED else value!r}".encode()


def _python_identity(value: Any) -> bytes | None:
    """Return the identity of a value that Python itself compares: of one in the scope of a code."""
    if isinstance(value, bool | int | float):
        return _number_identity(comparable(int(value) if type(value) is bool else value))
    if type(value) is list:
        return _joined_identity(b"[", value, _python_identity)
    if type(value) is dict:
        return _joined_identity(b"{", _in_order(value), _python_identity)
    if type(value) is Code:
        return _joined_identity(b"c", [str(value), value.scope], _python_identity)
    return f"{type(value).__name__} {value!r}".encode()


def _number_identity(number: Any) -> bytes | None:
    """Return the same for an int, a float and a Decimal of one size: as an int, else as a float, if it is one."""
    if type(number) is int or type(number) is Int64:
        return b"n%d" % number
    if number is None:
        return None
    if _LEAST_INT64 <= number <= _MOST_INT64 and number == (whole := int(number)):
        return b"n%d" % whole
    near = float(number)
    return f"n{near.hex() if near == number else number.normalize(_DECIMAL128)}".encode()


def _joined_identity(kind: bytes, values: Iterable[Any], of: Callable[[Any], bytes | None]) -> bytes | None:
    joined = [kind]
    for value in values:
        part = of(value)
        if part is None:
            return None
        joined.append(b"%d:%b" % (len(part), part))
    return b"".join(joined)


def _in_order(document: Mapping[str, Any]) -> list[Any]:
    """Return names and values of a document, by name."""
    return [each for name in sorted(document) for each in (name, document[name])]


_DECIMAL128 = Context(prec=34, Emin=-6176, Emax=6144)
_LEAST_INT64, _MOST_INT64 = -(2**63), 2**63 - 1
_PLAIN = {str, bool, int, ObjectId, type(None)}
_QUICK = {int, float, str}  # what is not a number is neither more nor less than anything to Python, too
_COMPARED = {int, datetime, bytes}
