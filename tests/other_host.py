"""A host that functions of an app ask by HTTP: it answers with the bytes that a test chose, in parts."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

type Part = bytes | None
"""What is sent, or None for as long a pause as the other has patience."""


class OtherHost:
    """Answers each request by its path."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Part] | Callable[[], AsyncIterator[bytes]]] = {}
        self.requests: list[bytes] = []
        self.port = 0
        self.ended = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            self.requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
            answer = self.answers[head.split(b" ")[1].decode().partition("?")[0]]
            if callable(answer):
                async for sent in answer():
                    writer.write(sent)
                    await writer.drain()
                return
            for part in answer:
                if part is None:
                    await self.ended.wait()
                else:
                    writer.write(part)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def other_host() -> AsyncIterator[OtherHost]:
    """Listen while a test runs."""
    host = OtherHost()
    server = await asyncio.start_server(host.answer, "127.0.0.1", 0)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        host.ended.set()
        server.close()
        await server.wait_closed()
