"""Clients that send requests all the time over connections of their own, and a proxy before several servers."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from local.ports import LOOPBACK, free_port
from tests.conftest import ACTION, request_body

_NOT_NOW = {503, 504}
LOST = (ConnectionError, asyncio.IncompleteReadError)


class Connection:
    """One kept connection; a request and its answer are separate steps."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key
        self.says_close = False
        self.invites_again = False
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> Self:
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self.port)
        return self

    async def send(self, action: str, **members: Any) -> None:
        body = request_body(**members)
        head = f"POST {ACTION}{action} HTTP/1.1\r\nHost: x\r\napiKey: {self.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        await self._writer.drain()

    async def receive(self) -> tuple[int, Any]:
        """Return status and members; raise one of LOST if the connection ends before."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await self._reader.readexactly(length)
        self.says_close = "connection: close" in head
        self.invites_again = "\r\nretry-after: " in head
        return int(head.split(" ")[1]), json.loads(body)

    async def ended(self) -> bool:
        """Tell whether the other side has closed it, once it has."""
        with suppress(ConnectionError):
            return await self._reader.read() == b""
        return True

    async def close(self) -> None:
        if self._streams is not None:
            writer, self._streams = self._writer, None
            writer.close()
            with suppress(*LOST):
                await writer.wait_closed()

    @property
    def _reader(self) -> asyncio.StreamReader:
        assert self._streams is not None
        return self._streams[0]

    @property
    def _writer(self) -> asyncio.StreamWriter:
        assert self._streams is not None
        return self._streams[1]


@dataclass
class Traffic:
    """What many clients saw who insert documents, and read each of them back if asked to."""

    port: int
    key: str
    reads_back: bool = False
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[float] = field(default_factory=list)  # when each was sent whole
    wrong: list[Any] = field(default_factory=list)
    running: bool = True

    @asynccontextmanager
    async def of(self, clients: int) -> AsyncIterator[Self]:
        """Send until the block ends."""
        tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]
        yield self
        self.running = False
        await asyncio.gather(*tasks)

    async def _client(self, number: int) -> None:
        connection = Connection(self.port, self.key)
        for count in itertools.count():
            if not self.running:
                break
            await self._insert(connection, f"{number}-{count}")
        await connection.close()

    async def _insert(self, connection: Connection, name: str) -> None:
        document = {"_id": name, "text": "x" * 200}
        tries = 0
        while self.running:
            tries += 1
            answer = await self._call(connection, "insertOne", document=document)
            if answer is None:
                continue
            status, members = answer
            is_own = tries > 1 and "E11000" in members.get("error", "")  # a try whose answer was lost had worked
            if status != 201 and not is_own:
                if status not in _NOT_NOW:
                    self.wrong.append(answer)
                continue
            self.acknowledged.append(name)
            break
        if self.reads_back and self.running:
            found = await self._call(connection, "findOne", filter={"_id": name})
            if found not in (None, (200, {"document": document})) and found[0] not in _NOT_NOW:
                self.wrong.append(found)

    async def _call(self, connection: Connection, action: str, **members: Any) -> tuple[int, Any] | None:
        sent = None
        try:
            await connection.open()
            await connection.send(action, **members)
            sent = time.monotonic()
            answer = await connection.receive()
        except LOST:
            await connection.close()
            if sent is not None:
                self.unanswered.append(sent)
            await asyncio.sleep(0.02)
            return None
        if connection.says_close:
            await connection.close()
        return answer

    async def more(self, number: int) -> None:
        """Wait until so many more inserts are acknowledged."""
        wanted = len(self.acknowledged) + number
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:  # noqa: ASYNC110  the clients are tasks of this loop
                await asyncio.sleep(0.01)


class Proxy:
    """One address before several ports: the next connection goes to the next that takes it."""

    def __init__(self, ports: list[int]) -> None:
        self.port = free_port()
        self._next = itertools.cycle(ports)
        self._tries = len(ports)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, LOOPBACK, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(*LOST):
            behind = await self._open()
            with suppress(*LOST):
                await _first(_pump(reader, behind[1]), _pump(behind[0], writer))
            await _closed(behind[1])
        await _closed(writer)
        self._tasks.discard(task)

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(self._tries - 1):
            with suppress(ConnectionError):
                return await asyncio.open_connection(LOOPBACK, next(self._next))
        return await asyncio.open_connection(LOOPBACK, next(self._next))


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(*LOST):
        await writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def _first(*works: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
