"""Replies to HTTP requests of functions, read by parts: nothing of them is believed, and all of it has a limit."""

import asyncio
import io
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from typing import NamedTuple

from shared import turns

type Headers = Sequence[tuple[str, str]]
type Room = Callable[[int], Awaitable[None]]
"""Makes room for so many bytes of a reply, or raises where there is none."""

LONGEST_HEAD = 64 * 1024
UNREADABLE = (OSError, EOFError, ValueError, HTTPException, zlib.error)
"""What is raised for a reply that is none."""

_MOST_INTERIM = 10
_PART = 64 * 1024
_LONGEST_LENGTH = 16  # digits
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_WITHOUT_BODY = frozenset({204, 304})
_OF_PACKED = frozenset({"content-encoding", "content-length"})


class Got(NamedTuple):
    """A reply with its body, as it was before it was compressed."""

    status: int
    reason: str
    headers: Headers
    body: bytes


class HttpReply:
    """What comes back on a connection."""

    def __init__(self, reader: asyncio.StreamReader, room: Room, method: str, *, unpacks: bool) -> None:
        """Take what it is the reply to, and whether it is to be unpacked."""
        self._reader = reader
        self._room = room
        self._method = method
        self._unpacks = unpacks

    async def read(self) -> Got:
        """Return the reply behind those that only say that it is coming; raise one of UNREADABLE if it is none."""
        for _ in range(_MOST_INTERIM):
            status, reason, headers = await self._read_head()
            if status >= HTTPStatus.OK:
                break
        else:
            raise ValueError("there is no reply behind the interim ones")
        sent = {name.lower(): value.strip().lower() for name, value in headers}
        if self._method == "HEAD" or status in _WITHOUT_BODY:
            return Got(status, reason, headers, b"")
        is_packed = sent.get("content-encoding") == "gzip" and self._unpacks
        body = await self._body(sent, is_packed=is_packed)
        if is_packed:
            headers = [each for each in headers if each[0].lower() not in _OF_PACKED]
        return Got(status, reason, headers, body)

    async def _read_head(self) -> tuple[int, str, Headers]:
        first = _STATUS.fullmatch(await self._reader.readline())
        if first is None:
            raise ValueError("this is no HTTP")
        head = b""
        while (line := await self._reader.readline()) not in (b"\r\n", b"\n"):
            head += line
            if not line.endswith(b"\n") or len(head) > LONGEST_HEAD:
                raise ValueError("the headers have no end")
        headers = parse_headers(io.BytesIO(head + b"\r\n"))
        reason = (first[2] or b"").decode("latin-1").strip()
        return int(first[1]), reason, [(name, str(value)) for name, value in headers.items()]

    async def _body(self, sent: dict[str, str], *, is_packed: bool) -> bytes:
        body = _Body(self._room, is_packed=is_packed)
        if coding := sent.get("transfer-encoding"):
            if coding != "chunked":
                raise ValueError("the coding is unknown")
            await self._chunks(body)
        elif "content-length" in sent:
            length = sent["content-length"]
            if not (length.isascii() and length.isdigit() and len(length) < _LONGEST_LENGTH):
                raise ValueError("the length is no number")
            await self._exactly(int(length), body)
        else:
            while part := await self._reader.read(_PART):
                await body.add(part)
        return body.ended()

    async def _chunks(self, body: "_Body") -> None:
        while True:
            size = _SIZE.fullmatch(await self._reader.readline())
            if size is None:
                raise ValueError("a chunk has no size")
            if not int(size[1], 16):
                return  # what follows are headers that nobody asked for
            await self._exactly(int(size[1], 16), body)
            if await self._reader.readline() not in (b"\r\n", b"\n"):
                raise ValueError("a chunk has no end")

    async def _exactly(self, size: int, body: "_Body") -> None:
        while size:
            part = await self._reader.read(min(size, _PART))
            if not part:
                raise EOFError
            size -= len(part)
            await body.add(part)


class _Body:
    """The body of a reply, for all of which there has to be room, also where it is small while it is packed."""

    def __init__(self, room: Room, *, is_packed: bool) -> None:
        self._room = room
        self._unpacking = zlib.decompressobj(wbits=31) if is_packed else None
        self._is_whole = True
        self._bytes = bytearray()
        self._ends = time.monotonic() + turns.SECONDS

    async def add(self, part: bytes) -> None:
        if self._unpacking is None:
            await self._hold(part)
            return
        while not self._unpacking.eof:
            unpacked = self._unpacking.decompress(part, _PART)
            await self._hold(unpacked)
            part = self._unpacking.unconsumed_tail
            if not part and len(unpacked) < _PART:
                break
        self._is_whole = self._unpacking.eof

    async def _hold(self, part: bytes) -> None:
        await self._room(len(part))
        self._bytes += part
        if time.monotonic() >= self._ends:  # what was read ahead is worked on without a pause otherwise
            await asyncio.sleep(0)
            self._ends = time.monotonic() + turns.SECONDS

    def ended(self) -> bytes:
        """Return all of it; raise EOFError if what was packed has no end."""
        if not self._is_whole:
            raise EOFError
        return bytes(self._bytes)
