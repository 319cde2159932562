"""Servers that end in order, are killed, or lose their database, under load: what was promised is kept."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from local.mongod import Mongod
from shared.auth.keys import new_key
from shared.mongo.control import API_KEYS
from tests.conftest import FailPoint
from tests.hosts import Server, eventually
from tests.traffic import Connection, Proxy, Traffic

type Opened = Callable[[Server, str, int], Awaitable[list[Connection]]]

CLIENTS = 16


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A mongod that a test may kill."""
    with Mongod(tmp_path / "mongod") as server:
        yield server


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Open connections to a server; the test's end closes them."""
    connections: list[Connection] = []

    async def many(server: Server, key: str, number: int) -> list[Connection]:
        made = [await Connection(server.port, key).open() for _ in range(number)]
        connections.extend(made)
        return made

    yield many
    for connection in connections:
        await connection.close()


@pytest.fixture(params=["1", "2"], ids=["one process", "two processes"])
async def fresh(request: pytest.FixtureRequest, mongod: Mongod, tmp_path: Path) -> AsyncIterator[Server]:
    """A server that a test may end."""
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri, WEB_CONCURRENCY=request.param) as running:

        async def all_started() -> bool:
            lines = [line["message"] for line in running.log_lines]
            return lines.count("started") >= {"1": 1, "2": 3}[request.param]  # of two, their parent too

        await eventually(all_started, 60)
        yield running


def system_key(uri: str) -> str:
    made, stored = new_key("own", system=True)
    with MongoClient[dict[str, Any]](uri) as client:
        client.dozen[API_KEYS].insert_one(stored)
    return made


async def ids(database: Any) -> set[str]:
    return {document["_id"] async for document in database.items.find({}, {"_id": 1})}


async def answered(connection: Connection, action: str, **members: Any) -> tuple[int, Any]:
    await connection.send(action, **members)
    return await connection.receive()


async def outcome(server: Server, key: str) -> str:
    """Tell what becomes of a call on a connection of its own."""
    connection = Connection(server.port, key)
    try:
        async with asyncio.timeout(10):  # a client whose packet was dropped sends it again after one second
            await connection.open()
            status, _ = await answered(connection, "insertOne", document={})
    except ConnectionRefusedError:
        return "refused"
    except (OSError, EOFError, TimeoutError) as error:
        return type(error).__name__
    finally:
        await connection.close()
    return "answered" if status == 201 else str(status)


def signal_all(server: Server, number: signal.Signals) -> None:
    for process in server.family:
        os.kill(process, number)


async def ended(server: Server) -> int:
    return await asyncio.to_thread(server.process.wait, 60)


async def test_sigterm_under_load_answers_every_request_sent_before_it(fresh: Server, key: str, database: Any) -> None:
    async with Traffic(fresh.port, key).of(CLIENTS) as traffic:
        await traffic.more(300)
        signalled = time.monotonic()
        fresh.process.send_signal(signal.SIGTERM)
        code = await ended(fresh)
        took = time.monotonic() - signalled
    kept = await ids(database)

    assert code == 0
    assert [sent for sent in traffic.unanswered if sent < signalled] == []
    assert traffic.wrong == []
    assert set(traffic.acknowledged) <= kept
    assert took < 32  # MONGO_DB_TIMEOUT_MS and two seconds: the time that a call in flight is given
    assert [line["message"] for line in fresh.log_lines].count("stopped") == int(fresh.env["WEB_CONCURRENCY"])


@pytest.mark.parametrize("used_before", [CLIENTS, 0], ids=["idle connections", "new connections"])
async def test_requests_that_nobody_has_read_yet_at_the_signal_are_answered(
    fresh: Server, key: str, database: Any, opened: Opened, used_before: int
) -> None:
    used = await opened(fresh, key, used_before)
    before = [await answered(connection, "findOne") for connection in used]
    signal_all(fresh, signal.SIGSTOP)  # nothing is read until the signal is known, too
    unread = used + await opened(fresh, key, CLIENTS - used_before)
    for number, connection in enumerate(unread):
        await connection.send("insertOne", document={"_id": str(number)})
    fresh.process.send_signal(signal.SIGTERM)
    signal_all(fresh, signal.SIGCONT)
    answers = [await connection.receive() for connection in unread]
    code = await ended(fresh)
    kept = await ids(database)

    assert [status for status, _ in before] == [200] * used_before
    assert [status for status, _ in answers] == [201] * CLIENTS
    assert kept == {members["insertedId"] for _, members in answers}
    assert code == 0


