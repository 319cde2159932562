"""MongoDB's order of values of all types, of the bytes in which they are stored (pure).

It is the order of sorts with the simple collation. Under another one it holds for the keys that MongoDB makes of texts.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from shared.documents import decimals
from shared.documents.elements import ARRAY, DOCUMENT, MAX_KEY, SYMBOL, TIMESTAMP, Element, spans

type Order = tuple[Any, ...]
"""What compares with that of another value as MongoDB compares the values."""

MIN_KEY, UNDEFINED, NULL, NUMBER, TEXT, DOCUMENTS, ARRAYS = range(7)
BINARY, OBJECT_ID, BOOLEAN, DATE, TIMESTAMPS, REGEX, DB_POINTER, CODE, SCOPED_CODE, MAX = range(7, 17)

_FLOAT, _INT32, _INT64, _UINT64 = struct.Struct("<d"), struct.Struct("<i"), struct.Struct("<q"), struct.Struct("<Q")
_LENGTH = 4  # bytes
_NAN: Order = (NUMBER, 0, 0)


def order(element: Element) -> Order:
    """Return the order of a value: its rank among the types, then what tells it from others of that rank."""
    rank, read = _READ[element.kind]
    return rank, *read(element.value)


def rank(element: Element) -> int:
    """Return the rank of a value's type."""
    return _READ[element.kind][0]


def is_nan(element: Element) -> bool:
    """Tell whether a value is of a number's type and no number."""
    return order(element) == _NAN


def members(document: bytes) -> Iterator[Element]:
    """Give the values of a document or of an array."""
    return (Element(document[start], document[value:end]) for _, start, value, end in spans(document))


def _number(value: Any) -> Order:
    return (0, 0) if value != value else (1, value)  # noqa: PLR0124  not a number comes before all


def _decimal(value: bytes) -> Order:
    return _number(Decimal(decimals.text(value)))  # the driver's own refuses some that MongoDB stores


def _unpacked(form: struct.Struct) -> Callable[[bytes], Order]:
    return lambda value: _number(form.unpack(value)[0])


def _text(value: bytes) -> Order:
    return (value[_LENGTH:-1],)


def _document(value: bytes) -> Order:
    found = []
    for name, start, begins, end in spans(value):
        kind, *rest = order(Element(value[start], value[begins:end]))
        found.append((kind, name, rest))
    return (found,)


def _array(value: bytes) -> Order:
    return ([order(each) for each in members(value)],)


def _binary(value: bytes) -> Order:
    return len(value), value[_LENGTH], value[_LENGTH + 1 :]


def _regex(value: bytes) -> Order:
    pattern, options, _ = value.split(b"\0")
    return pattern, options


def _pointer(value: bytes) -> Order:
    return len(value), value[_LENGTH:]


def _scoped(value: bytes) -> Order:
    (size,) = _INT32.unpack_from(value, _LENGTH)
    code_ends = 2 * _LENGTH + size
    return value[2 * _LENGTH : code_ends - 1], *_document(value[code_ends:])


def _nothing(_value: bytes) -> Order:
    return ()


def _bytes(value: bytes) -> Order:
    return (value,)


_READ: dict[int, tuple[int, Callable[[bytes], Order]]] = {
    0x01: (NUMBER, _unpacked(_FLOAT)),
    0x02: (TEXT, _text),
    DOCUMENT: (DOCUMENTS, _document),
    ARRAY: (ARRAYS, _array),
    0x05: (BINARY, _binary),
    0x06: (UNDEFINED, _nothing),
    0x07: (OBJECT_ID, _bytes),
    0x08: (BOOLEAN, _bytes),
    0x09: (DATE, _unpacked(_INT64)),
    0x0A: (NULL, _nothing),
    0x0B: (REGEX, _regex),
    0x0C: (DB_POINTER, _pointer),
    0x0D: (CODE, _text),
    SYMBOL: (TEXT, _text),
    0x0F: (SCOPED_CODE, _scoped),
    0x10: (NUMBER, _unpacked(_INT32)),
    TIMESTAMP: (TIMESTAMPS, _unpacked(_UINT64)),
    0x12: (NUMBER, _unpacked(_INT64)),
    0x13: (NUMBER, _decimal),
    MAX_KEY: (MAX, _nothing),
    0xFF: (MIN_KEY, _nothing),
}


def sort_key(document: bytes, keys: Sequence[tuple[str, int]]) -> tuple[Element, ...]:
    """Return what a document is sorted by with the simple collation, for each path with its direction.

    Raise ValueError where two paths lead into one array: MongoDB then chooses an element for both of them.
    """
    found: list[Element] = []
    arrays: set[bytes] = set()
    for path, direction in keys:
        parts = path.encode().split(b".")
        candidates = _candidates(document, parts)
        if len(candidates) > 1:
            if parts[0] in arrays:
                raise ValueError(path)
            arrays.add(parts[0])
        found.append(min(candidates, key=order) if direction > 0 else max(candidates, key=order))
    return tuple(found)


def _candidates(container: bytes, parts: Sequence[bytes]) -> list[Element]:
    """Return what a document may be sorted by: of an array its elements, null for what is not there."""
    return _found_in(_member(container, parts[0]) or _NULL, parts[1:])


def _member(container: bytes, wanted: bytes) -> Element | None:
    """Return the first member of a name, which may be the position in an array."""
    for name, start, value, end in spans(container):
        if name == wanted:
            return Element(container[start], container[value:end])
    return None


def _found_in(value: Element, rest: Sequence[bytes]) -> list[Element]:
    if not rest:
        return (list(members(value.value)) or [_UNDEFINED]) if value.kind == ARRAY else [value]
    if value.kind == DOCUMENT:
        return _candidates(value.value, rest)
    if value.kind != ARRAY:
        return [_NULL]
    if (chosen := _member(value.value, rest[0])) is not None:
        is_end = len(rest) == 1 and chosen.kind == ARRAY and any(members(chosen.value))
        return [chosen] if is_end else _found_in(chosen, rest[1:])
    inner = (_candidates(each.value, rest) if each.kind == DOCUMENT else [_NULL] for each in members(value.value))
    return [each for some in inner for each in some] or [_NULL]


_NULL, _UNDEFINED = Element(0x0A, b""), Element(0x06, b"")
