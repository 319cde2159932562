"""Extended JSON v2 -> Python values that PyMongo encodes to the exact BSON types (pure).

Requests are read the same way whatever their Content-Type: canonical and relaxed forms may be mixed. An object
that has one of the specification's type wrappers among its keys must be that wrapper, whole and well-formed.
`$regex`, `$options` and `$type` stay what the caller wrote, because they are query operators too: turning
`{"$regex": "^a", "$nin": ["abc"]}` into a regular expression would lose the `$nin`.

Beyond the specification, as Atlas's callers rely on it: ISO dates without a zone (read as UTC), with date only or
with more than three fraction digits (truncated), `{"$date": <number>}`, years of more than four digits with a sign,
and the legacy `{"$binary": "...", "$type": "05"}`. docs/types.md lists every type.
"""

import re
import sys
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from decimal import DecimalException
from typing import Any

import orjson
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
from shared.turns import Steps

MAX_DEPTH = 100
"""Levels of nesting that a request's document may have below itself: MongoDB's own documented limit."""

_PARSER_TOO_DEEP = "depth limit exceeded"  # orjson's text, at a depth that is its own
_INT64 = 2**63
_UINT32 = 2**32
_EXACT_DOUBLE = 2.0**53
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_HUGE_INTEGER = b"0" * 19  # no integer of fewer digits is beyond int64
_AT_ONCE = 500  # objects and arrays

NUL = b"\\u0000"
"""How a NUL character stands in a body."""

type Document = dict[str, Any]


class TooDeepError(Exception):
    """Something is nested deeper than whoever reads it allows."""


def loads(body: bytes, most_levels: int = MAX_DEPTH, most_members: int = sys.maxsize) -> Document:
    """Return the object in a request's body, its Extended JSON wrappers replaced by BSON values.

    Integers become int32 or int64 by size, numbers with a point or exponent double, as do integers beyond int64.
    Raises InvalidJSONError for anything that is not UTF-8 JSON, not an object, too deep, an object of too many members
    or a malformed wrapper.
    """
    try:
        members = _parsed(body)
        if type(members) is not dict:
            raise invalid("it must be an object")
        _refuse_nul_names(body, members)
        levels_left = most_levels
        if needs_reading(body):
            for name, member in members.items():
                if type(member) in TO_READ:
                    members[name] = _member(member, most_levels)
            levels_left = sys.maxsize  # levels are counted, and a wrapper is none
        if body.count(b":") > most_members or body.count(b"[") + body.count(b"{") > levels_left:
            for _ in checked(members, levels_left, most_members):
                pass
    except TooDeepError:
        raise too_deep(most_levels) from None
    return members


def too_deep(most_levels: int) -> InvalidJSONError:
    """Return the caller's error for a body that TooDeepError was raised for."""
    return invalid(f"nested deeper than {most_levels} levels, the most that MAX_NESTING allows")


def document(text: bytes) -> Document:
    """Return one document, such as a line of a file, read as `loads` reads the documents in a body."""
    found = value(text)
    if type(found) is not dict:
        raise invalid("it must be an object")
    return found


def value(text: bytes) -> Any:
    """Return whatever JSON a text holds, such as a file, read as `loads` reads the members of a body."""
    try:
        parsed = _parsed(text)
        _refuse_nul_names(text, parsed)
        return _member(parsed, MAX_DEPTH)
    except TooDeepError:
        raise invalid(f"nested deeper than {MAX_DEPTH} levels") from None


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise refused(error) from error


def refused(error: orjson.JSONDecodeError) -> TooDeepError | InvalidJSONError:
    """Return the error for what the parser says of a body."""
    return TooDeepError() if error.msg.startswith(_PARSER_TOO_DEEP) else invalid(str(error))


def _member(parsed: Any, most_levels: int) -> Any:
    if type(parsed) is list:  # each of documents, and each stage of pipeline, counts its own depth
        parsed[:] = [read(item, most_levels) if type(item) in TO_READ else item for item in parsed]
        return parsed
    return read(parsed, most_levels)


def _refuse_nul_names(text: bytes, parsed: Any) -> None:
    if NUL in text:
        for _ in without_nul_names(parsed):
            pass


