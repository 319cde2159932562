"""Extended JSON v2 -> Python values that PyMongo encodes to the exact BSON types (pure).

Requests are read the same way whatever their Content-Type.
"""

import sys
from typing import Any

import orjson

from shared.documents.wrappers import TO_READ, TooDeepError, read
from shared.errors import InvalidJSONError
from shared.turns import Steps

MAX_DEPTH = 100
"""Levels of nesting that a request's document may have below itself: MongoDB's own documented limit."""

_PARSER_TOO_DEEP = "depth limit exceeded"  # orjson's text, at a depth that is its own
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_HUGE_INTEGER = b"0" * 19  # no integer of fewer digits is beyond int64
_AT_ONCE = 500  # objects and arrays

NUL = b"\\u0000"
"""How a NUL character stands in a body."""

type Document = dict[str, Any]


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


def invalid(reason: str) -> InvalidJSONError:
    """Return the caller's error."""
    return InvalidJSONError(reason)
