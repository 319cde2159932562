"""The members of a BSON document as the bytes they are stored in: what tells one value from another of any type."""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import Any, NamedTuple

from bson.codec_options import CodecOptions, DatetimeConversion

OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""How documents are decoded for rules and schemas."""

_INT32 = Struct("<i")
_HEADER = 4
DOCUMENT, ARRAY = 0x03, 0x04


class Element(NamedTuple):
    """A member's BSON type and the bytes of its value."""

    kind: int
    value: bytes

    @property
    def members(self) -> dict[str, "Element"]:
        """The members of an embedded document, or of an array by position."""
        return elements(self.value)


def elements(document: bytes) -> dict[str, Element]:
    """Return the members of a BSON document by name, in their order."""
    found: dict[str, Element] = {}
    position = _HEADER
    while (kind := document[position]) != 0:
        end = document.index(b"\0", position + 1)
        name = document[position + 1 : end].decode()
        position = end + 1
        size = _SIZES[kind](document, position)
        found[name] = Element(kind, document[position : position + size])
        position += size
    return found


def spans(document: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Give of each member the bytes of its name, where it starts, where its value starts and where it ends.

    Raise ValueError or LookupError for bytes that are no document.
    """
    position = _HEADER
    while (kind := document[position]) != 0:
        name_ends = document.index(b"\0", position + 1)
        value = name_ends + 1
        end = value + _SIZES[kind](document, value)
        if end < value:
            raise ValueError("a negative length")
        yield document[position + 1 : name_ends], position, value, end
        position = end


def _fixed(size: int) -> Callable[[bytes, int], int]:
    return lambda _data, _position: size


def _prefixed(extra: int) -> Callable[[bytes, int], int]:
    def size(data: bytes, position: int) -> int:
        return int(_INT32.unpack_from(data, position)[0]) + extra

    return size


def _two_strings(data: bytes, position: int) -> int:
    return data.index(b"\0", data.index(b"\0", position) + 1) + 1 - position


_SIZES: dict[int, Callable[[bytes, int], int]] = {
    0x01: _fixed(8),  # double
    0x02: _prefixed(4),  # string
    DOCUMENT: _prefixed(0),
    ARRAY: _prefixed(0),
    0x05: _prefixed(5),  # binary: its length does not count the length and the subtype
    0x06: _fixed(0),  # undefined
    0x07: _fixed(12),  # ObjectId
    0x08: _fixed(1),  # boolean
    0x09: _fixed(8),  # date
    0x0A: _fixed(0),  # null
    0x0B: _two_strings,  # regular expression
    0x0C: _prefixed(16),  # DBPointer
    0x0D: _prefixed(4),  # JavaScript
    0x0E: _prefixed(4),  # symbol
    0x0F: _prefixed(0),  # JavaScript with scope
    0x10: _fixed(4),  # int32
    0x11: _fixed(8),  # timestamp
    0x12: _fixed(8),  # int64
    0x13: _fixed(16),  # Decimal128
    0x7F: _fixed(0),  # MaxKey
    0xFF: _fixed(0),  # MinKey
}
