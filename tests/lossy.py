"""A network between the service and mongod that loses what a test says: connections, commands, answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from enum import Enum
from typing import Any, Self

import bson

from local import ports

_HEADER = 16
_BODY = 21  # of an OP_MSG: header, flags, kind of section
_OP_MSG = 2013


class Fate(Enum):
    """What becomes of a command."""

    DONE = "done"
    """It arrives, and so does its answer."""

    UNSENT = "unsent"
    """The connection breaks before it arrives."""

    UNANSWERED = "unanswered"
    """The connection breaks when mongod has done it."""

    UNHEARD = "unheard"
    """Mongod does it, but no answer comes, and the connection stays open."""

    LAST = "last"
    """As UNANSWERED, and there are no more connections after it."""


class LossyNetwork:
    """Passes connections on to a mongod, and commands on documents as it is told."""

    def __init__(self, port: int) -> None:
        """Take the port of the mongod."""
        self.port = ports.free_port()
        self._mongod = port
        self._fates: Iterator[Fate] = iter(())
        self._is_down = False
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def uri(self) -> str:
        """The connection string through it; a direct one, or the driver would learn of the way around."""
        return f"mongodb://{ports.LOOPBACK}:{self.port}/?directConnection=true&serverSelectionTimeoutMS=700"

    def arm(self, fates: Iterable[Fate]) -> None:
        """Say what becomes of the next commands on documents; those after them are done."""
        self._fates = iter(fates)

    def restore(self) -> None:
        """Lose nothing more."""
        self._fates, self._is_down = iter(()), False

    def next_fate(self, message: bytes) -> Fate:
        """Return what becomes of a message."""
        return next(self._fates, Fate.DONE) if _is_on_documents(message) else Fate.DONE

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, ports.LOOPBACK, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_down = True
        self._server.close()
        self._cut()
        self._server.abort_clients()  # one may be accepted, and have no line to mongod yet
        await self._server.wait_closed()

    def _cut(self) -> None:
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_down:
            writer.close()
            return
        from_mongod, to_mongod = await asyncio.open_connection(ports.LOOPBACK, self._mongod)
        self._open |= {writer, to_mongod}
        line = _Line(self)
        ways = [
            asyncio.create_task(line.answers(from_mongod, writer)),
            asyncio.create_task(line.commands(reader, to_mongod)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._open -= {writer, to_mongod}
        writer.close()
        to_mongod.close()
        if line.fate is Fate.LAST:
            self._is_down = True
            self._cut()


class _Line:
    """One connection, and what becomes of its last command."""

    def __init__(self, network: LossyNetwork) -> None:
        self.network = network
        self.fate = Fate.DONE

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 20):
            if self.fate is Fate.DONE:
                writer.write(data)
            elif self.fate is not Fate.UNHEARD:
                return

    async def commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for message in _messages(reader):
            self.fate = self.network.next_fate(message)
            if self.fate is Fate.UNSENT:
                return
            writer.write(message)


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            header = await reader.readexactly(_HEADER)
            yield header + await reader.readexactly(int.from_bytes(header[:4], "little") - _HEADER)


def _is_on_documents(message: bytes) -> bool:
    """Tell whether a command is one on documents of the tests' requests, or ends a transaction with some."""
    if int.from_bytes(message[12:_HEADER], "little") != _OP_MSG:  # a first hello
        return False
    size = int.from_bytes(message[_BODY : _BODY + 4], "little")
    command: dict[str, Any] = bson.decode(message[_BODY : _BODY + size])
    return command["$db"] == "shop" or "commitTransaction" in command
