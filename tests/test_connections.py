"""Connections that keep others waiting: slow heads, silence, replies that nobody takes, and too many of them."""

import asyncio
import contextlib
import runpy
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local.mongod import Mongod
from tests.conftest import FailPoint
from tests.edge import action, exchange
from tests.held import Hold
from tests.hosts import ROOT, Server, eventually

Connections = runpy.run_path(str(ROOT / "server" / "connections.py"))["Connections"]
"""Of the file alone: the package registers all functions, which this process has done already."""

START = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


class LimitedServer(Server):
    """The server with only so many file descriptors."""

    def __init__(self, log: Path, descriptors: int, **env: str) -> None:
        super().__init__(log, **env)
        limit = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))"
        self.command = ("-c", f"{limit}; runpy.run_module('server', run_name='__main__', alter_sys=True)")


class Opened:
    """Connections that are open until the end of a test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.writers: list[asyncio.StreamWriter] = []

    async def open(self, data: bytes = b"") -> asyncio.StreamReader:
        """Open one and send what there is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(data)
        return reader

    async def close(self) -> None:
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def opened(port: int) -> AsyncIterator[Opened]:
    connections = Opened(port)
    try:
        yield connections
    finally:
        await connections.close()


def lines(server: Server, message: str) -> list[dict[str, Any]]:
    return [line for line in server.log_lines if line["message"] == message]


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server ends the connection."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(65_536), 60):
            received.extend(data)
    return bytes(received)


