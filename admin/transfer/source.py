"""The lines of a file or a pipe, compressed or not, with where each ends and a digest of all that was read."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, NamedTuple

from admin.process import StoppedError
from admin.transfer import lines

_GZIP = b"\x1f\x8b"
_LONGEST = 16 * lines.LARGEST
"""Bytes of a line; canonical Extended JSON may take several times what BSON takes."""
_PIECE = 1024 * 1024
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


class Line(NamedTuple):
    """A line without its end, and its number."""

    number: int
    text: bytes


class Mark(NamedTuple):
    """How far a source was read: so many bytes that are not compressed, so many lines, their digest so far."""

    position: int
    number: int
    hash: Any


class Source:
    """Reads lines of an open file or a pipe; `before` is the mark in front of the line that was yielded last."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self._lines: Any = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
        self._hash = hashlib.sha256()
        self._position = 0
        self._number = 0
        self.before = self.mark

    @property
    def mark(self) -> Mark:
        """The mark behind all that was read."""
        return Mark(self._position, self._number, self._hash.copy())

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file, as it is on the disk, were read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def skip(self, position: int, number: int, digest: str) -> bool:
        """Go to where an earlier process was; return whether what stands before it is the same as then."""
        while self._position < position:
            if not self._read(min(_PIECE, position - self._position)):
                break
        self._number = number
        return self._position == position and self._hash.hexdigest() == digest

    def lines(self) -> Iterator[Line]:
        """Yield the lines that are not blank; raise StoppedError for what cannot be read."""
        self.before = self.mark
        while text := self._line():
            self._number += 1
            if len(text) >= _LONGEST:
                raise StoppedError(f"line {self._number} is longer than any document: {_LONGEST} bytes")
            if stripped := text.strip():
                yield Line(self._number, stripped)
            self.before = self.mark

    def _line(self) -> bytes:
        try:
            return self._counted(self._lines.readline(_LONGEST))
        except _DAMAGED as error:
            raise StoppedError(f"the compressed file is damaged behind line {self._number}: {error}") from None

    def _read(self, size: int) -> bytes:
        try:
            return self._counted(self._lines.read(size))
        except _DAMAGED:
            return b""

    def _counted(self, text: bytes) -> bytes:
        self._hash.update(text)
        self._position += len(text)
        return text
