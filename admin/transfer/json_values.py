"""The values of a JSON array, or of JSON texts one behind the other, found without reading what is in them."""

import re

from admin.process import StoppedError
from admin.transfer.source import LONGEST, Source

_SPACE = b" \t\r\n"
_MARKS = re.compile(rb'["\\{}\[\]]')
_SCALAR_ENDS = re.compile(rb"[,\]\s]")


class _Depth:
    """How deep inside of a value one is, and whether inside of a text."""

    def __init__(self) -> None:
        self._levels = 0
        self._is_in_text = False
        self._skipped = 0  # bytes of what comes next that a backslash takes

    def end(self, piece: bytes) -> int:
        """Return where in a piece the value ends, 0 if it goes on behind it."""
        at = self._skipped
        self._skipped = 0
        while (found := _MARKS.search(piece, at)) is not None:
            at = found.end()
            mark = found[0]
            if mark == b'"':
                self._is_in_text = not self._is_in_text
            elif mark == b"\\":
                at += self._is_in_text
            elif not self._is_in_text:
                self._levels += 1 if mark in b"{[" else -1
                if self._levels <= 0:
                    return at
        self._skipped = max(at - len(piece), 0)
        return 0


def is_open(line: bytes) -> bool:
    """Tell whether the value that begins with this line goes on behind it."""
    return not _Depth().end(line)


class JsonValues:
    """Reads values; of an array, from behind its bracket."""

    def __init__(self, source: Source) -> None:
        """Read the bracket, if there is one."""
        self._source = source
        self._is_array = self._next() == b"["
        if self._is_array:
            source.take(1)

    def read(self) -> bytes:
        """Return the next value, b"" behind the last; raise StoppedError where the file is no such list."""
        first = self._next()
        if self._is_array and first and not self._is_separated(first):
            return b""
        first = self._next()
        if not first:
            if self._is_array:
                raise StoppedError(f"the file ends within the array, behind document {self._source.number}")
            return b""
        return self._value() if first in b"{[" else self._scalar()

    def _is_separated(self, first: bytes) -> bool:
        """Read what stands between two values; tell whether a value follows."""
        if first == b"]":
            self._source.take(1)
            if self._next():
                raise StoppedError("there is more behind the end of the array")
            self._is_array = False
            return False
        if self._source.number:
            if first != b",":
                raise StoppedError(f"a comma is missing behind document {self._source.number}")
            self._source.take(1)
        return True

    def _next(self) -> bytes:
        """Return the next byte that is no space, which stays unread."""
        while piece := self._source.peek():
            rest = piece.lstrip(_SPACE)
            self._source.take(len(piece) - len(rest))
            if rest:
                return rest[:1]
        return b""

    def _value(self) -> bytes:
        depth = _Depth()
        parts: list[bytes] = []
        size = 0
        while piece := self._source.peek():
            end = depth.end(piece)
            parts.append(self._source.take(end or len(piece)))
            size += len(parts[-1])
            if end:
                return b"".join(parts)
            if size >= LONGEST:
                raise StoppedError(f"document {self._source.number + 1} is longer than any document: {LONGEST} bytes")
        raise StoppedError(f"the file ends within document {self._source.number + 1}")

    def _scalar(self) -> bytes:
        """Return what is no object, up to what ends it, for whoever says so."""
        piece = self._source.peek()
        found = _SCALAR_ENDS.search(piece, 1)
        return self._source.take(found.start() if found else len(piece))