def without_nul_names(parsed: Any) -> Steps[None]:
    """Refuse keys that BSON cannot hold, before the documents in front of them are on their way; yield often."""
    pending = [parsed]
    while pending:
        current = pending.pop()
        if type(current) is dict:
            if any("\0" in key for key in current):
                raise invalid("a key holds a NUL character")
            pending += current.values()
        elif type(current) is list:
            pending += current
        yield


def needs_reading(body: bytes) -> bool:
    """Tell whether anything in a body may be something else than what the parser makes of it."""
    return b'"$' in body or b"\\u0024" in body or _HUGE_INTEGER in body.translate(_DIGITS_AS_ZEROS)


def checked(members: Document, most_levels: int, most_members: int) -> Steps[None]:
    """Look only at how deep a body is nested and how wide its objects are, a level at a time; yield often."""
    level: list[Any] = [member for member in members.values() if type(member) is dict]
    for member in members.values():
        if type(member) is list:
            level += [item for item in member if type(item) is dict or type(item) is list]
    widest = len(members)
    while level:
        if most_levels < 0:
            raise TooDeepError
        most_levels -= 1
        inner: list[Any] = []
        for start in range(0, len(level), _AT_ONCE):
            some = level[start : start + _AT_ONCE]
            widest = max([widest, *[len(value) for value in some if type(value) is dict]])
            inner += [
                item
                for value in some
                for item in (value.values() if type(value) is dict else value)
                if type(item) is dict or type(item) is list
            ]
            yield
        level = inner
    if widest > most_members:
        raise invalid(f"an object has more than {most_members} members, the most that MAX_MEMBERS allows")


def read(value: Any, room: int) -> Any:
    """Return a value with its wrappers replaced; it may have so many levels below itself."""
    kind = type(value)
    if kind is dict:
        if not WRAPPER_NAMES.isdisjoint(value):
            return unwrapped(value, room)
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


def unwrapped(value: Document, room: int) -> Any:
    """Return what an object is that has the name of a wrapper."""
    wrapper = next(key for key in value if key in _WRAPPERS)
    return _WRAPPERS[wrapper](value, room)


TO_READ = frozenset({dict, list, int})
"""The types of parsed values that may be something else once they are read."""


def refuse_depth(room: int) -> None:
    """Raise TooDeepError for a container around which are too many."""
    if room < 0:
        raise TooDeepError


def invalid(reason: str) -> InvalidJSONError:
    """Return the caller's error."""
    return InvalidJSONError(reason)


def malformed(wrapper: str) -> InvalidJSONError:
    """Return the caller's error for a wrapper that is not whole and well-formed."""
    return invalid(f"malformed {wrapper}")


def _only(value: Document, wrapper: str, *others: str) -> Any:
    """Return the wrapper's operand, if the object has the named keys and no other."""
    if value.keys() != {wrapper, *others}:
        raise malformed(wrapper)
    return value[wrapper]


def _text(value: Document, wrapper: str, *others: str) -> str:
    operand = _only(value, wrapper, *others)
    if type(operand) is not str:
        raise malformed(wrapper)
    return operand


def _matched(value: Document, wrapper: str, form: re.Pattern[str]) -> str:
    operand = _text(value, wrapper)
    if not form.fullmatch(operand):
        raise malformed(wrapper)
    return operand


def _parts(value: Document, wrapper: str, *names: str) -> list[Any]:
    """Return the named members of the wrapper's operand, an object that must have exactly these."""
    operand = _only(value, wrapper)
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


def _oid(value: Document, _room: int) -> ObjectId:
    return ObjectId(_matched(value, "$oid", _OID))


def _number_int(value: Document, _room: int) -> int:
    number = int(_matched(value, "$numberInt", _INTEGER))
    if not -(2**31) <= number < 2**31:
        raise malformed("$numberInt")
    return number


def _number_long(value: Document, _room: int) -> Int64:
    number = int(_matched(value, "$numberLong", _INTEGER))
    if not -_INT64 <= number < _INT64:
        raise malformed("$numberLong")
    return Int64(number)


