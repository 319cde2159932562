"""Mail servers that misbehave at any point: a letter is taken, or the caller is told in time that it is not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.ports import LOOPBACK
from shared.auth import smtp
from shared.auth.smtp import Letter, Post
from shared.errors import UnavailableError
from shared.mail_server import mail_server

LETTER = Letter("ann@shop.example", "subject", "text", None)
PHASES = {
    "greeting": b"220 mail.example\r\n", "EHLO": b"250 mail.example\r\n", "MAIL": b"250 OK\r\n", "RCPT": b"250 OK\r\n",
    "DATA": b"354 go on\r\n", "end": b"250 OK\r\n", "QUIT": b"221 bye\r\n", "RSET": b"250 OK\r\n",
}  # fmt: skip


class MailServer:
    """Says in one phase something else: `wrong`, or nothing if that is None."""

    def __init__(self, phase: str, wrong: bytes | None) -> None:
        self.taken = 0
        self.over = asyncio.Event()
        self._says: dict[str, bytes | None] = {**PHASES, phase: wrong}

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._say(writer, "greeting")
            while line := await reader.readline():
                command = line[:4].decode().upper()
                await self._say(writer, command)
                if command == "DATA" and self._says[command] == PHASES[command]:
                    await reader.readuntil(b"\r\n.\r\n")
                    self.taken += self._says["end"] == PHASES["end"]
                    await self._say(writer, "end")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it has left
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, phase: str) -> None:
        words = self._says[phase]
        if words is None:
            await self.over.wait()
        elif not words:
            raise ConnectionResetError
        else:
            writer.write(words)
            await writer.drain()


@asynccontextmanager
async def serving(server: MailServer) -> AsyncIterator[Post]:
    async with await asyncio.start_server(server.visited, LOOPBACK, 0) as listening:
        made = mail_server(f"smtp://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}", "noreply@shop.example")
        assert made is not None
        try:
            yield Post(made)
        finally:
            server.over.set()


async def is_taken(post: Post) -> bool:
    try:
        await post.deliver(LETTER)
    except UnavailableError:
        return False
    return True


@pytest.mark.parametrize("phase", [each for each in PHASES if each != "RSET"])
@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"421 4.3.2 closing\r\n", b"451 4.7.1 later, ann@shop.example\r\n", b"550 5.7.1 no\r\n", b"999 what\r\n",
        b"\xff\xfe\x00\r\n", b"\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"250-a\r\n550 b\r\n", b"x" * 100_000,
        b"250-" + b"x" * 300 + b"\r\n" + b"250-y\r\n" * 20_000,
    ],
    ids=lambda each: repr(each[:12]),
)  # fmt: skip
async def test_a_letter_counts_as_sent_if_it_is_taken(phase: str, wrong: bytes) -> None:
    server = MailServer(phase, wrong)
    async with serving(server) as post:
        assert await is_taken(post) is (server.taken == 1) is (phase == "QUIT")


@pytest.mark.parametrize("phase", [each for each in PHASES if each != "RSET"])
async def test_a_server_that_falls_silent_is_left_in_time(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_SECONDS", 0.5)
    server = MailServer(phase, None)
    async with serving(server) as post:
        taken = await asyncio.wait_for(is_taken(post), 60)

    assert not taken or phase == "QUIT"


async def test_a_letter_is_sent_though_the_server_does_not_take_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "_SECONDS", 4.0)
    monkeypatch.setattr(smtp, "_GOODBYE_SECONDS", 5.0)
    async with serving(MailServer("QUIT", None)) as post:
        assert await is_taken(post)
