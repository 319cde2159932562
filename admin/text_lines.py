"""Lines of a file or of standard input, compressed or not, of which none fills the memory."""

import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from admin.process import StoppedError

_GZIP = b"\x1f\x8b"
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
_PIECE = 1024 * 1024

STANDARD_INPUT = "-"


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for "-"; what is compressed by gzip is decompressed, whatever its name."""
    raw: Any = sys.stdin.buffer if path == STANDARD_INPUT else open(path, "rb")  # noqa: PTH123, SIM115  closed below
    try:
        source: Any = gzip.GzipFile(fileobj=raw) if raw.peek(2)[:2] == _GZIP else raw
        yield source
    finally:
        if path != STANDARD_INPUT:
            raw.close()


def lines(source: BinaryIO, longest: int) -> Iterator[bytes | None]:
    """Yield the lines that are not blank, None for one that is too long; raise StoppedError where gzip is damaged."""
    number = 0
    while line := piece(source, number, longest):
        number += 1
        is_whole = line.endswith(b"\n") or len(line) < longest
        while not is_whole:
            rest = piece(source, number, _PIECE)
            is_whole = not rest or rest.endswith(b"\n")
            line = b""
        if not line:
            yield None
        elif line := line.strip():
            yield line


def piece(source: BinaryIO, number: int, most: int) -> bytes:
    """Return the next line, or so much of it; raise StoppedError, with the number of lines before, if it is damaged."""
    try:
        return source.readline(most)
    except _DAMAGED:
        raise StoppedError(f"the compressed data are damaged or end too early, behind line {number}") from None