@pytest.fixture(scope="module")
async def hasty(mongod: Mongod, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that waits a second for a head, and two for the next request."""
    log = tmp_path_factory.mktemp("hasty") / "log"
    async with Server(log, MONGO_DB_URI=mongod.uri, REQUEST_HEAD_SECONDS="1", KEEP_ALIVE_SECONDS="2") as running:
        yield running


@pytest.mark.parametrize(
    ("begun", "trickle", "statuses"),
    [
        pytest.param(b"", b"", [], id="nothing"),
        pytest.param(b"", b"\r\n", [], id="empty lines"),
        pytest.param(START, b"", [408], id="half a head"),
        pytest.param(START, b"X: y\r\n", [408], id="headers that trickle"),
        pytest.param(START + b"X: ", b"y", [408], id="a header that trickles"),
        pytest.param(b"G", b"", [408], id="a letter"),
        pytest.param(START + b"\r\n" + START, b"X: y\r\n", [200, 408], id="a second request that trickles"),
    ],
)
async def test_a_head_must_arrive_in_time(hasty: Server, begun: bytes, trickle: bytes, statuses: list[int]) -> None:
    started = time.monotonic()

    found = await exchange(hasty.port, begun, *[trickle] * 30, pause=0.1)

    assert [reply.status for reply in found] == statuses
    async with opened(hasty.port) as connections:
        await ended(await connections.open(begun))
    assert time.monotonic() - started < 30


async def test_a_slow_head_is_closed_within_its_time(hasty: Server) -> None:
    async with opened(hasty.port) as connections:
        readers = [await connections.open(data) for data in (b"", START, START + b"\r\n" + START)]
        started = time.monotonic()
        await asyncio.gather(*(ended(reader) for reader in readers))

    assert 0.5 < time.monotonic() - started < 20


async def test_an_idle_connection_is_closed_in_its_time_and_empty_lines_do_not_keep_it(hasty: Server) -> None:
    async with opened(hasty.port) as connections:
        silent = await connections.open(START + b"\r\n")
        lively = await connections.open(START + b"\r\n")
        started = time.monotonic()
        waiting = asyncio.gather(ended(silent), ended(lively))
        while not waiting.done() and time.monotonic() - started < 20:
            with contextlib.suppress(ConnectionError):
                connections.writers[1].write(b"\r\n")
            await asyncio.sleep(0.2)
        await waiting

    assert 1.5 < time.monotonic() - started < 20


async def test_a_call_takes_longer_than_a_head_and_idleness_whenever_it_came(
    hasty: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await fail_point("find", blockConnection=True, blockTimeMS=3_500)
    call = action("find", key)

    found = await exchange(hasty.port, START + b"\r\n" + call[:40], call[40:], pause=0.3)

    assert [reply.status for reply in found] == [200, 200]


async def test_a_slow_second_head_does_not_cut_off_the_answer_before_it(
    hasty: Server, key: str, database: Any, fail_point: FailPoint
) -> None:
    await fail_point("find", blockConnection=True, blockTimeMS=2_000)

    found = await exchange(hasty.port, action("find", key, last=False) + START)

    assert [reply.status for reply in found] == [200]


@pytest.mark.parametrize("calls", [1, 3])
async def test_a_client_that_takes_no_reply_is_dropped_and_one_that_is_slow_gets_it(
    hasty: Server, key: str, database: Any, calls: int
) -> None:
    await database.items.insert_many([{"_id": number, "x": "x" * 1_000_000} for number in range(12)])
    request = action("find", key, last=False) * (calls - 1) + action("find", key)

    def take(pause: float) -> int:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            connection.connect(("127.0.0.1", hasty.port))
            connection.settimeout(20)
            connection.sendall(request)
            time.sleep(pause)
            taken = 0
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(2_000_000):
                    taken += len(part)
                    time.sleep(0.02 if pause < 1 else 0)
            return taken

    slow, absent = await asyncio.gather(asyncio.to_thread(take, 0.1), asyncio.to_thread(take, 4.2))

    assert slow > 12_000_000 * calls
    assert absent < 12_000_000


async def test_new_callers_are_served_while_silent_connections_fill_the_server(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    async with (
        Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_CLIENT_CONNECTIONS="20") as server,
        opened(server.port) as connections,
    ):
        for number in range(60):
            await connections.open(START if number % 2 else b"")
        statuses = [reply.status for _ in range(5) for reply in await exchange(server.port, action("find", key))]

        assert statuses == [200] * 5
        (line,) = lines(server, "the most connections are open")
        assert (line["level"], line["limit"]) == ("WARNING", 20)


async def test_idle_connections_make_room_and_calls_in_flight_do_not(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, hold: Hold
) -> None:
    async with (
        Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_CLIENT_CONNECTIONS="4") as server,
        opened(server.port) as connections,
    ):
        idle = await connections.open(START + b"\r\n")
        await idle.readuntil(b"}")
        await hold.begin("find")
        busy = [asyncio.create_task(exchange(server.port, action("find", key))) for _ in range(4)]
        await hold.holds(4)
        (surplus,) = await exchange(server.port, b"")
        await hold.end()
        answers = [reply.status for found in await asyncio.gather(*busy) for reply in found]

        assert await ended(idle) == b""
        assert answers == [200] * 4
        assert (surplus.status, surplus.headers["retry-after"]) == (503, "5")
        assert len(lines(server, "the most connections are open")) == 1


async def test_without_a_setting_the_file_descriptors_decide(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    async with (
        LimitedServer(tmp_path / "log", 120, MONGO_DB_URI=mongod.uri) as server,
        opened(server.port) as connections,
    ):
        for _ in range(200):
            await connections.open(START)
        statuses = [reply.status for _ in range(5) for reply in await exchange(server.port, action("find", key))]

        assert statuses == [200] * 5
        assert lines(server, "the most connections are open")[0]["limit"] == 90


async def test_when_file_descriptors_run_out_it_is_logged_and_callers_are_served_again(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    async with (
        LimitedServer(tmp_path / "log", 60, MONGO_DB_URI=mongod.uri, MAX_CLIENT_CONNECTIONS="1000") as server,
        opened(server.port) as connections,
    ):
        for _ in range(150):
            await connections.open(START)

        async def is_served() -> bool:
            found = await exchange(server.port, action("find", key))
            return [reply.status for reply in found] == [200]

        await eventually(is_served)
        line, *_ = lines(server, "no file descriptors are left")
        assert line["level"] == "ERROR"


async def test_a_body_is_not_awaited_for_ever_and_its_connection_can_make_room(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    half = action("find", key)[:-5]
    async with (
        Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_CLIENT_CONNECTIONS="5") as server,
        opened(server.port) as connections,
    ):
        for _ in range(20):
            await connections.open(half)
        found = await exchange(server.port, action("find", key))

        assert [reply.status for reply in found] == [200]
        assert not [line for line in server.log_lines if line["message"] == "request" and line["status"] >= 500]


async def test_a_connection_whose_request_was_refused_before_its_end_makes_room(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    refused = action("find", "nobody", body=b" " * 70_000, last=False)
    async with (
        Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, MAX_CLIENT_CONNECTIONS="5") as server,
        opened(server.port) as connections,
    ):
        for _ in range(8):
            reader = await connections.open(refused)
            assert (await asyncio.wait_for(reader.readuntil(b"}"), 60)).startswith(b"HTTP/1.1 401 ")
        await asyncio.sleep(0.2)
        found = await exchange(server.port, action("find", key))

    assert [reply.status for reply in found] == [200]


class Named:
    """A connection that says what happens to it."""

    def __init__(self, name: str, ends: list[str]) -> None:
        self.name = name
        self.ends = ends

    def drop(self) -> None:
        self.ends.append(f"{self.name} dropped")

    def turn_away(self) -> None:
        self.ends.append(f"{self.name} turned away")


def test_who_has_waited_longest_makes_room() -> None:
    ends: list[str] = []
    silent, slow, idle, busy, fifth, sixth, seventh, eighth = (
        Named(name, ends) for name in ("silent", "slow", "idle", "busy", "fifth", "sixth", "seventh", "eighth")
    )
    connections = Connections(4)
    for each in (slow, idle, silent, busy):
        connections.opened(each)
    connections.arrived(busy)
    connections.arrived(idle)
    connections.begun(slow)
    connections.answered(idle)

    for each in (fifth, sixth, seventh):
        connections.opened(each)
        connections.arrived(each)
    connections.closed(silent)
    connections.opened(eighth)

    assert ends == ["silent dropped", "slow dropped", "idle dropped", "eighth turned away"]


def test_a_connection_that_closes_makes_room_for_another() -> None:
    ends: list[str] = []
    connections = Connections(1)
    for _ in range(3):
        connection = Named("one", ends)
        connections.opened(connection)
        connections.arrived(connection)
        connections.closed(connection)

    assert ends == []