async def test_a_request_that_crosses_the_signal_is_answered_and_told_to_be_the_last(
    mongod: Mongod, tmp_path: Path, key: str, database: Any, opened: Opened
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        busy, idle = await opened(server, key, 2)
        first = (await answered(busy, "insertOne", document={"_id": "before"}), busy.says_close)
        server.process.send_signal(signal.SIGTERM)

        async def takes_no_more() -> bool:
            try:
                await opened(server, key, 1)
            except ConnectionError:
                return True
            return False

        await eventually(takes_no_more)
        last = (await answered(busy, "insertOne", document={"_id": "after"}), busy.says_close)
        endings = [await busy.ended(), await idle.ended()]
        code = await ended(server)

    assert first == ((201, {"insertedId": "before"}), False)
    assert last == ((201, {"insertedId": "after"}), True)
    assert endings == [True, True]
    assert code == 0


async def test_a_new_connection_during_the_end_is_answered_or_refused(
    fresh: Server, key: str, database: Any, fail_point: FailPoint, opened: Opened
) -> None:
    [busy] = await opened(fresh, key, 1)
    assert (await answered(busy, "findOne"))[0] == 200
    await fail_point("find", blockConnection=True, blockTimeMS=4_000)  # a call in flight holds the end up
    await busy.send("findOne")
    outcomes: list[str] = []
    ends = time.monotonic() + 3

    async def connect_again_and_again() -> None:
        while time.monotonic() < ends:
            outcomes.append(await outcome(fresh, key))
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(connect_again_and_again())
        await asyncio.sleep(0.5)
        fresh.process.send_signal(signal.SIGTERM)
    status, _ = await busy.receive()
    code = await ended(fresh)

    assert set(outcomes) == {"answered", "refused"}
    assert set(outcomes[-100:]) == {"refused"}
    assert (status, code) == (200, 0)


async def test_a_server_killed_again_and_again_loses_no_acknowledged_insert(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    async with Server(tmp_path / "log", MONGO_DB_URI=mongod.uri) as server:
        async with Traffic(server.port, key).of(CLIENTS) as traffic:
            for _ in range(4):
                await traffic.more(100)
                await server.kill()
                await server.start()
            await traffic.more(1)
        kept = await ids(database)

    assert traffic.wrong == []
    assert len(traffic.unanswered) > 0  # it was killed in the middle of calls
    assert set(traffic.acknowledged) <= kept


async def test_a_mongod_killed_under_load_has_every_acknowledged_insert_after_its_restart(
    own_mongod: Mongod, tmp_path: Path
) -> None:
    key = system_key(own_mongod.uri)
    async with Server(tmp_path / "log", MONGO_DB_URI=own_mongod.uri) as server:
        async with Traffic(server.port, key).of(CLIENTS) as traffic:
            for _ in range(2):
                await traffic.more(200)
                own_mongod.kill()
                own_mongod.start()
            await traffic.more(1)
        with MongoClient[dict[str, Any]](own_mongod.uri) as client:
            kept = {document["_id"] for document in client.shop.items.find({}, {"_id": 1})}

    assert traffic.wrong == []
    assert set(traffic.acknowledged) <= kept


async def test_two_servers_behind_one_address_of_which_one_is_always_killed_never_answer_wrongly(
    mongod: Mongod, tmp_path: Path, key: str, database: Any
) -> None:
    chance = random.Random(12)
    async with (
        Server(tmp_path / "first", MONGO_DB_URI=mongod.uri) as first,
        Server(tmp_path / "second", MONGO_DB_URI=mongod.uri) as second,
        Proxy([first.port, second.port]) as proxy,
    ):
        async with Traffic(proxy.port, key, reads_back=True).of(CLIENTS) as traffic:
            for _ in range(5):
                victim = chance.choice([first, second])
                await traffic.more(100)
                await victim.kill()
                await traffic.more(50)  # the other goes on alone
                await victim.start()
        kept = await ids(database)

    assert traffic.wrong == []
    assert len(traffic.acknowledged) >= 750
    assert set(traffic.acknowledged) <= kept
