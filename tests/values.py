"""Values of every type that MongoDB stores, near to each other in its order, and where arrays make it hard."""

from datetime import datetime
from typing import Any

from bson.binary import Binary
from bson.code import Code
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

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
]  # fmt: skip
"""What a path can lead into."""
