"""The wrappers of Extended JSON v2, in what the parser made of a text, replaced by BSON values (pure).

Canonical and relaxed forms may be mixed. An object that has one of the specification's type wrappers among its keys
must be that wrapper, whole and well-formed.
`$regex`, `$options` and `$type` stay what the caller wrote, because they are query operators too: turning
`{"$regex": "^a", "$nin": ["abc"]}` into a regular expression would lose the `$nin`.

Beyond the specification, as Atlas's callers rely on it: ISO dates without a zone (read as UTC), with date only or
with more than three fraction digits (truncated), `{"$date": <number>}`, years of more than four digits with a sign,
and the legacy `{"$binary": "...", "$type": "05"}`. docs/types.md lists every type.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from decimal import DecimalException
from math import isinf
from typing import Any

from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.max_key import MaxKey
from bson.min_key import MinKey
from bson.objectid import ObjectId
from bson.regex import Regex
from bson.timestamp import Timestamp

from shared.documents import dates
from shared.errors import InvalidJSONError

type Wrapper = Callable[[Any, int], Any]
"""Makes a value of a wrapper's operand, which may have so many levels below itself."""

TO_READ = frozenset({dict, list, int})
"""The types of parsed values that may be something else once they are read."""

_INT64 = 2**63
_UINT32 = 2**32
_EXACT_DOUBLE = 2.0**53


class TooDeepError(Exception):
    """Something is nested deeper than whoever reads it allows."""


def read(value: Any, room: int) -> Any:
    """Return a value with its wrappers replaced; it may have so many levels below itself."""
    kind = type(value)
    if kind is dict:
        if len(value) == 1:
            [(name, operand)] = value.items()
            if name in _WRAPPERS:
                return _WRAPPERS[name](operand, room)
        elif not WRAPPER_NAMES.isdisjoint(value):
            return _of_several(value, room)
        refuse_depth(room)
        for key, item in value.items():
            if type(item) in TO_READ:
                value[key] = read(item, room - 1)
    elif kind is list:
        refuse_depth(room)
        value[:] = [read(item, room - 1) if type(item) in TO_READ else item for item in value]
    elif kind is int and not -_INT64 <= value < _INT64:
        return float(value)
    return value


def _of_several(value: dict[str, Any], room: int) -> Any:
    """Return what an object is that has the name of a wrapper and other members: two forms alone have them."""
    if value.keys() == {"$code", "$scope"}:
        return _code_with_scope(value["$code"], value["$scope"], room)
    if value.keys() == {"$binary", "$type"}:
        return _binary_of(value["$binary"], value["$type"])
    raise malformed(next(name for name in value if name in _WRAPPERS))


def refuse_depth(room: int) -> None:
    """Raise TooDeepError for a container around which are too many."""
    if room < 0:
        raise TooDeepError


def malformed(wrapper: str) -> InvalidJSONError:
    """Return the caller's error for a wrapper that is not whole and well-formed."""
    return InvalidJSONError(f"malformed {wrapper}")


def _only(value: dict[str, Any], wrapper: str) -> Any:
    """Return the operand of a wrapper that is an object's only member."""
    if len(value) != 1:
        raise malformed(wrapper)
    return value[wrapper]


def _text(operand: Any, wrapper: str) -> str:
    if type(operand) is not str:
        raise malformed(wrapper)
    return operand


def _matched(operand: Any, wrapper: str, form: re.Pattern[str]) -> str:
    if type(operand) is not str or not form.fullmatch(operand):
        raise malformed(wrapper)
    return operand


def _parts(operand: Any, wrapper: str, *names: str) -> list[Any]:
    """Return the members of a wrapper's operand, an object that must have exactly these."""
    if type(operand) is not dict or operand.keys() != set(names):
        raise malformed(wrapper)
    return [operand[name] for name in names]


