"""Requests of our own: whatever the other side does, a caller has an answer or a 503 in time."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.ports import LOOPBACK, free_port
from shared.auth import key_sets, mail
from shared.auth.key_sets import KeySets
from shared.auth.outgoing import Outgoing
from shared.errors import Unavailable, UnavailableError
from tests.functions.rules.conftest import SETTINGS
from tests.hosts import ROOT

HEAD = b"HTTP/1.1 200 OK\r\n"
LARGEST = 1_000


class Scripted:
    """A server that says the same to everybody, at once or a byte at a time, and keeps what it is told."""

    def __init__(self, says: bytes, *, drips: bool = False, closes: bool = True) -> None:
        self.says = says
        self.told: list[bytes] = []
        self._drips = drips
        self._closes = closes
        self._over = asyncio.Event()

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.told.append(await reader.readuntil(b"\r\n\r\n"))
            if self._drips:
                while not self._over.is_set():
                    writer.write(self.says)
                    await asyncio.sleep(0.02)
            writer.write(self.says)
            await writer.drain()
            if not self._closes:
                await self._over.wait()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it did not wait for more, or did not even ask
        finally:
            writer.close()

    def end(self) -> None:
        self._over.set()


@asynccontextmanager
async def serving(scripted: Scripted) -> AsyncIterator[str]:
    """Serve it, and give its address."""
    async with await asyncio.start_server(scripted.visited, LOOPBACK, 0) as server:
        try:
            yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/x"
        finally:
            scripted.end()


def redirect(code: int, to: str) -> bytes:
    return f"HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_what_is_there_is_read() -> None:
    async with serving(Scripted(HEAD + b"Content-Length: 2\r\n\r\nok")) as url:
        assert await Outgoing(Unavailable.NO_MAIL, 60).get(url, 2) == b"ok"
        await Outgoing(Unavailable.NO_MAIL, 60).post(url, b"{}")


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(b"220 mail.example ESMTP\r\n", id="another protocol"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00" * 70_000, id="a long line"),
        pytest.param(HEAD + b"A: " + b"x" * 70_000 + b"\r\n\r\n", id="a long header"),
        pytest.param(HEAD + b"A: b\r\n" * 200 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n", id="an error"),
        pytest.param(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", id="a refusal"),
        pytest.param(redirect(301, "https://elsewhere.invalid/x"), id="it has moved"),
        pytest.param(redirect(302, "file:///etc/hostname"), id="a file"),
        pytest.param(redirect(302, f"http://{LOOPBACK}:1/x"), id="a place inside"),
        pytest.param(redirect(302, "ftp://elsewhere.invalid/x"), id="another scheme"),
        pytest.param(redirect(308, "https://elsewhere.invalid/x"), id="it has moved for good"),
    ],
)
async def test_what_is_no_answer_is_a_503(says: bytes) -> None:
    scripted, asking = Scripted(says), Outgoing(Unavailable.NO_MAIL, 60)
    async with serving(scripted) as url:
        for ask in (asking.get(url, LARGEST), asking.post(url, b"{}")):
            with pytest.raises(UnavailableError, match="the mail cannot be sent now"):
                await ask

    assert len(scripted.told) == 2


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nhalf", id="half of a chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nmany\r\n", id="no chunk"),
        pytest.param(HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1_001, id="too much"),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_503(says: bytes) -> None:
    async with serving(Scripted(says)) as url:
        with pytest.raises(UnavailableError):
            await Outgoing(Unavailable.NO_SIGNING_KEYS, 60).get(url, LARGEST)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "x", "https://[", "http://"])
async def test_an_address_of_something_else_is_a_503(url: str) -> None:
    with pytest.raises(UnavailableError):
        await Outgoing(Unavailable.NO_SIGNING_KEYS, 60).get(url, LARGEST)


async def test_a_place_that_nobody_is_at_is_a_503() -> None:
    with pytest.raises(UnavailableError):
        await Outgoing(Unavailable.NO_MAIL, 60).post(f"http://{LOOPBACK}:{free_port()}/", b"{}")


@pytest.mark.parametrize(
    ("says", "drips"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(HEAD, False, id="half"),
        pytest.param(b"x", True, id="a line without an end"),
        pytest.param(HEAD + b"\r\nx", True, id="a body without an end"),
    ],
)
async def test_who_waits_has_a_503_in_time_and_others_do_their_work(says: bytes, drips: bool) -> None:
    asking = Outgoing(Unavailable.NO_SIGNING_KEYS, 0.3)
    async with serving(Scripted(says, drips=drips, closes=False)) as url:
        asked = await asyncio.gather(*(asking.get(url, 2**20) for _ in range(40)), return_exceptions=True)
        other = await asyncio.wait_for(asyncio.to_thread(str, 5), 60)
        if not drips:  # else they end with the server
            await asyncio.to_thread(asking._threads.shutdown)  # none asks once nobody is there

    assert {type(each) for each in asked} == {UnavailableError}
    assert other == "5"


async def test_an_issuer_that_speaks_another_protocol_is_away() -> None:
    async with serving(Scripted(b"220 mail.example ESMTP\r\n")) as url:
        with pytest.raises(UnavailableError, match="the keys that sign tokens cannot be fetched") as caught:
            await KeySets().key(url, "k1", "RS256")

    assert type(caught.value.__cause__).__name__ == "BadStatusLine"


def test_a_caller_waits_for_others_for_less_than_a_call_may_take() -> None:
    assert key_sets._FETCH_SECONDS < mail._SECONDS < 30


STARTED = """
import gc, ssl
from shared.service import process
process.start()
assert process.service().app
print("contexts:", sum(type(each) is ssl.SSLContext for each in gc.get_objects()))
"""


def test_a_process_that_has_asked_nobody_has_read_no_certificates() -> None:
    """Reading them takes most of the time that a service with an app takes to start."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED], cwd=ROOT, env=os.environ | SETTINGS, capture_output=True, text=True, check=True
    )

    assert done.stdout == "contexts: 0\n"