def _number_double(value: Document, _room: int) -> float:
    digits = _matched(value, "$numberDouble", _DOUBLE)
    number = float(digits)
    if number in {float("inf"), float("-inf")} and not digits.endswith("Infinity"):
        raise malformed("$numberDouble")
    return number


def _number_decimal(value: Document, _room: int) -> Decimal128:
    try:
        return Decimal128(_matched(value, "$numberDecimal", _DECIMAL))
    except DecimalException as error:  # more digits or a larger exponent than a Decimal128 holds
        raise malformed("$numberDecimal") from error


def _binary(value: Document, _room: int) -> Binary:
    if type(value.get("$binary")) is str:
        data, subtype = _text(value, "$binary", "$type"), value["$type"]
    else:
        data, subtype = _parts(value, "$binary", "base64", "subType")
    if type(data) is not str or type(subtype) is not str or not _SUBTYPE.fullmatch(subtype):
        raise malformed("$binary")
    try:
        return Binary(b64decode(data, validate=True), int(subtype, 16))
    except (Base64Error, ValueError) as error:  # ValueError: characters outside ASCII
        raise malformed("$binary") from error


def _uuid(value: Document, _room: int) -> Binary:
    return Binary(bytes.fromhex(_matched(value, "$uuid", _UUID).replace("-", "")), 4)


def _code(value: Document, room: int) -> Code:
    if "$scope" not in value:
        return Code(_text(value, "$code"))
    text = _text(value, "$code", "$scope")
    refuse_depth(room)
    scope = read(value["$scope"], room - 1)
    if type(scope) is not dict:
        raise malformed("$scope")
    return Code(text, scope)


def _timestamp(value: Document, _room: int) -> Timestamp:
    time, increment = _parts(value, "$timestamp", "t", "i")
    if any(type(part) is not int or not 0 <= part < _UINT32 for part in (time, increment)):
        raise malformed("$timestamp")
    return Timestamp(time, increment)


def _regular_expression(value: Document, _room: int) -> Regex[str]:
    pattern, options = _parts(value, "$regularExpression", "pattern", "options")
    if type(pattern) is not str or type(options) is not str or "\0" in pattern:
        raise malformed("$regularExpression")
    if len(set(options)) != len(options) or not set(options) <= set(_REGEX_OPTIONS):
        raise malformed("$regularExpression")
    return Regex(pattern, options)


def _db_pointer(value: Document, room: int) -> DBRef:
    namespace, pointer = _parts(value, "$dbPointer", "$ref", "$id")
    if type(namespace) is not str or type(pointer) is not dict or "$oid" not in pointer:
        raise malformed("$dbPointer")
    return DBRef(namespace, _oid(pointer, room))


def _date(value: Document, room: int) -> DatetimeMS:
    operand = _only(value, "$date")
    if type(operand) is dict and "$numberLong" in operand:
        milliseconds: int | None = int(_number_long(operand, room))  # a DatetimeMS of an Int64 warns when encoded
    elif type(operand) is str:
        milliseconds = dates.from_iso(operand)
    elif type(operand) is int or (type(operand) is float and operand.is_integer() and abs(operand) <= _EXACT_DOUBLE):
        milliseconds = int(operand)
    else:
        milliseconds = None
    if milliseconds is None or not -_INT64 <= milliseconds < _INT64:
        raise malformed("$date")
    return DatetimeMS(milliseconds)


def _min_key(value: Document, _room: int) -> MinKey:
    _one(value, "$minKey")
    return MinKey()


def _max_key(value: Document, _room: int) -> MaxKey:
    _one(value, "$maxKey")
    return MaxKey()


def _one(value: Document, wrapper: str) -> None:
    operand = _only(value, wrapper)
    if type(operand) is not int or operand != 1:
        raise malformed(wrapper)


def _symbol(value: Document, _room: int) -> str:
    return _text(value, "$symbol")


def _undefined(value: Document, _room: int) -> None:
    if _only(value, "$undefined") is not True:
        raise malformed("$undefined")


_WRAPPERS: dict[str, Callable[[Document, int], Any]] = {
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