_OID = re.compile(r"[0-9a-fA-F]{24}")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_DOUBLE = re.compile(r"-?(?:Infinity|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)|NaN")
_DECIMAL = re.compile(r"[+-]?(?:inf(?:inity)?|nan|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_SUBTYPE = re.compile(r"[0-9a-fA-F]{1,2}")
_REGEX_OPTIONS = "ilmsux"


def _oid(operand: Any, _room: int) -> ObjectId:
    return ObjectId(_matched(operand, "$oid", _OID))


def _number_int(operand: Any, _room: int) -> int:
    number = int(_matched(operand, "$numberInt", _INTEGER))
    if not -(2**31) <= number < 2**31:
        raise malformed("$numberInt")
    return number


def _number_long(operand: Any, _room: int) -> Int64:
    number = int(_matched(operand, "$numberLong", _INTEGER))
    if not -_INT64 <= number < _INT64:
        raise malformed("$numberLong")
    return Int64(number)


def _number_double(operand: Any, _room: int) -> float:
    digits = _matched(operand, "$numberDouble", _DOUBLE)
    number = float(digits)
    if isinf(number) and not digits.endswith("Infinity"):
        raise malformed("$numberDouble")
    return number


def _number_decimal(operand: Any, _room: int) -> Decimal128:
    try:
        return Decimal128(_matched(operand, "$numberDecimal", _DECIMAL))
    except DecimalException as error:  # more digits or a larger exponent than a Decimal128 holds
        raise malformed("$numberDecimal") from error


def _binary(operand: Any, _room: int) -> Binary:
    return _binary_of(*_parts(operand, "$binary", "base64", "subType"))


def _binary_of(data: Any, subtype: Any) -> Binary:
    if type(data) is not str or type(subtype) is not str or not _SUBTYPE.fullmatch(subtype):
        raise malformed("$binary")
    try:
        return Binary(b64decode(data, validate=True), int(subtype, 16))
    except (Base64Error, ValueError) as error:  # ValueError: characters outside ASCII
        raise malformed("$binary") from error


def _uuid(operand: Any, _room: int) -> Binary:
    return Binary(bytes.fromhex(_matched(operand, "$uuid", _UUID).replace("-", "")), 4)


def _code(operand: Any, _room: int) -> Code:
    return Code(_text(operand, "$code"))


def _code_with_scope(operand: Any, scope: Any, room: int) -> Code:
    text = _text(operand, "$code")
    refuse_depth(room)
    scope = read(scope, room - 1)
    if type(scope) is not dict:
        raise malformed("$scope")
    return Code(text, scope)


def _timestamp(operand: Any, _room: int) -> Timestamp:
    time, increment = _parts(operand, "$timestamp", "t", "i")
    if any(type(part) is not int or not 0 <= part < _UINT32 for part in (time, increment)):
        raise malformed("$timestamp")
    return Timestamp(time, increment)


def _regular_expression(operand: Any, _room: int) -> Regex[str]:
    pattern, options = _parts(operand, "$regularExpression", "pattern", "options")
    if type(pattern) is not str or type(options) is not str or "\0" in pattern:
        raise malformed("$regularExpression")
    if len(set(options)) != len(options) or not set(options) <= set(_REGEX_OPTIONS):
        raise malformed("$regularExpression")
    return Regex(pattern, options)


def _db_pointer(operand: Any, room: int) -> DBRef:
    namespace, pointer = _parts(operand, "$dbPointer", "$ref", "$id")
    if type(namespace) is not str or type(pointer) is not dict or "$oid" not in pointer:
        raise malformed("$dbPointer")
    return DBRef(namespace, _oid(_only(pointer, "$oid"), room))


def _date(operand: Any, room: int) -> DatetimeMS:
    if type(operand) is dict and "$numberLong" in operand:
        # a DatetimeMS of an Int64 warns when encoded
        milliseconds: int | None = int(_number_long(_only(operand, "$numberLong"), room))
    elif type(operand) is str:
        milliseconds = dates.from_iso(operand)
    elif type(operand) is int or (type(operand) is float and operand.is_integer() and abs(operand) <= _EXACT_DOUBLE):
        milliseconds = int(operand)
    else:
        milliseconds = None
    if milliseconds is None or not -_INT64 <= milliseconds < _INT64:
        raise malformed("$date")
    return DatetimeMS(milliseconds)


def _min_key(operand: Any, _room: int) -> MinKey:
    _one(operand, "$minKey")
    return MinKey()


def _max_key(operand: Any, _room: int) -> MaxKey:
    _one(operand, "$maxKey")
    return MaxKey()


def _one(operand: Any, wrapper: str) -> None:
    if type(operand) is not int or operand != 1:
        raise malformed(wrapper)


def _symbol(operand: Any, _room: int) -> str:
    return _text(operand, "$symbol")


def _undefined(operand: Any, _room: int) -> None:
    if operand is not True:
        raise malformed("$undefined")


_WRAPPERS: Mapping[str, Wrapper] = {
    "$binary": _binary,
    "$code": _code,
    "$date": _date,
    "$dbPointer": _db_pointer,
    "$maxKey": _max_key,
    "$minKey": _min_key,
    "$numberDecimal": _number_decimal,
    "$numberDouble": _number_double,
    "$numberInt": _number_int,
    "$numberLong": _number_long,
    "$oid": _oid,
    "$regularExpression": _regular_expression,
    "$symbol": _symbol,
    "$timestamp": _timestamp,
    "$undefined": _undefined,
    "$uuid": _uuid,
}
WRAPPER_NAMES = frozenset(_WRAPPERS)
"""An object with one of these is that wrapper, or malformed."""
