"""Replies that functions are given, read while others have their turns."""

import asyncio
import gzip

import pytest

from shared import turns
from shared.http_replies import HttpReply

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 20)),
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100 + b"0\r\n\r\n",
    ],
    ids=["gzip", "chunks"],
)
async def test_others_have_their_turns_while_a_reply_is_read(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SECONDS", 0)
    reader = asyncio.StreamReader()
    reader.feed_data(reply)
    reader.feed_eof()
    had = 0

    async def room(_size: int) -> None:
        """Have room for all."""

    async def others() -> None:
        nonlocal had
        while True:
            had += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await HttpReply(reader, room, "GET", unpacks=True).read()
    task.cancel()

    assert had > 10
