"""What `orjson.loads` makes of a large text, made slice by slice (pure).

A pattern finds commas that stand between members, and orjson parses what is in front of one as an array or an object
of its own. What orjson takes so is whole members, and no text that is not JSON passes: the pattern and orjson tell
texts and brackets apart alike wherever what is before them is JSON. Each container that a slice ends in is made here,
and its members are added to it, slice by slice; all others are orjson's.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from shared.turns import Steps

SLICE = 64 * 1024
"""Bytes of text that are parsed between two turns: about a millisecond, up to three of many small values."""

_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_NEAR_BY = 6
_MOST_LEVELS = 1_024  # of containers in one another, which orjson reads
_TOO_DEEP = "depth limit exceeded"  # orjson's text
_ROOM = b" " * 65_536  # orjson's own memory follows from the length of the text


def _members(levels: int) -> "re.Pattern[bytes]":
    """Return a pattern for members up to the end, or to the bracket of a container that is not whole or too deep.

    The group begins behind the last comma between members.
    """
    member = inner = rb'[^"\[\]{},]++|%b' % _TEXT
    for _ in range(levels):
        member = rb"%b|[\[{](?:,|%b)*+[\]}]" % (inner, member)
    return re.compile(rb"(?:(?:%b)*+,)*+((?:%b)*+)" % (member, member), re.DOTALL)


_MEMBERS = _members(_NEAR_BY)
_SCALARS = _members(0)
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SPACE = re.compile(rb"[ \t\n\r]*+")

_BEGINS, _AFTER_COMMA, _AFTER_VALUE = range(3)
_BEFORE: Mapping[type, tuple[bytes, bytes, bytes]] = {
    list: (b"[", b'["",', b'[""'),
    dict: (b"{", b'{"":"",', b'{"":""'),
}
_BEHIND: Mapping[type, bytes] = {list: b"]", dict: b"}"}


class _Level:
    """A container that is open where the parser is."""

    __slots__ = ("comma", "container", "opening", "start", "state")

    def __init__(self, opening: int) -> None:
        """Begin where its bracket is; its container is not made before a slice ends in it."""
        self.opening = opening
        self.container: Any = None
        self.start = opening + 1  # of the members that are not parsed
        self.comma = -1  # the last one found between them
        self.state = _BEGINS  # what is in front of them


class _Parser:
    """Parses one text."""

    def __init__(self, text: bytes, size: int) -> None:
        """Take the text, and how many bytes of it a slice has."""
        self._text = text
        self._size = size
        self._levels: list[_Level] = []
        self._made = 0  # levels from the outside that have a container
        self.made: list[Any] = []

    def parse(self, at: int) -> Steps[Any]:
        """Return what the text holds, whose first bracket is at a place."""
        text, levels, size = self._text, self._levels, self._size
        self._begin(at)
        self._make(0)
        begun = at = at + 1
        while levels:
            members = _MEMBERS if len(levels) + _NEAR_BY <= _MOST_LEVELS else _SCALARS
            found = members.match(text, at, begun + size)
            assert found is not None  # noqa: S101  it matches nothing, too
            if found.start(1) > at:
                levels[-1].comma = found.start(1) - 1
            at = found.end()
            byte = text[at : at + 1] if at < begun + size else b""
            if byte in {b"[", b"{"}:
                self._begin(at)
                at += 1
            elif byte in {b"]", b"}"}:
                at = self._end(at, byte)
            else:
                if at == begun < len(text):  # a text that is longer than a slice
                    at = yield from self._text_end(at + 1)
                self._cut()
                if at == len(text):
                    self._refuse(len(levels) - 1)
                yield
                begun = at
        if _after_space(text, at) < len(text):
            self._raise(b"{}", at)
        return self.made[0]

    def _begin(self, opening: int) -> None:
        if len(self._levels) == _MOST_LEVELS:
            self._cut()
            raise self._error(_TOO_DEEP, len(self._text[: opening + 1].decode(errors="replace")))
        self._levels.append(_Level(opening))

    def _text_end(self, at: int) -> Steps[int]:
        """Return where the text ends whose first character is at a place."""
        before = -1
        while before < at < len(self._text) and self._text[at : at + 1] != b'"':
            before = at
            at = _IN_TEXT.match(self._text, at, at + self._size).end()  # type: ignore[union-attr]  # matches nothing, too
            yield
        return min(at + 1, len(self._text)) if before < at else len(self._text)

    def _cut(self) -> None:
        """End a slice: parse all members in front of the last comma."""
        for index in range(self._made, len(self._levels)):
            self._make(index)
        self._take_to_comma(len(self._levels) - 1)

    def _make(self, index: int) -> None:
        """Make the container of a level, as a member of the one around it."""
        level = self._levels[index]
        level.container = {} if self._text[level.opening : level.opening + 1] == b"{" else []
        self.made.append(level.container)
        self._made = index + 1
        if index:
            self._take_to_comma(index - 1)
            around = self._levels[index - 1].container
            head = self._parsed(index - 1, level.opening, b"[]" + _BEHIND[type(around)])
            if type(around) is dict:
                around[next(iter(head))] = level.container
            else:
                around.append(level.container)

    def _take_to_comma(self, index: int) -> None:
        level = self._levels[index]
        if level.comma >= level.start:
            self._take(index, level.comma)
            level.start, level.state = level.comma + 1, _AFTER_COMMA

    def _take(self, index: int, end: int, closing: bytes = b"") -> None:
        """Parse the members of a level that are in front of a comma, or of what closes it."""
        level = self._levels[index]
        members = self._parsed(index, end, closing or _BEHIND[type(level.container)])
        if not members and (level.state == _AFTER_COMMA or not closing):
            self._refuse(index)
        if type(members) is dict:
            level.container.update(members)
        else:
            level.container += members

    def _end(self, at: int, closing: bytes) -> int:
        """Leave the innermost level, which is closed at a place, and return the place to go on."""
        if self._levels[-1].container is None:
            self._levels.pop()
            return at + 1
        self._take(len(self._levels) - 1, at, closing)
        self._levels.pop()
        self._made -= 1
        if not self._levels:
            return at + 1
        level = self._levels[-1]
        level.start, level.state = at + 1, _AFTER_VALUE
        at = _after_space(self._text, at + 1)
        following = self._text[at : at + 1]
        if following == b",":
            at += 1
            level.start, level.state = at, _AFTER_COMMA
        elif following != _BEHIND[type(level.container)]:
            self._refuse(len(self._levels) - 1)
        return at

    def _parsed(self, index: int, end: int, behind: bytes) -> Any:
        """Return what the members of a level are that are not parsed, up to a place and with this behind."""
        level = self._levels[index]
        try:
            return orjson.loads(_BEFORE[type(level.container)][_BEGINS] + self._text[level.start : end] + behind)
        except orjson.JSONDecodeError:
            self._refuse(index)

    def _refuse(self, index: int) -> NoReturn:
        """Raise what orjson says of the members of a level that are not parsed."""
        level = self._levels[index]
        before = b"".join(b'{"":' if type(each.container) is dict else b"[" for each in self._levels[:index])
        self._raise(before + _BEFORE[type(level.container)][level.state], level.start)

    def _raise(self, before: bytes, start: int) -> NoReturn:
        """Raise what orjson says of the text behind a place, with something that it takes as what is before."""
        before = _ROOM + before
        try:
            orjson.loads(before + self._text[start:])
        except orjson.JSONDecodeError as error:
            place = len(self._text[:start].decode(errors="replace")) + error.pos - len(before)
            raise self._error(error.msg, place) from None
        raise AssertionError("orjson reads what it has refused")

    def _error(self, reason: str, place: int) -> orjson.JSONDecodeError:
        """Return the error of a character of the text, unless this is no text."""
        try:
            return orjson.JSONDecodeError(reason, self._text.decode(), place)
        except UnicodeDecodeError:
            orjson.loads(self._text)  # looks at that first
            raise


def _after_space(text: bytes, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too


def parsed(text: bytes, size: int = SLICE) -> Steps[tuple[Any, list[Any]]]:
    """Return what `orjson.loads` returns, and those of its containers that are larger than a slice, among others.

    Raise what it raises. Each yield is the end of a slice.
    """
    at = _after_space(text, 0)
    if text[at : at + 1] not in {b"[", b"{"}:
        return orjson.loads(text), []
    parser = _Parser(text, size)
    return (yield from parser.parse(at)), parser.made
