"""Values of every type that MongoDB stores, near to each other in its order, and where arrays make it hard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import bson
from bson.binary import Binary
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.regex import Regex
from bson.timestamp import Timestamp

from shared.documents.elements import Element, document_of, wrapped

NAN, INF = float("nan"), float("inf")
_2020 = datetime(2020, 1, 1)

VALUES: list[Any] = [
    MinKey(), None, NAN, Decimal128("NaN"), -INF, -5, 0, -0.0, Decimal128("0"), Int64(3), 3, 3.5, Decimal128("3.5"),
    2**53, Int64(2**53 + 1), 2.0**53, Decimal128("9007199254740993"), INF, Decimal128("1E+6144"),
    "", "a", "A", "á", "b", "a\0b", "\U0001f600", "\uffff",
    {}, {"a": 1}, {"a": "x"}, {"b": 1}, {"a": 1, "b": 2}, {"a": 1.0}, {"a": None},
    Binary(b""), Binary(b"z"), Binary(b"ab"), Binary(b"a", 5), Binary(b"12345678", 2),
    ObjectId(bytes(12)), ObjectId(b"\xff" * 12), False, True, datetime(1960, 1, 1), _2020,
    Timestamp(1, 1), Timestamp(2**32 - 1, 1), Regex("a"), Regex("a", "i"), Regex("b"),
    Code("x"), Code("x", {"a": 1}), Code("y", {}), MaxKey(),
]  # fmt: skip
"""One at least of each type."""

ARRAYS: list[Any] = [
    [], [1], [1, 2], ["a"], ["b", "A"], [[1]], [[]], [None], [NAN], [3, "b", None], [5, MaxKey()], [MinKey(), 3],
    [True, "x"], [[2], 3], [[MaxKey()]], [[[_2020]]], [_2020, 4],
    [{"b": 2}, {"b": "q"}], [{"b": 1}, {}], [1, {"b": 2}], [{"b": [5, 6]}, {"b": []}], [[{"b": 3}]],
    {"b": []}, {"b": [4, 9]}, {"b": [[1]]}, {"b": None}, {"b": "q"}, {"b": 7},
    [{"7": 3}, {"7": 1}], [{"01": 3}, {"01": 1}], [{"²": 3}, {"²": 1}], {"01": 2},
]  # fmt: skip
"""What a path can lead into."""

UNDEFINED = Element(0x06, b"")


def _decimal(bits: int) -> Element:
    return Element(0x13, bits.to_bytes(16, "little"))


RARE: list[Any] = [
    UNDEFINED, Element(0x04, wrapped("0", *UNDEFINED[::-1])), Element(0x03, wrapped("b", *UNDEFINED[::-1])),
    Element(0x0E, b"\2\0\0\0a\0"), Element(0x0E, b"\2\0\0\0b\0"),
    Element(0x0C, b"\2\0\0\0x\0" + bytes(12)), Element(0x0C, b"\3\0\0\0xy\0" + bytes(12)),
    _decimal(0b111111 << 121), _decimal(0b111110 << 121), _decimal(0b11000 << 122 | 77),
    _decimal(6176 << 113 | 2**113 - 1), Element(0x01, b"\1\0\0\0\0\0\xf8\xff"), Element(0x02, b"\2\0\0\0\xff\0"),
    Element(0x03, document_of(b"\x10\xff\0\1\0\0\0")),
    Element(0x09, b"\0" * 7 + b"\x80"), Element(0x09, b"\xff" * 7 + b"\x7f"),
    Code("a\0b", {"a": 1}), Code("a\0b", {"a": 2}), Code("a\0c"),
]  # fmt: skip
"""Values that other programs have stored: of types that the driver does not write, or not in these bytes."""


def stored(document: Mapping[str, Any]) -> RawBSONDocument:
    """Return a document of values of which some are in the bytes in which they are stored."""
    members = [
        wrapped(name, value.value, value.kind) if isinstance(value, Element) else bson.encode({name: value})
        for name, value in document.items()
    ]
    return RawBSONDocument(document_of(b"".join(each[4:-1] for each in members)))
