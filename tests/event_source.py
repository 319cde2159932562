"""A client of server-sent events that keeps the bytes: what the SDKs of App Services do, on a socket of its own."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from local.ports import LOOPBACK
from tests.leaks import secret

_DECODED = {b"%25": b"%", b"%0A": b"\n", b"%0D": b"\r"}


class StreamError(NamedTuple):
    """What an `event: error` says."""

    code: str
    text: str


class EventSource:
    """An open response: its head, and its events as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = b""
        """All chunks so far, one behind the other."""
        self.has_ended = False
        """Whether the last chunk came."""
        self._reader, self._writer = reader, writer
        self._read = 0

    async def begin(self) -> None:
        head = (await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
        line, *fields = head.split("\r\n")[:-2]
        self.status = int(line.split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        if "content-length" in self.headers:
            self.raw = await self._reader.readexactly(int(self.headers["content-length"]))

    async def event(self, seconds: float = 30) -> Any:
        """Return the next event, as JSON or as an error; None at the end."""
        async with asyncio.timeout(seconds):
            while True:
                block, separator, _ = self.raw[self._read :].partition(b"\n\n")
                if separator:
                    self._read += len(block) + 2
                    if block != b":":
                        return _event(block)
                elif self.has_ended:
                    return None
                else:
                    await self._chunk()

    async def events(self, number: int) -> list[Any]:
        return [await self.event() for _ in range(number)]

    async def _chunk(self) -> None:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        self.raw += (await self._reader.readexactly(size + 2))[:-2]
        self.has_ended = size == 0

    async def is_closed(self) -> bool:
        """Return once the server has closed the connection."""
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while await self._reader.read(2**16):
                    pass
        return True

    async def leave(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


def _event(block: bytes) -> Any:
    fields = [line.partition(b": ") for line in block.split(b"\n")]
    data = re.sub(
        rb"%(25|0A|0D)", lambda match: _DECODED[match[0]], b"\n".join(v for n, _, v in fields if n == b"data")
    )
    members = json.loads(data)
    if (b"event", b": ", b"error") in fields:
        return StreamError(members["error_code"], members["error"])
    return members


def request_text(
    collection: str = "public", name: str = "watch", service: str = "mongodb-atlas", **members: Any
) -> str:
    """Return what the SDKs send as `baas_request`."""
    argument = {"database": "shop", "collection": collection} | members
    body = {"name": name, "arguments": [argument], "service": service}
    return b64encode(json.dumps(body).encode()).decode()


def query_of(collection: str = "public", **members: Any) -> str:
    return "?baas_request=" + quote(request_text(collection, **members), safe="")


def request_of(path: str, token: str | None, *fields: str) -> bytes:
    head = [f"GET {path} HTTP/1.1", "Host: x", "Accept: text/event-stream", *fields]
    if token is not None:
        secret(token, "an access token")
        head.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*head, "", ""]).encode("latin-1")


@asynccontextmanager
async def opened(
    port: int, path: str, token: str | None, *fields: str, limit: int = 2**16
) -> AsyncIterator[EventSource]:
    """Open a stream by GET; the end of the block leaves it."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=limit)
    writer.write(request_of(path, token, *fields))
    source = EventSource(reader, writer)
    try:
        await source.begin()
        yield source
    finally:
        await source.leave()
