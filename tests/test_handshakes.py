"""A port whose kernel begins no more connections."""

import asyncio
import runpy
import socket
from collections.abc import Iterator

import pytest

from local.ports import LOOPBACK
from tests.hosts import ROOT

# the package indexes the functions when it is imported, which a process does once
begin_no_more = runpy.run_path(str(ROOT / "server/handshakes.py"))["begin_no_more"]
NOT_LOST = 0.5  # seconds: what is lost is sent again after one


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as made:
        made.setblocking(False)
        yield made


async def connect(listener: socket.socket) -> asyncio.Task[bytes]:
    """Begin to connect, and to read all that comes then."""
    port = listener.getsockname()[1]

    async def read() -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"asked")
        answer = await reader.read()
        writer.close()
        return answer

    task = asyncio.create_task(read())
    await asyncio.wait([task], timeout=NOT_LOST)
    return task


async def test_who_waits_is_served_and_who_comes_later_is_refused_not_reset(listener: socket.socket) -> None:
    waiting = await connect(listener)
    begin_no_more(listener)
    later = await connect(listener)
    accepted, _ = listener.accept()
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    asked = await asyncio.get_running_loop().sock_recv(accepted, 100)
    accepted.sendall(b"answered")
    accepted.close()

    assert (asked, await waiting) == (b"asked", b"answered")
    with pytest.raises(ConnectionRefusedError):
        await later
