"""Large bodies, read as `ejson.loads` reads all others, but in steps (pure)."""

import sys
from collections.abc import Collection
from typing import Any

import orjson
from bson.binary import Binary
from bson.code import Code

from shared.documents import ejson, json_slices, wrappers
from shared.documents.ejson import Document
from shared.documents.wrappers import TO_READ, TooDeepError
from shared.turns import Steps

LARGE = 128 * 1024
"""Bytes from which on a body is read here; a smaller one takes at most some milliseconds at once."""

_LOOK = 1024 * 1024  # bytes that are looked at in a step
_GROUP = 4  # characters of base64
_LONGEST_MARK = 32  # bytes that what is looked for may have


def loads(body: bytes, most_levels: int, most_members: int, size: int = json_slices.SLICE) -> Steps[Document]:
    """Return what `ejson.loads` returns, or raise what it raises, having yielded between slices of this size."""
    try:
        members, large = yield from _parsed(body, size)
        if type(members) is not dict:
            raise ejson.invalid("it must be an object")
        if ejson.NUL in body:
            yield from ejson.without_nul_names(members)
        levels_left = most_levels
        if (yield from _needs_reading(body)):
            yield from _Reader(large).read_members(members, most_levels)
            levels_left = sys.maxsize  # levels are counted, and a wrapper is none
        colons = yield from _count(body, b":")
        brackets = yield from _count(body, b"[")
        braces = yield from _count(body, b"{")
        if colons > most_members or brackets + braces > levels_left:
            yield from ejson.checked(members, levels_left, most_members)
    except TooDeepError:
        raise ejson.too_deep(most_levels) from None
    return members


def _parsed(body: bytes, size: int) -> Steps[tuple[Any, list[Any]]]:
    try:
        return (yield from json_slices.parsed(body, size))
    except orjson.JSONDecodeError as error:
        raise ejson.refused(error) from error


def _needs_reading(body: bytes) -> Steps[bool]:
    for start in range(0, len(body), _LOOK):
        if ejson.needs_reading(body[start : start + _LOOK + _LONGEST_MARK]):
            return True
        yield
    return False


def _count(body: bytes, byte: bytes) -> Steps[int]:
    found = 0
    for start in range(0, len(body), _LOOK):
        found += body.count(byte, start, start + _LOOK)
        yield
    return found


class _Reader:
    """Replaces wrappers where they are, as `ejson.read` does: what is not large at once, the rest member by member."""

    def __init__(self, large: Collection[Any]) -> None:
        """Take the containers that are large, which must outlive this."""
        self._large = {id(each) for each in large}

    def read_members(self, members: Document, room: int) -> Steps[None]:
        """Read the members of a body; the items of each list count their own depth."""
        for name, member in members.items():
            if type(member) is list:
                yield from self._read_items(member, room)
            elif type(member) in TO_READ:
                members[name] = yield from self._read(member, room)

    def _read_items(self, items: list[Any], room: int) -> Steps[None]:
        for place, item in enumerate(items):
            if type(item) in TO_READ:
                items[place] = (
                    (yield from self._read(item, room)) if id(item) in self._large else wrappers.read(item, room)
                )
            yield

    def _read(self, value: Any, room: int) -> Steps[Any]:
        if id(value) not in self._large:
            return wrappers.read(value, room)
        if type(value) is dict and not wrappers.WRAPPER_NAMES.isdisjoint(value):
            return (yield from self._unwrapped(value, room))
        wrappers.refuse_depth(room)
        if type(value) is list:
            yield from self._read_items(value, room - 1)
            return value
        for name, member in value.items():
            if type(member) in TO_READ:
                value[name] = yield from self._read(member, room - 1)
            yield
        return value

    def _unwrapped(self, value: Document, room: int) -> Steps[Any]:
        """Return what a wrapper is; of all of them two alone can be large and well-formed."""
        if type(value.get("$binary")) is dict:
            return (yield from _binary(value, room))
        if "$code" not in value or id(value.get("$scope")) not in self._large:
            return wrappers.read(value, room)
        code = wrappers.read({**value, "$scope": {}}, room)
        scope = yield from self._read(value["$scope"], room - 1)
        if type(scope) is not dict:
            raise wrappers.malformed("$scope")
        return Code(str(code), scope)


def _binary(value: Document, room: int) -> Steps[Any]:
    """Return what the wrapper of a binary is, whose base64 is read in slices of whole groups."""
    content = value["$binary"].get("base64")
    if type(content) is not str or not content or "=" in content[:-_GROUP] or len(content) % _GROUP:
        return wrappers.read(value, room)
    parts = []
    for start in range(0, len(content), _LOOK):
        part = {**value, "$binary": {**value["$binary"], "base64": content[start : start + _LOOK]}}
        parts.append(wrappers.read(part, room))
        yield
    return Binary(b"".join(parts), parts[0].subtype)
