"""The types that schemas name, and which values are of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

_UUID_SUBTYPE = 4
_INTEGERS = (int, Int64)
_NUMBERS = (int, Int64, float, Decimal128)


def is_number(value: Any) -> bool:
    """Tell whether a value is of one of the four types of numbers."""
    return type(value) in _NUMBERS


def _is_uuid(value: Any) -> bool:
    return type(value) is Binary and value.subtype == _UUID_SUBTYPE


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


BSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "double": _of(float),
    "string": _of(str),
    "object": _is_object,
    "array": lambda value: isinstance(value, list),
    "binData": lambda value: type(value) in (bytes, Binary) and not _is_uuid(value),
    "uuid": _is_uuid,
    "undefined": _of(type(None)),
    "objectId": _of(ObjectId),
    "bool": _of(bool),
    "date": lambda value: type(value) is DatetimeMS or hasattr(value, "isoformat"),
    "null": _of(type(None)),
    "regex": _of(Regex),
    "javascript": _of(Code),
    "javascriptWithScope": _of(Code),
    "symbol": _of(str),
    "int": _of(int),
    "timestamp": _of(Timestamp),
    "long": _of(Int64),
    "decimal": _of(Decimal128),
    "minKey": _of(MinKey),
    "maxKey": _of(MaxKey),
    "number": is_number,
    "mixed": lambda _value: True,
}
JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": _is_object,
    "array": BSON_TYPES["array"],
    "number": is_number,
    "boolean": _of(bool),
    "string": _of(str),
    "null": _of(type(None)),
    "integer": lambda value: type(value) in _INTEGERS or (type(value) is float and value.is_integer()),
}


class Types(NamedTuple):
    """The types that a schema allows a value, and the sentence for one that is of none of them."""

    tests: list[Callable[[Any], bool]]
    sentence: str

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of one of them."""
        return any(test(value) for test in self.tests)
