"""A TCP proxy in front of a server, which can hold an answer back and cut all connections."""

import asyncio
from typing import Self


class Proxy:
    """Passes all on, but from `hold` to `release` nothing that holds a given text, and what follows it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._text = b""
        self._released = asyncio.Event()
        self._holding = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def restore(self) -> None:
        """Take connections, on the same port again."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections and take no more."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def hold(self, text: bytes) -> None:
        """Hold the next answer with this text back."""
        self._text = text

    async def is_holding(self) -> None:
        """Return once an answer is held back."""
        await asyncio.wait_for(self._holding.wait(), 30)

    def release(self) -> None:
        """Pass on what was held back."""
        self._text = b""
        self._released.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        for source, sink, is_answer in ((reader, to_server, False), (from_server, writer, True)):
            task = asyncio.create_task(self._pass_on(source, sink, is_answer=is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool) -> None:
        try:
            while data := await source.read(65_536):
                if is_answer and self._text and self._text in data:
                    self._holding.set()
                    await self._released.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()
