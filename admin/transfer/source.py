"""The bytes of a file or a pipe, compressed or not: items of it, where each ends, and a digest of all that was read."""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any, NamedTuple

from admin.process import StoppedError
from admin.transfer import lines

_GZIP = b"\x1f\x8b"
LONGEST = 16 * lines.LARGEST
"""Bytes of an item; canonical Extended JSON may take several times what BSON takes."""
_PIECE = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


class Item(NamedTuple):
    """What holds one document, such as a line without its end, and its number."""

    number: int
    text: bytes


class Mark(NamedTuple):
    """How far a source was read: so many bytes that are not compressed, so many items, their digest so far."""

    position: int
    number: int
    hash: Any


class Source:
    """Reads items of an open file or a pipe; `before` is the mark in front of the item that was yielded last."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self._bytes: Any = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
        self._hash = hashlib.sha256()
        self._position = 0
        self._number = 0
        if self.peek().startswith(_OTHER_BOMS):
            raise StoppedError("the file is UTF-16: save it as UTF-8")
        if self.peek().startswith(_BOM):
            self.take(len(_BOM))
        self.before = self.mark

    @property
    def mark(self) -> Mark:
        """The mark behind all that was read."""
        return Mark(self._position, self._number, self._hash.copy())

    @property
    def number(self) -> int:
        """How many items were read."""
        return self._number

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file, as it is on the disk, were read; 0 for a pipe."""
        return self._raw.tell() if self._raw.seekable() else 0

    def skip(self, position: int, number: int, digest: str) -> bool:
        """Go to where an earlier process was; return whether what stands before it is the same as then.

        Where that is not behind what was read already, nothing was stored then.
        """
        if position <= self._position:
            return True
        while self._position < position:
            if not self.take(min(_PIECE, position - self._position), is_lenient=True):
                break
        self._number = number
        return self._position == position and self._hash.hexdigest() == digest

    def items(self, read: Callable[[], bytes]) -> Iterator[Item]:
        """Yield what `read` returns, until that is empty; blank items are counted only."""
        self.before = self.mark
        while text := read():
            self._number += 1
            if not text.isspace():
                yield Item(self._number, text)
            self.before = self.mark

    def count(self) -> None:
        """Count an item that is none of those which are yielded."""
        self._number += 1

    def line(self) -> bytes:
        """Return the next line with its end, b"" behind the last; raise StoppedError for one that is too long."""
        line = self._read(lambda: self._bytes.readline(LONGEST))
        if len(line) >= LONGEST:
            raise StoppedError(f"line {self._number + 1} is longer than any document: {LONGEST} bytes")
        return line

    def peek(self) -> bytes:
        """Return some of what comes next, which stays unread; b"" at the end."""
        try:
            found: bytes = self._bytes.peek(1)
        except _DAMAGED as error:
            raise self._damaged(error) from None
        return found

    def take(self, size: int, *, is_lenient: bool = False) -> bytes:
        """Return so many bytes, fewer at the end; raise StoppedError for what is damaged, unless it is lenient."""
        try:
            return self._read(lambda: self._bytes.read(size))
        except StoppedError:
            if is_lenient:
                return b""
            raise

    def _read(self, read: Callable[[], bytes]) -> bytes:
        try:
            text = read()
        except _DAMAGED as error:
            raise self._damaged(error) from None
        self._hash.update(text)
        self._position += len(text)
        return text

    def _damaged(self, error: Exception) -> StoppedError:
        return StoppedError(f"the compressed file is damaged behind line {self._number}: {error}")
